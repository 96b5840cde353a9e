"""One change to one file of the user's: what it will be, shown as a diff, and written whole or not at all.

A symbolic link stays one: the file that it leads to is written, as people with dotfiles in a repository
expect. A file that its owner has made read-only is left alone. Nothing is remembered here: see record.py.
"""

import difflib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stardraftd.console.prose import counted
from stardraftd.errors import PathError
from stardraftd.paths import tilde

MAX_BYTES = 4_000_000
_NEW_FILE_MODE = 0o644


@dataclass(frozen=True)
class Change:
    """What a file is and what it is to be. None is "no such file".

    mode: of a file that is made, before the umask; one that is there keeps its own.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int = _NEW_FILE_MODE

    @property
    def is_needed(self) -> bool:
        return self.before != self.after

    def reversed(self) -> "Change":
        return replace(self, before=self.after, after=self.before)

    def check(self) -> None:
        """Raises PathError when the file is one that the user wants left as it is."""
        if self.is_needed:
            _refuse_read_only(self.path)

    def diff(self) -> str:
        """A unified diff for a user to read; it names the file even when nothing is to change."""
        name = tilde(self.path)
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(
                _lines(self.before),
                _lines(self.after),
                "/dev/null" if self.before is None else name,
                "/dev/null" if self.after is None else name,
            )
        )

    def write(self) -> None:
        """Puts `after` in the place of `before`. Raises PathError, also when it is `before` no more."""
        if not self.is_needed:
            return
        self.check()
        if read(self.path) != self.before:
            raise PathError(
                f"{tilde(self.path)} has changed while this was going on; nothing was written.",
                "Run the command again.",
            )
        target = _target(self.path)
        try:
            if self.after is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                _replace(target, self.after, self.mode)
        except OSError as error:
            raise _cannot("written" if self.after is not None else "removed", self.path, error) from error


def change(path: Path, after: bytes | None, mode: int = _NEW_FILE_MODE) -> Change:
    """The change that makes the file at `path` be `after`. Raises PathError if it cannot be read."""
    return Change(path, read(path), after, mode)


def read(path: Path) -> bytes | None:
    """The file's bytes; None when there is none. Raises PathError."""
    target = _target(path)
    try:
        info = target.stat()
        if not stat.S_ISREG(info.st_mode):
            raise PathError(f"{tilde(path)} is not a file.", "Name another file with --path.")
        if info.st_size > MAX_BYTES:
            raise PathError(
                f"{tilde(path)} is too large to be a configuration file: {counted(info.st_size, 'byte')}.",
                "Name another file with --path.",
            )
        return target.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot("read", path, error) from error


def read_text(path: Path) -> str | None:
    """As `read`, as text; a byte-order mark and line ends are kept. Raises PathError."""
    content = read(path)
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PathError(
            f"{tilde(path)} is not UTF-8 (byte {error.start}), so it is not changed.",
            "Use --print, and add it yourself.",
        ) from error


def _replace(target: Path, content: bytes, mode: int) -> None:
    """The old content or the new one, never a part, also when the power fails. Raises OSError."""
    temporary = target.with_name(f".{target.name}.stardraft-{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            info = target.stat()
            temporary.chmod(stat.S_IMODE(info.st_mode))
            if hasattr(os, "chown") and info.st_uid != os.geteuid():
                os.chown(temporary, info.st_uid, info.st_gid)  # run by root: the file stays its owner's
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    """The file that `path` leads to, through symbolic links. Raises PathError for a loop."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise PathError(
            f"{tilde(path)} is a symbolic link that leads to itself.",
            "Mend it, or name another file with --path.",
        ) from error


def _refuse_read_only(path: Path) -> None:
    target = _target(path)
    with suppress(FileNotFoundError):
        # Replacing a file needs no right to write it, and root has every right: the mode is a wish.
        if not target.stat().st_mode & stat.S_IWUSR or not os.access(target, os.W_OK):
            where = "" if target == path.absolute() else f" (it leads to {tilde(target)})"
            raise PathError(
                f"{tilde(path)} is read-only{where}, so it is not changed.",
                "A program that manages your dotfiles may write it: put there what --print shows. Or make it "
                "writable.",
            )


def _cannot(verb: str, path: Path, error: OSError) -> PathError:
    reason = error.strerror or str(error)
    return PathError(
        f"{tilde(path)} cannot be {verb}: {reason}.",
        "Mend that, or name another file with --path, or use --print and add it yourself.",
    )


def _lines(content: bytes | None) -> list[str]:
    return [] if content is None else content.decode("utf-8", "replace").splitlines(keepends=True)
