"""A wheel made of llama-cpp-python's bindings and built libraries (PyPA's binary distribution format,
1.0).
"""

import base64
import hashlib
import json
import platform
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from stardraftd.errors import EngineBuildError
from stardraftd.setup.engine.sources import VERSION

NAME = "llama_cpp_python"
DIST_INFO = f"{NAME}-{VERSION}.dist-info"
FACTS = "build.json"
_LIBRARIES = (".so", ".dylib", ".dll")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def in_folder(folder: Path) -> Path | None:
    """The wheel in a folder of the cache; None where there is none."""
    return next(iter(sorted(folder.glob(f"{NAME}-*.whl"))), None)


def make(source: Path, built: Path, folder: Path, facts: Mapping[str, object]) -> Path:
    """Puts the bindings of `source` and the libraries in `built` into a wheel in `folder`, whole or not at
    all.

    Raises EngineBuildError where the libraries are not all there, and OSError.
    """
    libraries = sorted(_libraries(built))
    names = {library.name.removeprefix("lib").partition(".")[0] for library in libraries}
    if not {"llama", "ggml", "ggml-base"} <= names:
        raise EngineBuildError(
            f"The build of llama.cpp ended without its libraries: "
            f"{', '.join(sorted(names)) or 'none'} in {built}.",
            "Do it again; if it stays so, a CMAKE_ARGS in the environment may turn shared libraries off.",
        )
    unfinished = folder.with_name(f"unfinished-{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    wheel = unfinished / f"{NAME}-{VERSION}-py3-none-{platform_tag()}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        _fill(archive, source, libraries)
    text = json.dumps(dict(facts), indent=1, sort_keys=True)
    (unfinished / FACTS).write_text(f"{text}\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder / wheel.name


def facts_of(wheel: Path) -> dict[str, object]:
    """What a wheel of the cache was built with (`keys.ingredients`)."""
    found: dict[str, object] = json.loads(wheel.with_name(FACTS).read_text(encoding="utf-8"))
    return found


def platform_tag() -> str:
    """The part of a wheel's name that says where it can be installed."""
    if sys.platform == "darwin":
        major = int(platform.mac_ver()[0].partition(".")[0])
        return f"macosx_{major}_0_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _fill(archive: zipfile.ZipFile, source: Path, libraries: Iterable[Path]) -> None:
    record = []
    tag = f"py3-none-{platform_tag()}"
    for name, data, mode in [
        *_bindings(source),
        *((f"llama_cpp/lib/{library.name}", library.read_bytes(), 0o755) for library in libraries),
        (f"{DIST_INFO}/METADATA", (source / "PKG-INFO").read_bytes(), 0o644),
        (
            f"{DIST_INFO}/WHEEL",
            f"Wheel-Version: 1.0\nGenerator: stardraft\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
            0o644,
        ),
        (f"{DIST_INFO}/licenses/LICENSE.md", (source / "LICENSE.md").read_bytes(), 0o644),
        (
            f"{DIST_INFO}/licenses/llama.cpp/LICENSE",
            (source / "vendor" / "llama.cpp" / "LICENSE").read_bytes(),
            0o644,
        ),
    ]:
        _add(archive, name, data, mode)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(data)}")
    record.append(f"{DIST_INFO}/RECORD,,")
    _add(archive, f"{DIST_INFO}/RECORD", ("\n".join(record) + "\n").encode(), 0o644)


def _bindings(source: Path) -> Iterator[tuple[str, bytes, int]]:
    for file in sorted((source / "llama_cpp").rglob("*")):
        if file.suffix in (".py", ".pyi", ".typed") or file.name == "py.typed":
            yield file.relative_to(source).as_posix(), file.read_bytes(), 0o644


def _libraries(built: Path) -> Iterator[Path]:
    """Those of llama.cpp, in Visual Studio's folder of the configuration as well; links as what they lead
    to.
    """
    for folder in (built, built / "Release"):
        for file in folder.glob("*"):
            if any(suffix in _LIBRARIES for suffix in file.suffixes) and file.is_file():
                yield file


def _add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)
