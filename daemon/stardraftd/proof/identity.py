"""Which build of llama.cpp would be loaded, and on which processor: the two names a verdict is kept under.

A build is the contents of its libraries, so the same one in another folder is the same; a processor is its
model and what it can do, as the operating system tells, with the graphics cards and their driver. Libraries
of 100 MB are read once: their hashes are kept by path, size, time and inode.
"""

import contextlib
import hashlib
import os
import platform
import sys
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from stardraftd.builds import chosen as engine_build
from stardraftd.builds.library import OTHER_BUILD, libraries, library_folder, not_installed, rebuild_hint
from stardraftd.errors import EngineMissingError
from stardraftd.files import atomic
from stardraftd.paths import engine_cache_dir

HASHES_FILE = "libraries.json"
MAX_HASHES = 256
# What of /proc/cpuinfo says which processor it is; the rest (MHz, ids) changes from moment to moment, or
# core.
_CPUINFO_KEYS = (
    *("vendor_id", "cpu family", "model", "stepping", "model name", "flags"),  # x86
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),  # ARM
    *("isa", "uarch", "cpu"),  # RISC-V, POWER
)
_DISPLAY = "0x03"  # a PCI class's first byte


class _Hash(Struct, frozen=True, array_like=True):
    size: int
    mtime_ns: int
    inode: int
    digest: str


def build_id() -> str:
    """Names the build that would be loaded, LLAMA_CPP_LIB_PATH included. Raises EngineMissingError."""
    files = libraries()
    if not files:
        if OTHER_BUILD not in os.environ and engine_build.chosen_build() is None:
            raise not_installed()
        raise EngineMissingError(
            f"The engine is not installed: there is no library in {library_folder()}.", rebuild_hint()
        )
    known = _read_hashes()
    found = {str(path): _hashed(path, known) for path in files}
    if any(known.get(path) != entry for path, entry in found.items()):
        _write_hashes(known | found, found)
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.name} {found[str(path)].digest}\n".encode())
    return whole.hexdigest()[:32]


def processor_id() -> str:
    """Names the processor, with what it can do, and the graphics cards beside it."""
    told = [sys.platform, platform.machine(), *_processor(), *_graphics()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def _hashed(path: Path, known: dict[str, _Hash]) -> _Hash:
    try:
        info = path.stat()
        entry = known.get(str(path))
        if entry is not None and (entry.size, entry.mtime_ns, entry.inode) == _identity(info):
            return entry
        return _Hash(*_identity(info), _digest(path, *_identity(info)))
    except OSError as error:
        raise EngineMissingError(
            f"llama.cpp's library {path} cannot be read: {error.strerror or error}.",
            f"Make it readable to you. {rebuild_hint()}",
        ) from error


def _identity(info: os.stat_result) -> tuple[int, int, int]:
    return info.st_size, info.st_mtime_ns, info.st_ino


@lru_cache(maxsize=MAX_HASHES)
def _digest(path: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    """Kept in this process as well: the state folder may be read-only."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_hashes() -> dict[str, _Hash]:
    try:
        content = atomic.read(engine_cache_dir() / HASHES_FILE, own=True)
        return msgspec.json.decode(content, type=dict[str, _Hash])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}  # not there yet, or damaged: they are made anew


def _write_hashes(all_of_them: dict[str, _Hash], needed: dict[str, _Hash]) -> None:
    others = {path: entry for path, entry in all_of_them.items() if path not in needed}
    kept = dict(list(others.items())[-max(MAX_HASHES - len(needed), 0) :]) if others else {}
    with contextlib.suppress(OSError):  # without them the libraries are read again
        atomic.write_whole(engine_cache_dir() / HASHES_FILE, msgspec.json.encode(kept | needed))


def _processor() -> list[str]:
    """What the operating system tells of the processor, as lines in a fixed order."""
    if sys.platform == "linux":
        return _cpuinfo()
    if sys.platform == "darwin":
        return _sysctl()
    return [platform.processor(), *_windows_features()]


def _cpuinfo() -> list[str]:
    """Of every kind of core: a phone's and many a laptop's processor has two."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        pairs = (line.partition(":") for line in text.splitlines())
        lines = {(key.strip(), " ".join(sorted(value.split()))) for key, _, value in pairs}
        return sorted(f"{key}: {value}" for key, value in lines if key in _CPUINFO_KEYS)
    return [platform.processor()]


def _sysctl() -> list[str]:
    import subprocess

    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        names = ["machdep.cpu", "hw.optional", "hw.cputype", "hw.cpusubtype", "kern.osversion"]
        asked = subprocess.run(
            ["/usr/sbin/sysctl", *names], capture_output=True, timeout=10, check=False, text=True
        )
        # A core's own numbers (thread counts, cache sizes) are no part of what it can do, but they stand
        # still.
        return sorted(asked.stdout.splitlines())
    return [platform.processor()]


def _windows_features() -> list[str]:
    if sys.platform != "win32":
        return []
    import ctypes

    present = ctypes.windll.kernel32.IsProcessorFeaturePresent  # winnt.h: PF_..., numbered from 0
    return [str(number) for number in range(64) if present(number)]


def _graphics() -> list[str]:
    """Cards and drivers that layers may be put on; where they are no files, nothing."""
    found = []
    for device in Path("/sys/bus/pci/devices").glob("*"):
        with contextlib.suppress(OSError):
            if (device / "class").read_text().startswith(_DISPLAY):
                found.append(f"{(device / 'vendor').read_text()} {(device / 'device').read_text()}")
    for driver in ("/proc/driver/nvidia/version", "/sys/module/amdgpu/version"):
        with contextlib.suppress(OSError):
            found.append(Path(driver).read_text())
    return sorted(found)
