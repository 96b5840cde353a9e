"""What this computer's processor is called, for people. What it can do, `build_identity` asks."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_S = 10.0
# What machines say that do not tell: some virtual ones have it where the model's name should be.
_NO_NAMES = {"", "unknown", "not specified", "to be filled by o.e.m."}
# Implementers of ARM cores (MIDR_EL1, as in Linux' /proc/cpuinfo); their parts go by number.
_ARM = {
    0x41: "ARM", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon", 0x4E: "NVIDIA",
    0x50: "Ampere", 0x51: "Qualcomm", 0x53: "Samsung", 0x61: "Apple", 0x6D: "Microsoft", 0xC0: "Ampere",
}  # fmt: skip
_MACHINES = ("x86_64", "amd64", "i386", "i686", "aarch64", "arm64", "arm", "armv7l")


def processor_name() -> str:
    """Such as "Intel(R) Xeon(R) Platinum 8481C", "AMD EPYC 9B14", "Neoverse-N1" or "Apple M1".

    Where no name is told it is the maker and the model's numbers; where nothing is, "unknown processor".
    """
    told = ""
    if sys.platform == "linux":
        told = _on_linux()
    elif sys.platform == "darwin":
        told = _output("sysctl", "-n", "machdep.cpu.brand_string")
    elif sys.platform == "win32":
        told = _on_windows()
    return _named(told) or _named(platform.processor()) or "unknown processor"


def machine() -> str:
    """The computer in a line for a report: the system, the architecture and the processor's name."""
    return f"{platform.system()} {platform.machine()}, {processor_name()}"


def _on_linux() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = cpuinfo_fields(text)
    # lscpu has the table of ARM's parts, which the kernel does not.
    return named_by_linux(fields) or named_by_lscpu(_output("lscpu")) or numbered_by_linux(fields)


def cpuinfo_fields(text: str) -> dict[str, str]:
    """/proc/cpuinfo's fields, each as it is first told."""
    pairs = (line.partition(":") for line in text.splitlines())
    fields: dict[str, str] = {}
    for key, _, value in pairs:
        fields.setdefault(key.strip(), value.strip())
    return fields


def named_by_linux(fields: Mapping[str, str]) -> str:
    """The name where the kernel has one (x86, POWER, RISC-V, MIPS, old ARM), else "".

    `fields` are those of /proc/cpuinfo. "model" alone is a number on x86, and the machine on POWER.
    """
    for key in ("model name", "cpu model", "cpu", "uarch", "Processor"):
        if name := _named(fields.get(key, "")):
            return name
    return ""


def numbered_by_linux(fields: Mapping[str, str]) -> str:
    """The maker and the model's numbers, where there is no name; "" where there are none either."""
    if maker := _named(fields.get("vendor_id", "")):
        numbers = (
            f"{key.removeprefix('cpu ')} {fields[key]}" for key in ("cpu family", "model") if key in fields
        )
        return " ".join((maker, *numbers))
    with contextlib.suppress(KeyError, ValueError):
        implementer = int(fields["CPU implementer"], 16)
        return f"{_ARM.get(implementer, f'implementer {implementer:#x}')} part {fields['CPU part']}"
    return ""


def named_by_lscpu(text: str) -> str:
    """The name in what `lscpu` prints, else ""."""
    return _named(cpuinfo_fields(text).get("Model name", ""))


def _on_windows() -> str:
    if sys.platform != "win32":
        return ""
    import winreg

    place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    return ""


def _output(*command: str) -> str:
    """What a program of the system prints; "" when it does not, or is not there."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT_S, check=True, env={**os.environ, "LC_ALL": "C"}
        )
        return done.stdout.decode(errors="replace")
    return ""


def _named(told: str) -> str:
    """One line without doubled blanks; "" for what is no name: `uname -p` may say just the architecture."""
    name = " ".join(told.split())
    return "" if name.lower() in {*_NO_NAMES, *_MACHINES, platform.machine().lower(), "-"} else name
