"""Check of the devices: which GPUs this computer has, which of them llama.cpp was built for, and sees."""

import re

from stardraftd.builds.chosen import REPAIR as SETUP
from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Device, Facts, Probe
from stardraftd.cli.output.wording import size
from stardraftd.errors import EngineError
from stardraftd.setup.engine.toolkits import candidates, gpu_makers

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
_NAMES = {"cuda": "CUDA", "metal": "Metal", "hip": "ROCm"}


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
    if built:
        return Check(
            "devices",
            "warning",
            f"{listed}. llama.cpp was built for {' and '.join(built)}, but sees no GPU that it could use.",
            "The GPU's driver is missing, older than the build, or not to be used from here (in a container, "
            "say). For NVIDIA, `nvidia-smi` tells more.",
        )
    for found in candidates():
        return Check(
            "devices",
            "warning",
            f"{listed}. This computer has {found.gpu}, but llama.cpp was built without "
            f"{_NAMES[found.backend]}.",
            "\n".join(filter(None, (found.missing, f"Have it built: {SETUP} --backend {found.backend}"))),
        )
    return Check("devices", "ok", listed, _other_gpus())


def built_for(probe: Probe) -> list[str]:
    """The kinds of GPU that this build has code for: "CUDA", "Metal", "Vulkan", ...; [] for the CPU alone."""
    described = re.findall(r"(?:^|\|)\s*(\w+) :", probe.system_info)
    named = [device.name.rstrip("0123456789") for device in probe.devices]
    known = [GPU_BACKENDS[name] for name in (*described, *named) if name in GPU_BACKENDS]
    return list(dict.fromkeys(known))


def _other_gpus() -> str:
    """A GPU that Vulkan may speed things up on. No warning: many are part of the processor, and no faster."""
    makers = sorted(gpu_makers() & {"AMD", "Intel"})
    if not makers:
        return ""
    return (
        f"There is a GPU of {' and of '.join(makers)}, too. If it is a card of its own, try Vulkan: "
        f"{SETUP} --backend vulkan"
    )


def _device(device: Device) -> str:
    text = device.name if device.description in ("", device.name) else f"{device.name}: {device.description}"
    # The CPU's is the computer's, all of which llama.cpp calls free; the check of the memory has what is.
    if not device.memory_total_bytes or device.name == "CPU":
        return text
    return f"{text} ({size(device.memory_free_bytes)} of {size(device.memory_total_bytes)} free)"
