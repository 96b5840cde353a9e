"""Small files of settings, records and measurements: read only if they are files, written whole.

A pipe or a device in a file's place would have whoever reads it wait forever, or never end; a symbolic link
in the place of a file that stardraft keeps for itself would have another file written. All of it is an
OSError that says so, as any other reason why a file cannot be read.
"""

import datetime
import errno
import os
import stat
from pathlib import Path

import msgspec

from stardraftd.console.prose import counted

MAX_BYTES = 16 * 1024 * 1024
_SAFE_FLAGS = (
    getattr(os, "O_NONBLOCK", 0)  # who opens a pipe without it waits for its other end
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


def open_file(path: Path, flags: int, *, own: bool = False) -> int:
    """A descriptor of a regular file, opened with `flags` of os.open; what it makes has mode 0600.

    own: the file is one that stardraft keeps for itself: no symbolic link, and this user's. Raises OSError,
    also for what is not a file: before it is opened, since opening some devices has an effect.
    """
    try:
        _verify(path, path.lstat() if own else path.stat(), own=own)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    if own:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags | _SAFE_FLAGS, 0o600)
    try:
        _verify(path, os.fstat(descriptor), own=own)  # it may have been replaced in between
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read(path: Path, max_bytes: int = MAX_BYTES, *, own: bool = False) -> bytes:
    """What is in a regular file of at most so many bytes; /dev/null is an empty one. Raises OSError.

    own: as in `open_file`.
    """
    if not own and _is_null(path):
        return b""
    with os.fdopen(open_file(path, os.O_RDONLY, own=own), "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it has more than {counted(max_bytes, 'byte')}", str(path))
    return content


def text_of(content: bytes) -> str:
    """The text of a file that a user wrote: UTF-8, without the byte-order mark of some editors on Windows.

    Raises ValueError, which says what is there instead and in which line.
    """
    for mark, encoding in ((b"\xff\xfe\0\0", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if content.startswith(mark):
            raise ValueError(f"it is {encoding}, not UTF-8")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(0)) + 1
        raise ValueError(f"line {line}: it has a NUL byte, so it is UTF-16 or no text, and not UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: the byte 0x{content[error.start]:02x} is not UTF-8") from error


def write_whole(path: Path, content: bytes) -> None:
    """Puts `content` in the file's place; its folder is made, its mode kept. Raises OSError.

    What stands there is replaced if it is a file, or a symbolic link, which is not followed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        info = _info(path)
        if info is not None and not stat.S_ISLNK(info.st_mode):
            _verify(path, info, own=False)
        temporary.unlink(missing_ok=True)
        mode = stat.S_IMODE(info.st_mode) if info is not None and stat.S_ISREG(info.st_mode) else 0o666
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        if info is not None and stat.S_ISREG(info.st_mode):
            temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """As `write_whole`, for a user to read as well."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def now() -> str:
    """This moment, UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def written_at(file: Path) -> str:
    """The moment of its last change, as `now` says it. Raises OSError."""
    return datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC).isoformat(timespec="seconds")


def _verify(path: Path, info: os.stat_result, *, own: bool) -> None:
    """Raises OSError unless it is a regular file, and this user's where it is to be."""
    if not stat.S_ISREG(info.st_mode):
        kind = _KINDS.get(stat.S_IFMT(info.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
    if own and hasattr(os, "geteuid") and info.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", str(path))


def _is_null(path: Path) -> bool:
    """Whether it is the null device, which people name as the configuration to have none."""
    if os.name != "posix":
        return False
    info = path.stat()
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == Path(os.devnull).stat().st_rdev


def _info(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
