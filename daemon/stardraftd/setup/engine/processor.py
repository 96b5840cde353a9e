"""This computer's processor: its kind, and what it is known by where a build is for it alone."""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_TIMEOUT_S = 10.0
_X86 = {"x86_64", "amd64", "i386", "i686", "x86"}
_ARM = {"arm64", "aarch64"}

# Linux's flag of an ARM processor, and the extension that a compiler knows it by.
_ARM_EXTENSIONS = {"asimddp": "dotprod", "asimdhp": "fp16", "sve": "sve", "i8mm": "i8mm", "sve2": "sve2"}


def is_x86() -> bool:
    return platform.machine().lower() in _X86


def is_arm() -> bool:
    return platform.machine().lower() in _ARM


def has_amx(cpuinfo: Path = CPUINFO) -> bool:
    """Whether Linux lists AMX; elsewhere llama.cpp does not use it."""
    return "amx_int8" in flags(cpuinfo)


def flags(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """The features of the first processor that Linux lists, sorted; () where it does not."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return tuple(sorted(set(rest.split())))
    return ()


def arm_architecture(features: tuple[str, ...]) -> str:
    """What `-march` takes for the features that Linux lists: "armv8.2-a+dotprod+fp16"."""
    extensions = [name for flag, name in _ARM_EXTENSIONS.items() if flag in features]
    base = "armv8.2-a" if extensions else "armv8-a"
    return "+".join([base, *extensions])


def identity() -> str:
    """A hash of everything that decides which instructions run here: another one is another processor."""
    told = [platform.machine(), *flags()]
    if not flags():
        told.append(_name())
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _name() -> str:
    if sys.platform != "darwin":
        return platform.processor()
    asked = subprocess.run(
        ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, timeout=_TIMEOUT_S, check=False
    )
    return asked.stdout.decode("utf-8", "replace").strip()
