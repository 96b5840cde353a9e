"""The source that llama.cpp is built from: llama-cpp-python's source distribution, of one version, by its
sha256.

It is fetched once, by pip and from whichever index pip is set up for, and kept: a later build needs no
network.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from stardraftd.errors import EngineBuildError
from stardraftd.setup.engine import tools

# packaging/constraints.txt has the same version; tests/setup/engine/test_sources.py holds them together.
PROJECT = "llama-cpp-python"
VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
ARCHIVE = f"llama_cpp_python-{VERSION}.tar.gz"

_VENDORED = PurePosixPath("vendor/llama.cpp")
# What a build of the libraries alone reads; the other four fifths are models, tools, documentation and tests.
_NEEDED = ("CMakeLists.txt", "LICENSE", "cmake", "ggml", "include", "src", "vendor")
_CHUNK_BYTES = 1 << 20
# Python 3.11.4 brought filters; what is unpacked without one has been checked against its sha256 all the
# same.
_SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def archive(cache: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The source distribution, fetched where it is not in the cache. Raises EngineBuildError."""
    kept = cache / "sources" / ARCHIVE
    if kept.is_file() and sha256(kept) == SHA256:
        return kept
    say(f"Fetching the source of llama.cpp ({PROJECT} {VERSION}, 77 MB)")
    kept.parent.mkdir(parents=True, exist_ok=True)
    pip = tools.pip(cache, environment)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="unfinished-") as folder:
        wanted = ["--no-deps", "--no-binary", PROJECT, "--dest", folder, f"{PROJECT}=={VERSION}"]
        done = subprocess.run(
            [*pip, "download", "--quiet", "--disable-pip-version-check", *wanted],
            capture_output=True,
            check=False,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
        )
        fetched = Path(folder) / ARCHIVE
        if done.returncode != 0 or not fetched.is_file():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
            raise EngineBuildError(
                f"The source of llama.cpp could not be fetched; pip said: {said[0]}",
                "Is there a network, and does `pip download` work here? Without one, put the file "
                f"{ARCHIVE} into {kept.parent}",
            )
        if (found := sha256(fetched)) != SHA256:
            raise EngineBuildError(
                f"The source of llama.cpp that pip fetched is not the one that stardraft was tested "
                "with: its sha256 is "
                f"{found}, not {SHA256}.",
                "Nothing was built of it. Look at the package index that pip is set up for: pip config list",
            )
        fetched.replace(kept)
    return kept


def unpacked(cache: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The folder with `llama_cpp`, `vendor/llama.cpp` and PKG-INFO, in the cache. Raises EngineBuildError."""
    folder = cache / "work" / f"source-{VERSION}"
    if folder.is_dir():
        return folder
    source = archive(cache, environment, say)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        with tarfile.open(source, "r:gz") as tar:
            for member in tar:
                inside = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                if (member.isfile() or member.issym()) and _is_needed(inside):
                    member.name = str(inside)
                    tar.extract(member, unfinished, **_SAFELY)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _is_needed(inside: PurePosixPath) -> bool:
    if inside.is_relative_to(_VENDORED):
        return len(inside.parts) > 2 and inside.parts[2] in _NEEDED
    return bool(inside.parts) and (
        inside.parts[0] == "llama_cpp" or str(inside) in ("PKG-INFO", "LICENSE.md")
    )
