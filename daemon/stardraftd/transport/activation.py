"""A service manager's side of the daemon's life: the socket that it hands over, and what it is told.

systemd listens in the daemon's place and starts it at the first connection, with the socket as file
descriptor 3 (LISTEN_FDS, sd_listen_fds(3)); launchd has it fetched by name (launch_activate_socket(3)). The
socket stays the manager's: it is neither unlinked nor bound again here, and listens on when the daemon
ends. Nothing of this reaches the daemon's children. Whether the socket is the right one says endpoint.py.
"""

import ctypes
import errno
import os
import socket
import sys
from collections.abc import MutableMapping
from contextlib import suppress

from stardraftd.errors import DaemonStartError

# The name that the socket has in launchd's property list.
LAUNCHD_SOCKET = "stardraft"
LAUNCHD_LIBRARY = "/usr/lib/libSystem.B.dylib"

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
_NOTIFY_VARIABLE = "NOTIFY_SOCKET"
VARIABLES = (*_LISTEN_VARIABLES, _NOTIFY_VARIABLE)

# What launch_activate_socket says to a process that launchd did not start, or whose job has no such socket.
_NOT_LAUNCHDS = {errno.ESRCH, errno.ENOENT}


def inherited_socket() -> socket.socket | None:
    """The listening socket that a service manager started this process with; None without one.

    Raises DaemonStartError for anything else than one socket. To be called once: the environment is cleaned.
    """
    descriptors = from_systemd(os.environ)
    if not descriptors and sys.platform == "darwin":
        descriptors = from_launchd(ctypes.CDLL(LAUNCHD_LIBRARY))
    for descriptor in descriptors:
        _keep_from_children(descriptor)
    if not descriptors:
        return None
    if len(descriptors) > 1:
        raise DaemonStartError(
            f"The service manager hands over {len(descriptors)} sockets; the daemon has one.",
            "Leave one ListenStream in stardraft.socket, or write the unit again: stardraft setup service",
        )
    try:
        return socket.socket(fileno=descriptors[0])
    except OSError as error:
        raise DaemonStartError(
            f"The service manager's descriptor {descriptors[0]} is not a socket: {error.strerror}.",
            "Write the unit again: stardraft setup service",
        ) from error


def from_systemd(environment: MutableMapping[str, str]) -> list[int]:
    """The descriptors of sd_listen_fds(3), whose variables are taken out. Raises DaemonStartError.

    Those that are meant for another process, such as the one that started this one, are none of ours.
    """
    given = {name: environment.pop(name, "") for name in _LISTEN_VARIABLES}
    if given["LISTEN_PID"] != str(os.getpid()):
        return []
    try:
        count = int(given["LISTEN_FDS"])
    except ValueError:
        count = -1
    if not 0 <= count <= 1024:
        raise DaemonStartError(f'LISTEN_FDS is "{given["LISTEN_FDS"]}", which is not a number of sockets.')
    return list(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + count))


def from_launchd(library: ctypes.CDLL, name: str = LAUNCHD_SOCKET) -> list[int]:
    """The descriptors of launchd's socket of that name; none for a process that launchd did not start.

    library: what has launch_activate_socket(3) and free(3). Raises DaemonStartError.
    """
    activate = library.launch_activate_socket
    activate.restype = ctypes.c_int
    activate.argtypes = (
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.POINTER(ctypes.c_int)),
        ctypes.POINTER(ctypes.c_size_t),
    )
    array = ctypes.POINTER(ctypes.c_int)()
    count = ctypes.c_size_t(0)
    status = int(activate(name.encode(), ctypes.byref(array), ctypes.byref(count)))
    if status in _NOT_LAUNCHDS:
        return []
    if status:
        raise DaemonStartError(
            f'launchd does not hand over the socket "{name}": {os.strerror(status)}.',
            "Write the property list again: stardraft setup service",
        )
    try:
        return [array[number] for number in range(count.value)]
    finally:
        library.free.restype = None
        library.free.argtypes = (ctypes.c_void_p,)
        library.free(ctypes.cast(array, ctypes.c_void_p))


class Notifier:
    """Tells the service manager how the daemon is (sd_notify(3)); does nothing where none wants to know.

    The address is taken out of the environment, so that no child speaks in the daemon's name.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop(_NOTIFY_VARIABLE, "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1\nSTATUS=")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A manager that no longer listens is no reason to fail.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(message.encode(), self._address)


def _keep_from_children(descriptor: int) -> None:
    try:
        os.set_inheritable(descriptor, False)
    except OSError as error:
        raise DaemonStartError(
            f"The service manager promises descriptor {descriptor}, which is not open: {error.strerror}.",
            "Write the unit again: stardraft setup service",
        ) from error
