"""Whether this computer can build llama.cpp: a C++ compiler that runs, and CUDA's for NVIDIA's GPUs."""

import os
import shutil
import subprocess

COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 10.0

GET_A_COMPILER = (
    "Debian, Ubuntu: sudo apt install g++; Fedora: sudo dnf install gcc-c++; macOS: xcode-select --install"
)


def compiler() -> str | None:
    """The C++ compiler that a build would find; None where there is none.

    Windows is not looked at: CMake finds Visual Studio there without it being on the PATH.
    """
    if os.name == "nt":
        return "Visual Studio"
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else list(COMPILERS)
    return next((candidate for candidate in candidates if _runs(candidate.split()[0])), None)


def compiler_hint() -> str:
    """What to install before llama.cpp can be built; "" when nothing is missing."""
    if compiler() is not None:
        return ""
    return f"llama.cpp is built from source, and there is no C++ compiler here. First: {GET_A_COMPILER}"


def cuda_hint() -> str:
    """What to install before llama.cpp can be built for NVIDIA's GPUs; "" when nothing is missing."""
    if shutil.which("nvcc") or os.environ.get("CUDACXX"):
        return ""
    return "nvcc, the compiler of NVIDIA's CUDA toolkit, is not on the PATH: install the toolkit first."


def _runs(program: str) -> bool:
    """macOS has a c++ that only offers to install one: so it is run, not only looked for."""
    path = shutil.which(program)
    if path is None:
        return False
    try:
        return (
            subprocess.run(
                [path, "--version"], capture_output=True, timeout=TIMEOUT_S, check=False
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
