"""The disk, with its hands tied: every call is bounded in time, and nothing follows a link.

A network folder that hangs blocks the thread that asks, and no signal ends that. So each call is made by a
thread of its own; one that does not come back in time is left behind (it costs a few kB and no processor
time), its folder is closed for good, and the next call gets a new thread. What may be read is not decided
here (allowed.py).
"""

# ruff: noqa: PTH120 - paths are strings here: there are many, and a Path costs microseconds

import os
import queue
import stat
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")

# Threads left behind in hanging calls; after these the disk is not asked any more.
MAX_HANGING = 8
MAX_LISTED = 50_000  # names of one folder


class Entry(NamedTuple):
    """A name in a folder. Links are neither files nor folders here."""

    name: str
    is_folder: bool


class Stamp(NamedTuple):
    """What tells one version of a file from another."""

    mtime_ns: int
    size_bytes: int


class Filesystem(Protocol):
    """What is asked of a disk. All raise OSError."""

    def list(self, folder: str) -> list[Entry]:
        """Files and folders, no links, at most MAX_LISTED."""
        ...

    def read(self, path: str, most_bytes: int) -> tuple[Stamp, bytes]:
        """A regular file's first bytes. Raises also for pipes, sockets and devices, without opening them."""
        ...

    def stamp(self, path: str) -> Stamp: ...

    def real(self, path: str) -> str:
        """The path without links in it."""
        ...


class Disk:
    """The real one."""

    def list(self, folder: str) -> list[Entry]:
        found: list[Entry] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append(Entry(entry.name, is_folder=True))
                elif entry.is_file(follow_symlinks=False):
                    found.append(Entry(entry.name, is_folder=False))
                if len(found) >= MAX_LISTED:
                    break
        return found

    def read(self, path: str, most_bytes: int) -> tuple[Stamp, bytes]:
        self.stamp(path)  # opening a named pipe could wait, and opening a device could do anything
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
            now = _regular(os.fstat(descriptor), path)
            data = bytearray()
            while len(data) < most_bytes and (part := file.read(most_bytes - len(data))):
                data += part
        return now, bytes(data)

    def stamp(self, path: str) -> Stamp:
        return _regular(os.lstat(path), path)

    def real(self, path: str) -> str:
        return os.path.realpath(path)


class NotAFileError(OSError):
    """A folder, a link or a device has this name."""


def _regular(status: os.stat_result, path: str) -> Stamp:
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(f"{path} is not a regular file")
    return Stamp(status.st_mtime_ns, status.st_size)


class HangingError(OSError):
    """The folder did not answer in time, now or earlier."""


class PatientDisk:
    """A Filesystem whose every call returns within `timeout_s`. For one thread.

    on_hang: told of each folder that is closed.

    Invariant: no call is made below a folder in `hanging`.
    """

    def __init__(
        self, disk: Filesystem, timeout_s: float, on_hang: Callable[[str], None] = lambda _folder: None
    ) -> None:
        self._disk = disk
        self._timeout_s = timeout_s
        self._on_hang = on_hang
        self._worker: _Worker | None = None
        self.hanging: set[str] = set()

    def list(self, folder: str) -> list[Entry]:
        return self._call(folder, lambda: self._disk.list(folder))

    def read(self, path: str, most_bytes: int) -> tuple[Stamp, bytes]:
        return self._call(os.path.dirname(path), lambda: self._disk.read(path, most_bytes))

    def stamp(self, path: str) -> Stamp:
        return self._call(os.path.dirname(path), lambda: self._disk.stamp(path))

    def real(self, path: str) -> str:
        return self._call(os.path.dirname(path), lambda: self._disk.real(path))

    def run(self, folder: str, job: Callable[[], T]) -> T:
        """Any other call that could hang on `folder`."""
        return self._call(folder, job)

    def close(self) -> None:
        """No thread of this is left, but those that hang."""
        if self._worker is not None:
            self._worker.leave()
            self._worker = None

    def _call(self, folder: str, job: Callable[[], T]) -> T:
        if len(self.hanging) >= MAX_HANGING or (self.hanging and self._is_closed(folder)):
            raise HangingError(f"{folder} does not answer")
        if self._worker is None:
            self._worker = _Worker()
        try:
            return self._worker.call(job, self._timeout_s)
        except queue.Empty:
            self._worker.leave()
            self._worker = None
            self.hanging.add(folder)
            self._on_hang(folder)
            raise HangingError(f"{folder} does not answer") from None

    def _is_closed(self, folder: str) -> bool:
        return any(folder == closed or folder.startswith(closed + os.sep) for closed in self.hanging)


class _Worker:
    """A thread that does one job at a time. It may be left behind in the middle of one."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[object, OSError | None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="context-disk", daemon=True).start()

    def call(self, job: Callable[[], T], timeout_s: float) -> T:
        """Raises what the job raises, and queue.Empty when it takes too long."""
        self._jobs.put(job)
        result, error = self._results.get(timeout=timeout_s)
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback has this frame: named here, it would keep all callers' objects
        return result  # type: ignore[return-value]  # what this job returned

    def leave(self) -> None:
        """Ends when its job does."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._results.put((job(), None))
            except OSError as error:
                self._results.put((None, error))
            except ValueError as error:  # a NUL in a path
                self._results.put((None, OSError(str(error))))
