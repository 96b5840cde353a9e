"""The files near a document: which they are, and their code. For the background thread of `context`."""

# ruff: noqa: PTH118, PTH120 - paths are strings here: there are many, and a Path costs microseconds

import os
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from pathlib import Path

from stardraft_lsp.context.access.allowed import Allowed, Refused
from stardraft_lsp.context.access.disk import PatientDisk, Stamp
from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.echo.code import Code
from stardraft_lsp.echo.memory import Memory
from stardraft_lsp.text.prefixes import common_prefix

Steps = Generator[None, None, None]

# What is read of files near one document: all of it is searched at every key.
MAX_BYTES = 1_000_000
MAX_FILE_BYTES = 300_000


def by_distance(path: str, others: Iterable[str]) -> list[tuple[int, str]]:
    """How far each file is from a document, in steps from folder to folder; the nearest first.

    Paths with "/", within one folder or absolute. The document's own folder is 0 steps away.
    """
    here = path.split("/")[:-1]
    return sorted((_distance(here, other.split("/")[:-1]), other) for other in others if other != path)


def _distance(here: Sequence[str], there: Sequence[str]) -> int:
    return len(here) + len(there) - 2 * common_prefix(here, there)


class NearbyFiles:
    """Reads the files near each open document into a `Memory`, and again when they change.

    allowed: by whose rules they are read; may be replaced. tick: called often (scan.Pace).
    """

    def __init__(self, memory: Memory, disk: PatientDisk, tick: Callable[[], None]) -> None:
        self._memory = memory
        self._disk = disk
        self._tick = tick
        self._known: dict[str, tuple[Stamp, Code]] = {}
        self._read_by: dict[str, frozenset[str]] = {}
        self._wanted: dict[str, None] = {}

    def want(self, uri: str) -> None:
        """A document was opened, or what is near it may be other files now."""
        self._wanted[uri] = None

    def changed(self, path: str) -> None:
        """A file is another than before, or gone."""
        self._known.pop(path, None)
        self._wanted.update(dict.fromkeys(uri for uri, paths in self._read_by.items() if path in paths))

    def closed(self, uri: str) -> None:
        """A document was closed: what was read for it alone is forgotten."""
        self._wanted.pop(uri, None)
        self._read_by.pop(uri, None)
        kept = frozenset[str]().union(*self._read_by.values())
        for path in [path for path in self._known if path not in kept]:
            del self._known[path]

    def forget(self) -> None:
        """Other files may be read now than before: nothing that was read counts any more."""
        self._known.clear()
        for uri in self._read_by:
            self._memory.read(uri, (), ())
            self._wanted[uri] = None

    def clear(self, uri: str) -> None:
        """Nothing is read for a document, or any more."""
        self._read_by.pop(uri, None)
        self._memory.read(uri, (), ())

    def next(self) -> str | None:
        """The document whose turn it is, which is not wanted any more then."""
        return self._wanted.popitem()[0] if self._wanted else None

    def read(
        self, uri: str, path: str, allowed: Allowed, indexed: Sequence[str], live: Collection[str]
    ) -> Steps:
        """Reads what is near a document, in steps. path: the document's. indexed: files that are known; those
        of its folder are looked for besides. live: files that are open, whose text on disk does not count."""
        family = family_of(path)
        besides = {path, *live}
        same = {other for other in (*indexed, *self._siblings(path)) if family_of(other) == family}
        yield
        folder, others, paths = list[Code](), list[Code](), set[str]()
        total = 0
        for steps, other in by_distance(path.replace(os.sep, "/"), _with_slashes(same - besides)):
            name = other.replace("/", os.sep)
            code = self._code(name, allowed)
            yield
            if code is None:
                continue
            total += code.size
            if total > MAX_BYTES:
                break
            paths.add(name)
            (others if steps else folder).append(code)
        self._read_by[uri] = frozenset(paths)
        self._memory.read(uri, folder, others)

    def _siblings(self, path: str) -> list[str]:
        folder = os.path.dirname(path)
        try:
            entries = self._disk.list(folder)
        except OSError:
            return []
        return [os.path.join(folder, entry.name) for entry in entries if not entry.is_folder]

    def _code(self, path: str, allowed: Allowed) -> Code | None:
        """The code of a file; None for one that may not be read, or is too large."""
        self._tick()
        try:
            stamp = self._disk.stamp(path)
            known = self._known.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            if stamp.size_bytes > MAX_FILE_BYTES:
                return None
            stamp, text = allowed.text(path)
        except (Refused, OSError):
            return None
        code = Code.of(self._memory.lexicon, Path(path).as_uri(), text, self._tick)
        self._known[path] = stamp, code
        return code


def _with_slashes(paths: Iterable[str]) -> Iterable[str]:
    return paths if os.sep == "/" else (path.replace(os.sep, "/") for path in paths)
