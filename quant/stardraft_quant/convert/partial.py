"""A large file while it is written: beside its target, with a journal of how much of it is safe.

`.NAME.part` is as long as the whole from the beginning; `.NAME.part.json` says how many of its parts are on
the disk. A process that is killed at any moment leaves both, and the next one with the same input goes on
behind the last part that the journal counts. The target appears whole, or not at all.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from filelock import FileLock, Timeout
from msgspec import Struct

from stardraftd.errors import ModelError, RequestError

MAX_JOURNAL_BYTES = 1 << 16
# How much may have to be written again after a crash: a flush waits for the disk.
FLUSH_BYTES = 256 << 20


class Journal(Struct, frozen=True):
    """`identity`: of everything that the file is made of. `n_nan`, `n_infinite`: seen in the parts done."""

    identity: str
    n_done: int = 0
    n_nan: int = 0
    n_infinite: int = 0


class Partial:
    """The file at `target` in the making, `size_bytes` long when it is whole.

    Whoever holds it holds a lock: a second process is refused with RequestError.
    """

    def __init__(self, target: Path, size_bytes: int) -> None:
        self.target = target
        self.size_bytes = size_bytes
        self.path, self._journal_path, lock = _beside(target)
        self._lock = FileLock(lock, blocking=False)
        self._file: BinaryIO | None = None
        self._not_flushed_bytes = 0
        self.journal = Journal("")
        self._reached = self.journal  # as far as was written; what the journal says is also safe

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While no other process may write the same file."""
        if not self.target.parent.is_dir():  # the lock would make it
            raise _cannot_be_written(self.target, FileNotFoundError(2, "there is no such folder"))
        try:
            self._lock.acquire()
        except Timeout:
            raise RequestError(
                f"{self.target} is being written by another process.", "Wait for it, or name another file."
            ) from None
        except OSError as error:
            raise _cannot_be_written(self.target, error) from error
        try:
            yield
        finally:
            if self._file is not None:
                self._file.close()
            with contextlib.suppress(OSError):  # Windows removes no open file; then it stays, empty
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()

    def open(self, identity: str, header: bytes) -> Journal:
        """Goes on with what is there if it was made of the same, else begins anew with `header`.

        Raises ModelError when the disk has no room for the rest, or the folder cannot be written to.
        """
        kept = self._kept(identity, header)
        try:
            self._check_room(kept is not None)
            if kept is not None:
                self._file = self.path.open("r+b")
                self.journal = self._reached = kept
                return kept
            self.drop()
            self._file = self.path.open("xb+")
            self._file.write(header)
            self._file.truncate(self.size_bytes)
            self._file.flush()
        except OSError as error:
            if kept is None:
                with contextlib.suppress(OSError):
                    self.drop()
            raise _cannot_be_written(self.target, error) from error
        self.journal = self._reached = Journal(identity)
        return self.journal

    def write(self, offset: int, content: bytes | memoryview) -> None:
        """Writes at `offset`. Raises ModelError when the disk is full or gone."""
        assert self._file is not None
        try:
            self._file.seek(offset)
            self._file.write(content)
        except OSError as error:
            raise _cannot_be_written(self.target, error) from error
        self._not_flushed_bytes += len(content)

    def done(self, n_done: int, n_nan: int, n_infinite: int) -> None:
        """Everything up to part `n_done` has been written; now and then that is made safe and noted."""
        self._reached = Journal(self.journal.identity, n_done, n_nan, n_infinite)
        if self._not_flushed_bytes >= FLUSH_BYTES:
            self.note()

    def note(self) -> None:
        """Makes safe what is written and notes it in the journal."""
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())  # first the content, then the word that it is there
            temporary = self._journal_path.with_name(f"{self._journal_path.name}.{os.getpid()}")
            temporary.write_bytes(msgspec.json.encode(self._reached))
            temporary.replace(self._journal_path)
        except OSError as error:
            raise _cannot_be_written(self.target, error) from error
        self.journal = self._reached
        self._not_flushed_bytes = 0

    def finish(self) -> None:
        """Gives the file its name; it is on the disk when this returns."""
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self.path.replace(self.target)
            self._journal_path.unlink(missing_ok=True)
            _sync_folder(self.target.parent)
        except OSError as error:
            raise _cannot_be_written(self.target, error) from error

    def drop(self) -> None:
        """Removes what is there."""
        self._journal_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _kept(self, identity: str, header: bytes) -> Journal | None:
        try:
            if self.path.is_symlink() or self.path.stat().st_size != self.size_bytes:
                return None
            with self._journal_path.open("rb") as file:
                journal = msgspec.json.decode(file.read(MAX_JOURNAL_BYTES), type=Journal)
            with self.path.open("rb") as file:
                same = file.read(len(header)) == header
        except (OSError, msgspec.MsgspecError):
            return None
        return journal if same and journal.identity == identity and journal.n_done > 0 else None

    def _check_room(self, resumed: bool) -> None:
        free = shutil.disk_usage(self.target.parent).free
        there = _allocated_bytes(self.path)
        needed = self.size_bytes - there if resumed else self.size_bytes
        if not resumed:
            free += there  # it is replaced
        if free < needed * 1.01:
            raise ModelError(
                f"{self.target} needs {needed / 1e9:.1f} GB, and its disk has {free / 1e9:.1f} GB free.",
                "Free some space, or name a file on another disk.",
            )


def leftovers(target: Path) -> Path | None:
    """The unfinished file beside `target`, if there is one."""
    path = _beside(target)[0]
    return path if path.exists() else None


def _beside(target: Path) -> tuple[Path, Path, Path]:
    part = target.with_name(f".{target.name}.part")
    return part, part.with_name(f"{part.name}.json"), part.with_name(f"{part.name}.lock")


def _allocated_bytes(path: Path) -> int:
    """What a file with holes really has on the disk."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return min(status.st_size, status.st_blocks * 512) if hasattr(status, "st_blocks") else 0


def _sync_folder(folder: Path) -> None:
    """On a POSIX system a new name is safe only when its folder is."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cannot_be_written(target: Path, error: OSError) -> ModelError:
    return ModelError(
        f"{target} cannot be written: {error.strerror or error}.",
        "Check that its folder is there, that you may write to it, and that its disk has room.",
    )
