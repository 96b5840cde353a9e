"""Where the daemon listens: a Unix socket in a folder of the user's own, or loopback TCP with a token.

Both sides are here: binding (the daemon, which holds the lock) and finding (a front end). A socket may also
be a service manager's, who listens in the daemon's place and starts it at the first connection
(activation.py): to connect is to start it then, so who must not start it looks at the lock first.
"""

import contextlib
import os
import secrets
import socket
import stat
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from stardraftd.errors import DaemonStartError, PathError
from stardraftd.files import atomic
from stardraftd.paths import endpoint_path, lock_path, socket_path
from stardraftd.transport.presence import recorded

LOOPBACK = "127.0.0.1"
BACKLOG = 512
CONNECT_TIMEOUT_S = 5.0
MAX_ENDPOINT_BYTES = 4096


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


def is_served() -> bool:
    """Whether a daemon holds the lock, or is on record, found out without connecting: that might start one.

    Where it cannot be known (Windows, where no service manager listens) it is assumed. Raises PathError.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        lock = atomic.open_file(lock_path(create=False), os.O_RDONLY, own=True)
    except OSError:
        return recorded() is not None  # nobody ever locked it, or its file was deleted
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return recorded() is not None


class Listener:
    """A bound endpoint. Only its holder, who holds the daemon's lock, creates and removes the files.

    is_managed: a service manager made the socket and its file, and listens on when this listener is closed.
    """

    def __init__(
        self, endpoint: Endpoint, bound: socket.socket, file: Path, *, is_managed: bool = False
    ) -> None:
        self.endpoint = endpoint
        self.socket = bound
        self.is_managed = is_managed
        self._file = file
        self._identity = file_identity(file)

    @property
    def in_place(self) -> bool:
        """Whether front ends still find this listener: the file is there, and it is the one made here."""
        return self._identity is not None and file_identity(self._file) == self._identity

    def withdraw(self) -> None:
        """Removes the file, so that nobody finds this listener any more. What is connected stays so.

        A service manager's file stays: it leads to the manager, who starts the next daemon.
        """
        if self.in_place and not self.is_managed:
            self._file.unlink(missing_ok=True)
        self._identity = None


def has_a_manager() -> bool:
    """Whether a service manager listens in the daemon's place. The caller holds the lock: no daemon does.

    To bind the socket then would leave a service that nobody finds. Raises PathError.
    """
    return hasattr(socket, "AF_UNIX") and accepts(Endpoint(socket_path=str(socket_path())))


def listen(transport: str) -> Listener:
    """Binds the endpoint; a socket that a dead daemon left behind is replaced. The caller holds the lock.

    Raises PathError where the folder or the socket cannot be used.
    """
    if transport == "tcp" or (transport == "auto" and not hasattr(socket, "AF_UNIX")):
        return _listen_tcp()
    return _listen_unix()


def take_over(handed: socket.socket) -> Listener:
    """The listener of a socket that a service manager made. Raises DaemonStartError if it is the wrong one.

    It must be the very socket that `find` names, so that there is one place to look for a daemon, whoever
    starts it. A mode that lets others in is mended.
    """
    path = socket_path()
    named = os.fsdecode(handed.getsockname()) if handed.family == socket.AF_UNIX else ""
    again = "Write the unit again: stardraft setup service"
    if not named or Path(named).resolve() != path.resolve() or handed.type != socket.SOCK_STREAM:
        place = named or f"a socket of the kind {handed.family.name}, {handed.type.name}"
        raise DaemonStartError(
            f"The service manager listens at {place}, but front ends look for the daemon at {path}.", again
        )
    if sys.platform == "linux" and not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise DaemonStartError(f"The service manager's socket {path} does not listen.", again)
    try:
        _refuse_foreign(path, path.lstat())
        path.chmod(0o600)
        endpoint_path().unlink(missing_ok=True)
    except OSError as error:
        raise DaemonStartError(
            f"The service manager's socket {path} cannot be used: {error.strerror or error}.",
            "Have it made again: systemctl --user restart stardraft.socket",
        ) from error
    handed.setblocking(False)
    return Listener(Endpoint(socket_path=str(path)), handed, path, is_managed=True)


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
            return msgspec.json.decode(atomic.read(path, MAX_ENDPOINT_BYTES, own=True), type=Endpoint)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise PathError(
                f"The daemon's address cannot be read from {path}: {error.strerror or error}.",
                "Remove what is there; the daemon writes it anew when it starts.",
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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


def file_identity(file: Path) -> tuple[int, int] | None:
    """What tells one file from another that took its name; None when there is none."""
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
