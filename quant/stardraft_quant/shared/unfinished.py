"""A file that is being made: beside its target, under a name of its own, until it is whole.

Who is interrupted leaves nothing behind; what a killed process left is deleted by the next one that makes the
same file.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from stardraftd.errors import ModelError, PathError

_SPARE = 1.01  # file systems need some room of their own


@contextmanager
def unfinished(out: Path) -> Iterator[Path]:
    """The path to write to. It is deleted at the end; call `finish` with it before that, to keep it.

    Raises ModelError when `out`'s folder is not there or may not be written.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        _remove_leftovers(out)
        temporary.touch()
    except OSError as error:
        raise ModelError(
            f"{out} cannot be written: {error.strerror}.",
            "Name a file in a folder that exists and that you may write to.",
        ) from error
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def finish(temporary: Path, out: Path) -> None:
    """Puts the whole file in its place, on the disk itself: after a power cut the old or the new is there."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(out)
    if os.name == "posix":
        folder = os.open(out.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_room(out: Path, size_bytes: int) -> None:
    """Raises ModelError when `size_bytes` do not fit on the disk of `out`."""
    free = shutil.disk_usage(out.parent).free
    if free < size_bytes * _SPARE:
        raise ModelError(
            f"{out} needs {size_bytes / 1e9:.2f} GB, and its disk has {free / 1e9:.2f} GB free.",
            "Free some space, or name a file on another disk.",
        )


def _remove_leftovers(out: Path) -> None:
    """Deletes the unfinished files of processes that are gone. One whose number is in use again stays."""
    prefix = f".{out.name}."
    for left in out.parent.glob(".*") if out.parent.is_dir() else ():
        pid = left.name.removeprefix(prefix)
        if left.name.startswith(prefix) and pid.isdecimal() and not psutil.pid_exists(int(pid)):
            left.unlink(missing_ok=True)


def write_whole(file: Path, data: bytes) -> None:
    """Writes a file whole, or not at all. Raises PathError."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(file)
    except OSError as error:
        raise PathError(
            f"{file} cannot be written: {error.strerror or error}.", "Name another file."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
