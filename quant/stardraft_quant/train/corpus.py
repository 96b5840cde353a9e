"""What the model learns from: Python files of this computer's standard library and installed packages.

A corpus is a folder with two files: `corpus.jsonl`, the documents in a fixed order, and `manifest.json`,
which says of each where it is from, under which license, and what its SHA-256 is, and of each package that
was refused why. The same installation gives the same two files, byte for byte.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

import msgspec
from msgspec import Struct

from stardraft_quant.code.document import HELD_OUT_ONE_IN, Document, is_held_out
from stardraft_quant.train.licenses import PERMISSIVE, judge
from stardraftd.errors import RequestError

MIN_CHARS, MAX_CHARS, MAX_LINE_CHARS = 200, 200_000, 400
# Tests, copies of other packages, and programs that are mostly data.
_LEFT_OUT = frozenset(
    {"__pycache__", "_vendor", "idlelib", "lib2to3", "site-packages", "test", "tests", "turtledemo", "vendor"}
)


class Source(Struct, frozen=True):
    """A package: its files are `root`/p for p in `paths` ("/" between folders)."""

    package: str
    version: str
    license: str
    root: Path
    paths: tuple[str, ...]


class Refused(Struct, frozen=True):
    """A package that was not looked into, and why."""

    package: str
    version: str
    reason: str


def standard_library() -> Source:
    """The Python files of the running interpreter's own library, without its tests."""
    root = Path(sysconfig.get_path("stdlib"))
    return Source("python", platform.python_version(), "PSF-2.0", root, tuple(_python_files(root)))


def folder(root: Path, license: str) -> Source:
    """A folder of one's own, under a license that is stated here because no metadata states it."""
    if not root.is_dir():
        raise RequestError(f"{root} is not a folder.", "Name a folder with Python files.")
    if license not in PERMISSIVE:
        raise RequestError(
            f"{license!r} is not among the permissive licenses known here.",
            f"Use one of: {', '.join(sorted(PERMISSIVE))}.",
        )
    root = root.resolve()
    return Source(root.name, "", license, root, tuple(_python_files(root)))


def installed_packages(search: Sequence[str] | None = None) -> tuple[list[Source], list[Refused]]:
    """The permissively licensed packages on `search` (default: `sys.path`), and those that were refused."""
    found = (
        importlib.metadata.distributions()
        if search is None
        else importlib.metadata.distributions(path=list(search))
    )
    sources: dict[str, Source] = {}
    refused: dict[str, Refused] = {}
    for distribution in found:
        name = str(distribution.metadata["Name"] or "").lower()
        if not name or name in sources or name in refused:  # the first on the path is the one imported
            continue
        verdict = judge(distribution.metadata.get_all)
        if not verdict.permissive:
            refused[name] = Refused(name, distribution.version, verdict.reason)
            continue
        paths = tuple(
            path.as_posix() for path in distribution.files or () if path.suffix == ".py" and _is_wanted(path)
        )
        root = Path(str(distribution.locate_file("")))
        sources[name] = Source(name, distribution.version, verdict.license, root, paths)
    return [sources[name] for name in sorted(sources)], [refused[name] for name in sorted(refused)]


def _is_wanted(path: PurePath) -> bool:
    return ".." not in path.parts and _LEFT_OUT.isdisjoint(path.parts)


def _python_files(root: Path) -> Iterator[str]:
    for here, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        for name in sorted(files):
            if name.endswith(".py"):
                yield (Path(here) / name).relative_to(root).as_posix()


def documents(sources: Iterable[Source], *, cap_bytes: int) -> Iterator[Document]:
    """The documents of all sources, at most `cap_bytes` of text from each, no text twice.

    Within a package the order is that of the paths' hashes: the cap then takes a fair sample, and a new
    release of a package does not shift everything behind its first new file.
    """
    seen: set[str] = set()
    for source in sources:
        left = cap_bytes
        for path in sorted(source.paths, key=lambda path: hashlib.sha256(path.encode()).digest()):
            text = _read(source.root / path)
            if text is None:
                continue
            data = text.encode()
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 in seen or len(data) > left:
                continue
            seen.add(sha256)
            left -= len(data)
            yield Document(path, source.package, source.license, sha256, is_held_out(path), text)


def _read(path: Path) -> str | None:
    """The file's text; None where it is not UTF-8, or no program that a user would write."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    text = text.replace("\r\n", "\n")
    usual = MIN_CHARS < len(text) < MAX_CHARS and max(map(len, text.split("\n"))) <= MAX_LINE_CHARS
    return text if usual and "\r" not in text and "\0" not in text else None


def write_corpus(
    out: Path, sources: Sequence[Source], refused: Sequence[Refused], *, cap_bytes: int
) -> dict[str, object]:
    """Writes `corpus.jsonl` and `manifest.json` into the folder `out`; returns the manifest.

    Raises RequestError when not one file was found.
    """
    found = list(documents(sources, cap_bytes=cap_bytes))
    if not found:
        raise RequestError(
            "Not one Python file was found to learn from.", "Add the standard library, or a folder."
        )
    data = b"".join(msgspec.json.encode(document) + b"\n" for document in found)
    manifest: dict[str, object] = {
        "corpus_sha256": hashlib.sha256(data).hexdigest(),
        "held_out_one_in": HELD_OUT_ONE_IN,
        "cap_bytes": cap_bytes,
        "packages": [_summary(source, found) for source in sources],
        "refused": [msgspec.to_builtins(package) for package in refused],
        "files": [
            {
                "path": document.path,
                "package": document.package,
                "license": document.license,
                "sha256": document.sha256,
                "bytes": len(document.text.encode()),
                "held_out": document.held_out,
            }
            for document in found
        ],
    }
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / "corpus.jsonl", data)
    _replace(out / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
    return manifest


def _summary(source: Source, found: Iterable[Document]) -> dict[str, object]:
    sizes = [len(document.text.encode()) for document in found if document.package == source.package]
    return {
        "package": source.package,
        "version": source.version,
        "license": source.license,
        "files": len(sizes),
        "bytes": sum(sizes),
    }


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_corpus(path: Path) -> list[Document]:
    """The documents of the corpus in the folder `path`.

    Raises RequestError when it is not one, or when its `corpus.jsonl` is not what its manifest describes.
    """
    try:
        data = (path / "corpus.jsonl").read_bytes()
        manifest = json.loads((path / "manifest.json").read_bytes())
        expected = str(manifest["corpus_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} is not a corpus: {error}.", "Make one: python -m stardraft_quant.train corpus FOLDER"
        ) from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise RequestError(
            f"{path / 'corpus.jsonl'} is not the file that manifest.json beside it describes.",
            "Make the corpus again: python -m stardraft_quant.train corpus FOLDER",
        )
    return [msgspec.json.decode(line, type=Document) for line in data.splitlines()]
