"""Where everything lives: the configuration, the state, the models, and the folder of the daemon's socket.

Nothing is read or written here but the runtime folder, which is created and *verified*: whoever can write
into it can stand in for the daemon and be sent a user's source, so it is theirs alone (0700) or refused.
"""

import errno
import os
import shlex
import stat
import sys
import warnings
from contextlib import suppress
from importlib import resources
from pathlib import Path

import platformdirs

from stardraftd.console.printable import visible_line
from stardraftd.console.prose import counted
from stardraftd.errors import ModelNotFoundError, PathError
from stardraftd.files.ancestors import mode_of, user_name, verify_ancestors
from stardraftd.protocol.http import PROTOCOL

__all__ = [
    "builtin_model_path",
    "config_path",
    "endpoint_path",
    "engine_cache_dir",
    "lock_path",
    "log_path",
    "models_dir",
    "record_path",
    "runtime_dir",
    "socket_path",
    "state_dir",
    "tilde",
]

APP = "stardraft"
BUILTIN_MODEL = "stardraft-tiny-Q8_0.gguf"

# sizeof(sockaddr_un.sun_path) less its NUL: sys/un.h of macOS and the BSDs says 104, that of Linux 108.
MAX_SOCKET_PATH_BYTES = (108 if sys.platform == "linux" else 104) - 1

_RUNTIME_HINT = "Set STARDRAFT_RUNTIME_DIR to a folder of your own."


def config_path() -> Path:
    """The configuration file; it need not exist. STARDRAFT_CONFIG names another file."""
    return _from_environment("STARDRAFT_CONFIG") or _platform("user_config_path") / "config.toml"


def state_dir() -> Path:
    """What the daemon keeps between runs; not created here. STARDRAFT_STATE_DIR names another folder."""
    return _from_environment("STARDRAFT_STATE_DIR") or _platform("user_state_path")


def engine_cache_dir() -> Path:
    """Measured speeds, verdicts on the engine, and saved sequences of open files; not created here."""
    return state_dir() / "engine"


def log_path() -> Path:
    """The daemon's log, not created here."""
    return state_dir() / "logs" / "daemon.log"


def models_dir() -> Path:
    """Downloaded models; not created here. STARDRAFT_MODELS_DIR names another folder."""
    return _from_environment("STARDRAFT_MODELS_DIR") or _platform("user_data_path") / "models"


def builtin_model_path() -> Path:
    """The small model inside the package, which works before any download.

    Raises ModelNotFoundError when the installation lacks it.
    """
    path = Path(str(resources.files("stardraftd").joinpath("models", BUILTIN_MODEL)))
    if not path.is_file():
        raise ModelNotFoundError(
            f"The built-in model is missing from this installation: there is no {tilde(path)}.",
            "Install stardraft again, or set model.path in the configuration to a GGUF file of your own.",
        )
    return path


def runtime_dir(create: bool = True) -> Path:
    """The folder of the socket: STARDRAFT_RUNTIME_DIR, or "stardraft" in the platform's runtime folder.

    It is a real directory (no symbolic link), owned by this user, with no access for anyone else, and nobody
    but this user and root can put another in its place. With `create` it is made if it is missing; without, a
    missing one is no error. Raises PathError otherwise.
    """
    path = _from_environment("STARDRAFT_RUNTIME_DIR") or _platform_runtime_dir()
    # Whoever named it: a folder above that another user can rename is a race that he wins.
    verify_ancestors(path)
    if create and _create_private(path):
        verify_ancestors(path)  # in a shared folder somebody else may have made one of them first
    with suppress(FileNotFoundError):
        _verify_private(path)
    return path


def socket_path(protocol: int = PROTOCOL, *, create: bool = True) -> Path:
    """The daemon's Unix socket; daemons of different protocols have different sockets.

    `create` is that of `runtime_dir`. Raises PathError, also when the path is too long for a socket.
    """
    path = runtime_dir(create) / f"{APP}-{protocol}.sock"
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES and sys.platform != "win32":
        raise PathError(
            f"The path of the daemon's socket is too long: {path} has {counted(size, 'byte')}, and this "
            "system allows "
            f"{MAX_SOCKET_PATH_BYTES}.",
            "Set STARDRAFT_RUNTIME_DIR to a folder with a shorter path.",
        )
    return path


def endpoint_path(protocol: int = PROTOCOL, *, create: bool = True) -> Path:
    """Where a daemon that listens on TCP writes its host, port and token (a file of mode 0600)."""
    return runtime_dir(create) / f"{APP}-{protocol}.json"


def lock_path(protocol: int = PROTOCOL, *, create: bool = True) -> Path:
    """The file whose lock makes a daemon the only one of its socket.

    It stands beside the socket, not in the state folder: two runtime folders are two daemons, and a home
    folder shared by several computers must not make their daemons exclude each other.
    """
    return runtime_dir(create) / f"{APP}-{protocol}.lock"


def record_path(protocol: int = PROTOCOL, *, create: bool = True) -> Path:
    """Where a daemon writes which process it is (`protocol.Record`): beside its lock, and as much its own."""
    return runtime_dir(create) / f"{APP}-{protocol}.daemon.json"


def tilde(path: Path) -> str:
    """A path for a user to read, as one line: the home folder is written `~`."""
    with suppress(RuntimeError, ValueError):
        home = Path.home()
        if home != Path(home.anchor):
            return visible_line(str(Path("~") / path.relative_to(home)))
    return visible_line(str(path))


def with_tildes(text: str) -> str:
    """`text` for a user to read, with `~` where a path in it begins with the home folder.

    What stands in quotes is left: a shell would not make a path of it again.
    """
    with suppress(RuntimeError):
        home = Path.home()
        if home != Path(home.anchor):
            inside = f"{home}{os.sep}"
            text = f"~{os.sep}{text.removeprefix(inside)}" if text.startswith(inside) else text
            for before in (" ", "(", "\n"):
                text = text.replace(f"{before}{inside}", f"{before}~{os.sep}")
    return text


def _from_environment(variable: str) -> Path | None:
    """The path in an environment variable, made absolute; None when it is unset or empty."""
    value = os.environ.get(variable)
    if not value:
        return None
    try:
        return Path(value).expanduser().absolute()
    except (RuntimeError, ValueError, OSError) as error:
        raise PathError(
            f'The environment variable {variable} is "{value}", which is not a path: {error}.',
            f"Set {variable} to an absolute path, or unset it.",
        ) from error


def _platform(folder: str) -> Path:
    found: Path = getattr(platformdirs.PlatformDirs(APP, appauthor=False), folder)
    return found


def _platform_runtime_dir() -> Path:
    # XDG_RUNTIME_DIR is taken as it is given, not only when platformdirs approves of it: a quiet fall-back to
    # a folder in /tmp would let two front ends with different environments start two daemons.
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if sys.platform != "win32" and Path(given).is_absolute():
        return Path(given) / APP
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs warns of its fall-back, which is verified here
            return _platform("user_runtime_path")
    except OSError as error:
        raise PathError(f"There is no safe runtime folder: {error}.", _RUNTIME_HINT) from error


def _create_private(path: Path) -> bool:
    """Makes the folder, and those above it, for this user alone. Whether any was made. Raises PathError."""
    missing = [path]
    while not missing[-1].parent.exists() and missing[-1] != missing[-1].parent:
        missing.append(missing[-1].parent)
    made = False
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=0o700)
            made = True
        except FileExistsError:
            # Either another process was quicker, or a file stands in the place of a folder above.
            if folder != path and not folder.is_dir():
                raise _cannot_create(path, f"{folder} is not a directory") from None
        except OSError as error:
            raise _cannot_create(path, _reason(error)) from error
    return made


def _cannot_create(path: Path, reason: str) -> PathError:
    return PathError(f"The runtime folder {path} cannot be created: {reason}.", _RUNTIME_HINT)


def _verify_private(path: Path) -> None:
    """PathError unless `path` is a directory for this user alone; FileNotFoundError if it is missing."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PathError(
            f"The runtime folder {path} cannot be used: {_reason(error)}.", _RUNTIME_HINT
        ) from error
    if stat.S_ISLNK(info.st_mode):
        raise PathError(
            f"The runtime folder {path} is a symbolic link; it must be a directory itself.",
            f"Type: rm {shlex.quote(str(path))}\nOr: {_RUNTIME_HINT}",
        )
    if not stat.S_ISDIR(info.st_mode):
        raise PathError(f"The runtime folder {path} is not a directory.", _RUNTIME_HINT)
    if not hasattr(os, "getuid"):
        return  # Windows: the folder lies in the user's profile, which its access list keeps private
    if info.st_uid != os.getuid():
        raise PathError(
            f"The runtime folder {path} belongs to {user_name(info.st_uid)}, "
            f"not to {user_name(os.getuid())}.",
            _RUNTIME_HINT,
        )
    if info.st_mode & 0o077:
        raise PathError(
            f"The runtime folder {path} is open to other users (mode {mode_of(info)}); it must be 0700.",
            f"Type: chmod 700 {shlex.quote(str(path))}",
        )
    _verify_writable(path, info)


def _verify_writable(path: Path, info: os.stat_result) -> None:
    if info.st_mode & 0o700 != 0o700:
        raise PathError(
            f"The runtime folder {path} is closed to its owner (mode {mode_of(info)}); it must be 0700.",
            f"Type: chmod 700 {shlex.quote(str(path))}",
        )
    if not os.access(path, os.W_OK | os.X_OK):
        raise PathError(f"The runtime folder {path} is on a read-only file system.", _RUNTIME_HINT)


def _reason(error: OSError) -> str:
    """Why the operating system refused, in words that name the place."""
    where = error.filename or ""
    if error.errno == errno.EROFS:
        return f"{where} is on a read-only file system"
    return f"{where}: {error.strerror or error}"
