"""Where the daemon listens: a Unix socket in a folder of the user's own, or loopback TCP with a token.

Both sides are here: binding (the daemon, which holds the lock) and finding (a front end).
"""

import contextlib
import os
import secrets
import socket
import stat
from pathlib import Path

import msgspec
from msgspec import Struct

from stardraftd.errors import PathError
from stardraftd.paths import endpoint_path, socket_path

LOOPBACK = "127.0.0.1"
BACKLOG = 512
CONNECT_TIMEOUT_S = 5.0


class Endpoint(Struct, frozen=True):
    """A place where a daemon listens: `socket_path`, or else `port` on the loopback address with `token`."""

    socket_path: str = ""
    port: int = 0
    token: str = ""

    def __str__(self) -> str:
        return self.socket_path or f"http://{LOOPBACK}:{self.port}"


def accepts(endpoint: Endpoint) -> bool:
    """Whether somebody listens there now. A socket whose daemon died refuses."""
    try:
        if endpoint.socket_path:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(CONNECT_TIMEOUT_S)
                probe.connect(endpoint.socket_path)
        else:
            socket.create_connection((LOOPBACK, endpoint.port), CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


class Listener:
    """A bound endpoint. Only its holder, who holds the daemon's lock, creates and removes the files."""

    def __init__(self, endpoint: Endpoint, bound: socket.socket, file: Path) -> None:
        self.endpoint = endpoint
        self.socket = bound
        self._file = file
        self._identity = _identity(file)

    @property
    def in_place(self) -> bool:
        """Whether front ends still find this listener: the file is there, and it is the one made here."""
        return self._identity is not None and _identity(self._file) == self._identity

    def withdraw(self) -> None:
        """Removes the file, so that nobody finds this listener any more. What is connected stays so."""
        if self.in_place:
            self._file.unlink(missing_ok=True)
        self._identity = None


def listen(transport: str) -> Listener:
    """Binds the endpoint; a socket that a dead daemon left behind is replaced. The caller holds the lock.

    Raises PathError where the folder or the socket cannot be used.
    """
    if transport == "tcp" or (transport == "auto" and not hasattr(socket, "AF_UNIX")):
        return _listen_tcp()
    return _listen_unix()


def find() -> Endpoint | None:
    """The endpoint at which a daemon is, or was, listening; None when there is no trace of one.

    Raises PathError when what is there belongs to somebody else.
    """
    with contextlib.suppress(FileNotFoundError):
        path = socket_path(create=False)
        info = path.lstat()
        if stat.S_ISSOCK(info.st_mode):
            _refuse_foreign(path, info)
            return Endpoint(socket_path=str(path))
    with contextlib.suppress(FileNotFoundError):
        path = endpoint_path(create=False)
        _refuse_foreign(path, path.lstat())
        try:
            return msgspec.json.decode(path.read_bytes(), type=Endpoint)
        except msgspec.DecodeError:
            return None  # being written, or left half-written by a crash: a new daemon replaces it
    return None


def _listen_unix() -> Listener:
    path = socket_path()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        endpoint_path().unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            bound.bind(str(path))
        finally:
            os.umask(mask)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise PathError(
            f"The daemon's socket {path} cannot be made: {error.strerror or error}.",
            "Set STARDRAFT_RUNTIME_DIR to a folder of your own that can be written to.",
        ) from error
    return Listener(Endpoint(socket_path=str(path)), bound, path)


def _listen_tcp() -> Listener:
    path = endpoint_path()
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.bind((LOOPBACK, 0))
    bound.listen(BACKLOG)
    endpoint = Endpoint(port=bound.getsockname()[1], token=secrets.token_urlsafe(32))
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(endpoint))
        temporary.replace(path)
    except OSError as error:
        bound.close()
        temporary.unlink(missing_ok=True)
        raise PathError(
            f"The daemon's address cannot be written to {path}: {error.strerror or error}.",
            "Set STARDRAFT_RUNTIME_DIR to a folder of your own that can be written to.",
        ) from error
    return Listener(endpoint, bound, path)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        info = file.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _refuse_foreign(path: Path, info: os.stat_result) -> None:
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        raise PathError(
            f"{path} belongs to user {info.st_uid}, not to you: stardraft sends no source there.",
            "Set STARDRAFT_RUNTIME_DIR to a folder of your own.",
        )
