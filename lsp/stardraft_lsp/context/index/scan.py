"""Reading the workspace into the index, in small steps, within bounds; what is left out is counted and named.

Folders are read breadth first, those of the open documents before all others: if the bounds end the scan,
what is near is in. Nothing is followed that is a link, so there are no loops. What may be read is decided in
allowed.py; what a step costs is bounded in reading.py and by `Pace`.
"""

# ruff: noqa: PTH118 - paths are strings here: there are many, and a Path costs microseconds

import os
import time
from collections import Counter, deque
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from stardraft_lsp.context.access.allowed import Allowed, Refused
from stardraft_lsp.context.access.disk import HangingError, PatientDisk
from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.context.index.chunking import Chunker
from stardraft_lsp.context.index.definitions import Outliner
from stardraft_lsp.context.index.index import Index, Piece, lines_of, text_of
from stardraft_lsp.context.index.words import definition_number, numbers_of
from stardraft_lsp.context.settings import ContextSettings

T = TypeVar("T")

Steps = Generator[None, None, None]

_MAX_NAMED = 20


class Pace:
    """Lets go of the interpreter often: the thread that answers the editor waits for it no longer than this.

    Another thread gets Python's interpreter lock only every 5 ms from one that computes, but at once from
    one that sleeps.
    """

    def __init__(self, work_ms: float = 1.0, rest_ms: float = 1.0) -> None:
        self._work_s = work_ms / 1000
        self._rest_s = rest_ms / 1000
        self._since = time.perf_counter()

    def tick(self) -> None:
        """To be called at least every half millisecond of work."""
        if time.perf_counter() - self._since >= self._work_s:
            time.sleep(self._rest_s)
            self._since = time.perf_counter()


def finish(steps: Generator[None, None, T]) -> T:
    """Takes all steps; what they led to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


@dataclass
class LeftOut:
    """What is not in the index though it might be: how many files by reason, and folders by name."""

    counts: Counter[str] = field(default_factory=Counter)
    folders: dict[str, str] = field(default_factory=dict)

    def folder(self, path: str, why: str) -> None:
        self.counts[why] += 1
        if len(self.folders) < _MAX_NAMED:
            self.folders[path] = why


class Scanner:
    """Reads files and folders into an index. For the background thread.

    live: the paths of open documents; their text is the editor's, so the disk's is not read.
    """

    def __init__(
        self,
        *,
        disk: PatientDisk,
        allowed: Allowed,
        index: Index,
        chunker: Chunker,
        outliner: Outliner,
        settings: ContextSettings,
        pace: Pace,
    ) -> None:
        self._disk = disk
        self._allowed = allowed
        self._index = index
        self._chunker = chunker
        self._outliner = outliner
        self._settings = settings
        self._pace = pace
        self.live: Collection[str] = ()
        self.left_out = LeftOut()
        self.n_folders = 0

    def scan(self, first: Sequence[str] = ()) -> Steps:
        """Reads everything that is not in the index as it is; what is gone leaves it. In steps."""
        self.left_out = LeftOut()
        self.n_folders = n_entries = 0
        deadline = time.monotonic() + self._settings.max_scan_s
        waiting = deque([*first, *self._allowed.roots])
        met: set[str] = set()
        seen: set[str] = set()
        while waiting:
            folder = waiting.popleft()
            if folder in met or self._allowed.why_no_folder(folder):
                continue
            met.add(folder)
            self.n_folders += 1
            files, folders = self._list(folder)
            n_entries += len(files) + len(folders)
            self._pace.tick()
            yield
            for path in files:
                if path not in self.live:
                    yield from self.file(path)
                if path in self._index:
                    seen.add(path)
            waiting.extend(folders)
            stop = self._why_stop(n_entries, deadline)
            if stop and waiting:
                self.left_out.folder(waiting[0], stop)
                return
        for path in self._index.paths():
            if path not in seen and path not in self.live and not self._is_hanging(path):
                self._index.remove(path)
            self._pace.tick()
            yield

    def file(self, path: str) -> Steps:
        """Brings one file's entry up to date: read, removed or left as it is."""
        self._pace.tick()
        try:
            if path in self._index and self._index.stamp(path) == self._stamp_if_allowed(path):
                return
            stamp, text = self._allowed.text(path)
        except Refused as refused:
            self._index.remove(path)
            self.left_out.counts[refused.reason] += 1
            return
        except OSError:
            self._index.remove(path)
            return
        self._pace.tick()
        if self._index.is_full and path not in self._index:
            self.left_out.counts["index_full"] += 1
            return
        yield from self.text(path, stamp, text)

    def text(self, path: str, stamp: object, text: str, chunker: Chunker | None = None) -> Steps:
        """Indexes a text that was allowed, under its path. chunker: another one than for all files."""
        pieces = self._pieces(path, text, chunker or self._chunker)
        yield from self._index.replace(path, stamp, family_of(path), pieces)

    def _stamp_if_allowed(self, path: str) -> object:
        reason = self._allowed.why_not(path)
        if reason:
            raise Refused(reason)
        return self._disk.stamp(path)

    def _pieces(self, path: str, text: str, chunker: Chunker) -> Iterator[Piece]:
        lines, family = lines_of(text), family_of(path)
        self._pace.tick()
        for first_line, n_lines in chunker.chunks(lines, path):
            chunk = text_of(lines, first_line, n_lines)
            self._pace.tick()
            numbers = numbers_of(chunk)
            defined = {definition_number(name) for name in self._outliner.defined(chunk, family)}
            yield Piece(first_line, n_lines, numbers, defined - numbers)
            self._pace.tick()

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        """The files of known kinds, and the folders, by path, in order."""
        try:
            entries = self._disk.list(folder)
        except HangingError:
            self.left_out.folder(folder, "hanging")
            return [], []
        except OSError:
            self.left_out.folder(folder, "unreadable")
            return [], []
        files: list[str] = []
        folders: list[str] = []
        for name, is_folder in entries:
            self._pace.tick()
            if is_folder:
                folders.append(os.path.join(folder, name))
            elif family_of(name):
                files.append(os.path.join(folder, name))
        files.sort()
        folders.sort()
        return files, folders

    def _why_stop(self, n_entries: int, deadline: float) -> str:
        if self._index.is_full:
            return "index_full"
        if n_entries >= self._settings.max_entries:
            return "too_many_files"
        return "too_slow" if time.monotonic() >= deadline else ""

    def _is_hanging(self, path: str) -> bool:
        return any(path.startswith(folder + os.sep) for folder in self._disk.hanging)
