"""Which GPUs this computer has, and whether what a build for them needs is here: compilers, headers,
drivers.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stardraftd.setup.engine import processor

Backend = Literal["cpu", "cuda", "metal", "vulkan", "hip"]
BACKENDS: tuple[Backend, ...] = ("cpu", "cuda", "metal", "vulkan", "hip")
TITLES: dict[Backend, str] = {
    "cpu": "the CPU",
    "cuda": "NVIDIA's GPUs (CUDA)",
    "metal": "Apple's GPUs (Metal)",
    "vulkan": "Vulkan",
    "hip": "AMD's GPUs (ROCm)",
}

PCI_DEVICES = Path("/sys/bus/pci/devices")
DISPLAY = "0x03"  # the first byte of a PCI device's class: a display controller
MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
NVIDIA_SMI_TIMEOUT_S = 10.0

_CUDA_PLACES = (Path("/usr/local/cuda/bin/nvcc"), Path("/opt/cuda/bin/nvcc"))
_ROCM = Path("/opt/rocm")
_VULKAN_HEADERS = (Path("/usr/include/vulkan/vulkan.h"), Path("/usr/local/include/vulkan/vulkan.h"))


@dataclass(frozen=True)
class Toolkit:
    """What a build for `backend` has here. missing: a sentence that says what to install, "" when nothing is.

    gpu: the GPU it is for, in words that follow "This computer has"; None when none was found.
    """

    backend: Backend
    gpu: str | None
    missing: str


def toolkit(backend: Backend, environment: Mapping[str, str] = os.environ) -> Toolkit:
    """What is here for a backend."""
    match backend:
        case "cuda":
            return Toolkit(backend, nvidia_gpu(), _cuda_missing(environment))
        case "metal":
            gpu = "an Apple GPU" if sys.platform == "darwin" and processor.is_arm() else None
            missing = "" if sys.platform == "darwin" else "Metal is Apple's: there is none on this system."
            return Toolkit(backend, gpu, missing)
        case "vulkan":
            return Toolkit(backend, _gpu_of("AMD", "Intel", "NVIDIA"), _vulkan_missing(environment))
        case "hip":
            return Toolkit(backend, _gpu_of("AMD"), _hip_missing(environment))
        case _:
            return Toolkit(backend, None, "")


def candidates(environment: Mapping[str, str] = os.environ) -> list[Toolkit]:
    """The GPUs here that are worth a build of their own, the best first.

    One that a processor has built in is seldom faster than it: so Vulkan is not among them, and AMD's are
    only where ROCm is installed.
    """
    found = [toolkit(backend, environment) for backend in ("metal", "cuda", "hip")]
    return [one for one in found if one.gpu is not None and not (one.backend == "hip" and one.missing)]


def best(environment: Mapping[str, str] = os.environ) -> tuple[Backend, str]:
    """What `auto` builds for, and why, as a sentence."""
    aside = []
    for found in candidates(environment):
        if not found.missing:
            return found.backend, f"This computer has {found.gpu}, and what a build for it needs."
        aside.append(f"This computer has {found.gpu}, which is left out: {found.missing}")
    return "cpu", " ".join(aside) or "No GPU was found that a build pays for without being asked for."


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


def nvcc(environment: Mapping[str, str] = os.environ) -> str | None:
    """CUDA's compiler: CUDACXX, the PATH, or where the toolkit puts it without being on the PATH."""
    given = environment.get("CUDACXX") or shutil.which("nvcc", path=environment.get("PATH"))
    if given:
        return given
    home = environment.get("CUDA_PATH") or environment.get("CUDA_HOME")
    places = [Path(home) / "bin" / "nvcc", *_CUDA_PLACES] if home else list(_CUDA_PLACES)
    return next((str(place) for place in places if place.is_file()), None)


def _cuda_missing(environment: Mapping[str, str]) -> str:
    if nvcc(environment) is not None:
        return ""
    return (
        "nvcc, the compiler of NVIDIA's CUDA toolkit, is not here (Debian, Ubuntu: sudo apt install "
        "nvidia-cuda-toolkit; others: developer.nvidia.com/cuda-downloads)."
    )


def _vulkan_missing(environment: Mapping[str, str]) -> str:
    sdk = environment.get("VULKAN_SDK")
    shaders = shutil.which("glslc", path=environment.get("PATH")) or (
        sdk and (Path(sdk) / "bin" / "glslc").is_file()
    )
    headers = bool(sdk) or any(header.is_file() for header in _VULKAN_HEADERS)
    if shaders and headers:
        return ""
    what = " and ".join(
        name
        for name, is_here in (("glslc, the compiler of shaders,", shaders), ("Vulkan's headers", headers))
        if not is_here
    )
    return (
        f"{what} cannot be found (Debian, Ubuntu: sudo apt install libvulkan-dev glslc spirv-headers; "
        "Fedora: sudo dnf "
        "install vulkan-devel glslc spirv-headers-devel; others: vulkan.lunarg.com/sdk)."
    )


def _hip_missing(environment: Mapping[str, str]) -> str:
    root = Path(environment.get("ROCM_PATH") or _ROCM)
    if shutil.which("hipcc", path=environment.get("PATH")) or (root / "bin" / "hipcc").is_file():
        return ""
    return "hipcc, the compiler of AMD's ROCm, is not here (rocm.docs.amd.com says how to install it)."


def _gpu_of(*makers: str) -> str | None:
    found = sorted(gpu_makers() & set(makers))
    return f"a GPU of {' and of '.join(found)}" if found else None
