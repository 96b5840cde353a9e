"""Why llama.cpp's library cannot be loaded, from what the system's loader says and what its files are.

The loaders of Linux, macOS and Windows each have their own words for a library of another architecture, one
that was built on a newer system, one that lacks another library or a symbol. Each becomes one sentence and
the command that helps. Linux' loader does not even say that a file is of another architecture ("No such
file"), so the headers of ELF, Mach-O and PE files are looked at here. Which libraries would be loaded is told
here as well, without loading them.
"""

import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from stardraftd.builds import chosen as engine_build
from stardraftd.errors import EngineNotInstalledError

OTHER_BUILD = "LLAMA_CPP_LIB_PATH"
# Bounds what foreign text can make a search cost.
_MAX_TEXT = 4000
_HEADER_BYTES = 4096

_LIBRARY = re.compile(r"\.(?:so(?:\.\d{1,6}){0,4}|dylib|dll|metallib)$")

# e_machine (elf.h), cputype (mach/machine.h), Machine (winnt.h).
_ELF = {
    0x03: "x86",
    0x28: "arm",
    0x3E: "x86_64",
    0xB7: "arm64",
    0xF3: "riscv64",
    0x15: "ppc64",
    0x16: "s390x",
}
_MACH_O = {0x01000007: "x86_64", 0x0100000C: "arm64", 7: "x86", 12: "arm"}
_PE = {0x14C: "x86", 0x8664: "x86_64", 0xAA64: "arm64"}
_MACHINES = {"amd64": "x86_64", "aarch64": "arm64", "i386": "x86", "i686": "x86", "ppc64le": "ppc64"}

# What to install for a library that others bring: the beginning of its name, and where it comes from.
_PROVIDERS = {
    "libcuda.so": "NVIDIA's driver, which brings it, is missing or not to be seen from here (a container?).",
    "libnvidia": "NVIDIA's driver, which brings it, is missing or not to be seen from here (a container?).",
    "libcud": "It belongs to NVIDIA's CUDA toolkit, of the version that llama.cpp was built with.",
    "libcublas": "It belongs to NVIDIA's CUDA toolkit, of the version that llama.cpp was built with.",
    "libvulkan": "It belongs to Vulkan's loader (Debian, Ubuntu: libvulkan1).",
    "libamdhip": "It belongs to AMD's ROCm, of the version that llama.cpp was built with.",
    "libhip": "It belongs to AMD's ROCm, of the version that llama.cpp was built with.",
    "libroc": "It belongs to AMD's ROCm, of the version that llama.cpp was built with.",
    "libgomp": "It is GCC's OpenMP (Debian, Ubuntu: libgomp1; Fedora: libgomp).",
    "libomp": "It is LLVM's OpenMP (macOS: brew install libomp).",
    "libopenblas": "It is OpenBLAS (Debian, Ubuntu: libopenblas0).",
    "libstdc++": "It is GCC's C++ library (Debian, Ubuntu: libstdc++6).",
    "libggml": "It is a part of llama.cpp's own build, which is not all there.",
    "libllama": "It is a part of llama.cpp's own build, which is not all there.",
}


@dataclass(frozen=True)
class Explained:
    """`why` is a sentence, `hint` the command that helps."""

    why: str
    hint: str


Explain = Callable[["re.Match[str]"], Explained]


def rebuild_hint() -> str:
    """What replaces a build that does not run here."""
    other = os.environ.get(OTHER_BUILD)
    aside = f"It is taken from {OTHER_BUILD} ({other}): unset that, or have" if other else "Have"
    return f"{aside} llama.cpp built for this computer: {engine_build.REPAIR}"


def not_installed() -> EngineNotInstalledError:
    """The error where there is no build at all, whoever finds it out."""
    return EngineNotInstalledError(
        "The engine is not installed.",
        f"A C++ compiler builds it here, in a few minutes. Type: {engine_build.REPAIR}",
    )


def library_folder() -> Path | None:
    """The folder that llama_cpp, which is not imported, has its libraries in; None without llama_cpp.

    It is that of the build that was chosen for this installation, if one was.
    """
    if OTHER_BUILD in os.environ:
        return libraries_of(Path())
    spec = PathFinder.find_spec("llama_cpp", [*engine_build.search_path(), *sys.path])
    if spec is None or not spec.submodule_search_locations:
        return None
    return libraries_of(Path(next(iter(spec.submodule_search_locations))))


def libraries_of(package: Path) -> Path:
    """The folder that a llama_cpp in the folder `package` loads its libraries from, as an absolute path."""
    other = os.environ.get(OTHER_BUILD)
    return (package / "lib" if other is None else Path(other)).absolute()


def libraries() -> list[Path]:
    """Every library of the build that would be loaded: all of its folder, and the variants of a portable one.

    A build with dispatch at run time (GGML_BACKEND_DL) has its variants beside the others, or in `bin` of the
    installation's root, where llama-cpp-python's CMake puts them.
    """
    folder = library_folder()
    if folder is None:
        return []
    folders = [folder] if OTHER_BUILD in os.environ else [folder, folder.parents[1] / "bin"]
    return sorted(
        file
        for place in folders
        for pattern in ("*ggml*", "*llama*", "*mtmd*")
        for file in place.glob(pattern)
        if file.is_file() and _LIBRARY.search(file.name)
    )


def explain_load_error(text: str, libraries: Iterable[Path] = ()) -> Explained:
    """What a loader's error `text` means; `libraries` are the files of the build that was to be loaded."""
    text = text[:_MAX_TEXT]
    for library in libraries:
        if (found := _unfit(library)) is not None:
            return found
    for pattern, explain in _MEANINGS:
        if (match := re.search(pattern, text)) is not None:
            return explain(match)
    return Explained("It was built for another computer or Python, or is damaged.", rebuild_hint())


def architecture_of(path: Path) -> str | None:
    """ "x86_64", "arm64", ... of an ELF, Mach-O or PE file, several with "+"; None when it is none of these.

    Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        order = "big" if head[5] == 2 else "little"
        machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
        return _ELF.get(machine, f"processor kind {machine}")
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe") and len(head) >= 8:
        kind = int.from_bytes(head[4:8], "little")
        return _MACH_O.get(kind, f"processor kind {kind}")
    if head[:4] == b"\xca\xfe\xba\xbe" and len(head) >= 8:  # a universal file: one entry of 20 bytes for each
        n_kinds = min(int.from_bytes(head[4:8], "big"), 16)
        kinds = [int.from_bytes(head[8 + 20 * i : 12 + 20 * i], "big") for i in range(n_kinds)]
        return "+".join(_MACH_O.get(kind, f"processor kind {kind}") for kind in kinds)
    if head[:2] == b"MZ" and len(head) >= 64:
        offset = int.from_bytes(head[60:64], "little")
        if head[offset : offset + 4] == b"PE\0\0":
            kind = int.from_bytes(head[offset + 4 : offset + 6], "little")
            return _PE.get(kind, f"processor kind {kind}")
    return None


def this_architecture() -> str:
    """This process's own, in the words of `architecture_of`."""
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


def _unfit(library: Path) -> Explained | None:
    """What is wrong with a file before any loader looks at it; None when nothing is."""
    try:
        found = architecture_of(library)
    except OSError as error:
        return Explained(f"{library} cannot be read: {error.strerror}.", rebuild_hint())
    if found is None:
        return Explained(
            f"{library} is not a library: it is damaged, or was cut off while it was copied.", rebuild_hint()
        )
    if this_architecture() in found.split("+"):
        return None
    return Explained(
        f"{library} was built for {found}, and this Python runs on {this_architecture()}: it comes from "
        "a computer of another kind.",
        rebuild_hint(),
    )


def _newer_glibc(match: "re.Match[str]") -> Explained:
    here = platform.libc_ver()[1]
    has = f", and this system has {here}" if here else ""
    return Explained(
        f"It needs the C library glibc {match[1]} or newer{has}: it was built on a newer system.",
        rebuild_hint(),
    )


def _newer_libstdcxx(match: "re.Match[str]") -> Explained:
    return Explained(
        f"It needs a newer C++ library (libstdc++ with {match[1]}) than this system has: it was built by "
        "a newer compiler.",
        rebuild_hint(),
    )


def _missing_symbol(match: "re.Match[str]") -> Explained:
    return Explained(
        f"The function {match[1]} is missing in its libraries: they are of different versions (parts of "
        "two builds, or a driver that is too old).",
        rebuild_hint(),
    )


def _missing_library(match: "re.Match[str]") -> Explained:
    name = Path(match[1]).name
    comes_from = next((text for start, text in _PROVIDERS.items() if name.startswith(start)), "")
    return Explained(
        f"It needs the library {name}, which is not here.",
        "\n".join(
            filter(
                None, (comes_from, f"Or build llama.cpp with what this computer has: {engine_build.REPAIR}")
            )
        ),
    )


def _always(why: str, hint: str = "") -> Explain:
    return lambda _match: Explained(why, hint or rebuild_hint())


_ANOTHER_KIND = "It was built for a computer of another kind (another processor, or 32 bits)."
_MEANINGS: tuple[tuple[str, Explain], ...] = (
    (r"GLIBC_(\d{1,3}(?:\.\d{1,3}){1,2})' not found", _newer_glibc),
    (r"((?:GLIBCXX|CXXABI)_[\d.]{1,12})' not found", _newer_libstdcxx),
    (
        r"(?:undefined symbol|[Ss]ymbol not found(?: in flat namespace)?)[: ']{1,4}([\w@.$]{1,200})",
        _missing_symbol,
    ),
    (r"version `([^']{1,100})' not found", _missing_symbol),
    (
        r"([Tt]he specified procedure)",
        _always("A function is missing in its libraries: they are of different versions."),
    ),
    (
        r"wrong ELF class|Exec format error|incompatible architecture|not a valid Win32",
        _always(_ANOTHER_KIND),
    ),
    (r"([^\s:'\"]{1,300}): cannot open shared object file: No such file", _missing_library),
    (r"Library not loaded: (\S{1,300})", _missing_library),
    (r"Could not find module '([^']{1,300})'", _missing_library),
    (r"[Tt]he specified module", _always("A library that it needs is not here.")),
    (
        r"invalid ELF header|file too short|truncated|not a mach-o",
        _always("Its file is damaged, or was cut off while it was copied."),
    ),
    (
        r"code signature",
        _always("macOS refuses its signature: the file was changed or copied after it was built."),
    ),
    (
        r"failed to map segment|Operation not permitted",
        _always(
            "The system does not let it run from where it lies (the mount option noexec?).",
            "Install stardraft on another file system; `findmnt -T FILE` shows the options of this one.",
        ),
    ),
    (r"static TLS", _always("The system's loader has no room for its thread-local data.")),
    (r"executable stack", _always("The system does not allow the executable stack that it asks for.")),
    (r"Permission denied", _always("Its file may not be read by you.")),
    (r"base name '[^']{1,60}' not found", _always("Its files are not all there.")),
)
