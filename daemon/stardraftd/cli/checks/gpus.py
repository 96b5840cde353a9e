"""Check of the devices: which GPUs this computer has, which of them llama.cpp was built for, and sees."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stardraftd.cli.checks import Check
from stardraftd.cli.checks.compilers import cuda_hint
from stardraftd.cli.checks.facts import Device, Facts, Probe
from stardraftd.cli.wording import size
from stardraftd.errors import EngineError
from stardraftd.installed import installation

PCI_DEVICES = Path("/sys/bus/pci/devices")
NVIDIA_SMI_TIMEOUT_S = 10.0
# The first byte of a PCI device's class: a display controller.
DISPLAY = "0x03"
MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}

# What ggml calls the code for GPUs, in its own description of the build and in its devices' names.
GPU_BACKENDS = {
    "CUDA": "CUDA",
    "Metal": "Metal",
    "MTL": "Metal",
    "Vulkan": "Vulkan",
    "ROCm": "ROCm",
    "HIP": "ROCm",
    "SYCL": "SYCL",
}


def devices(facts: Facts) -> Check | list[Check]:
    """The devices that llama.cpp computes on, and the GPU that it could use if it were built for it.

    Silent when llama.cpp cannot be asked, or does not work: `installation.engine` said it.
    """
    try:
        if facts.verdict.error(gpu_layers=0) is not None:
            return []
        return _devices(facts.probe)
    except EngineError:
        return []


def _devices(probe: Probe) -> Check:
    listed = "; ".join(_device(device) for device in probe.devices) or "the CPU alone"
    if any(device.type in ("gpu", "integrated_gpu") for device in probe.devices):
        return Check("devices", "ok", listed)
    built = built_for(probe)
    nvidia = nvidia_gpu()
    if built:
        return Check(
            "devices",
            "warning",
            f"{listed}. llama.cpp was built for {' and '.join(built)}, but sees no GPU that it could use.",
            "The GPU's driver is missing, older than the build, or not to be used from here (in a container, "
            "say). For NVIDIA, `nvidia-smi` tells more.",
        )
    if nvidia is not None:
        return _unused(listed, nvidia, "CUDA", cuda_hint())
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return _unused(listed, "an Apple GPU", "METAL", "")
    return Check("devices", "ok", listed, _other_gpus())


def built_for(probe: Probe) -> list[str]:
    """The kinds of GPU that this build has code for: "CUDA", "Metal", "Vulkan", ...; [] for the CPU alone."""
    described = re.findall(r"(?:^|\|)\s*(\w+) :", probe.system_info)
    named = [device.name.rstrip("0123456789") for device in probe.devices]
    known = [GPU_BACKENDS[name] for name in (*described, *named) if name in GPU_BACKENDS]
    return list(dict.fromkeys(known))


def nvidia_gpu() -> str | None:
    """NVIDIA's GPU here, in words that can follow "This computer has"; None when there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "an NVIDIA GPU, but not its driver" if "NVIDIA" in gpu_makers() else None
    try:
        asked = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            timeout=NVIDIA_SMI_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "an NVIDIA GPU whose driver does not answer (`nvidia-smi`)"
    names = asked.stdout.decode("utf-8", "replace").split("\n")
    if asked.returncode != 0:
        return "an NVIDIA GPU whose driver does not answer (`nvidia-smi`)"
    return names[0].strip() or "an NVIDIA GPU"


def gpu_makers() -> set[str]:
    """Who made the display controllers that Linux lists; nothing elsewhere."""
    found = set()
    for device in PCI_DEVICES.glob("*"):
        try:
            kind, maker = (device / "class").read_text(), (device / "vendor").read_text()
        except OSError:
            continue
        if kind.startswith(DISPLAY):
            found.add(MAKERS.get(maker.strip(), ""))
    return found - {""}


def _other_gpus() -> str:
    """A GPU that Vulkan may speed things up on. No warning: many are part of the processor, and no faster."""
    makers = sorted(gpu_makers() & {"AMD", "Intel"})
    if not makers:
        return ""
    again = installation().command_for_rebuild("-DGGML_VULKAN=ON")
    return (
        f"There is a GPU of {' and of '.join(makers)}, too. If it is a card of its own, try Vulkan: {again}"
    )


def _unused(listed: str, gpu: str, backend: str, first: str) -> Check:
    again = installation().command_for_rebuild(f"-DGGML_{backend}=ON")
    return Check(
        "devices",
        "warning",
        f"{listed}. This computer has {gpu}, but llama.cpp was built without {backend}.",
        "\n".join(filter(None, (first, f"Build it again: {again}"))),
    )


def _device(device: Device) -> str:
    text = device.name if device.description in ("", device.name) else f"{device.name}: {device.description}"
    if not device.memory_total_bytes:
        return text
    return f"{text} ({size(device.memory_free_bytes)} of {size(device.memory_total_bytes)} free)"
