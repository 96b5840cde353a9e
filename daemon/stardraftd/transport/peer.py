"""Who is at the other end of a Unix socket, as the kernel says it: neither side can pretend to be another.

Linux has SO_PEERCRED (unix(7)), macOS and the BSDs LOCAL_PEERCRED (unix(4)). For who connects it is the user
that listens, for who accepts the user that connected.
"""

import os
import socket
import struct
import sys
from typing import Protocol

# struct xucred of sys/ucred.h: version, uid, the number of groups, and 16 groups.
_XUCRED = struct.Struct("2Ih16I")
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1


class Options(Protocol):
    """What is needed of a socket; asyncio hands out one that has little more."""

    @property
    def family(self) -> int: ...

    def getsockopt(self, level: int, option: int, buflen: int, /) -> bytes: ...


def is_trusted(connected: Options) -> bool:
    """Whether this user, or root, is at the other end. Sockets that are no Unix sockets have their own guard.

    root is trusted because it has everything anyway: launchd and systemd listen in a user's name.
    """
    if not hasattr(socket, "AF_UNIX") or connected.family != socket.AF_UNIX:
        return True
    return user_of(connected) in (os.geteuid(), 0)


def user_of(connected: Options) -> int | None:
    """The user's number at the other end; None where the system does not tell, or it is gone."""
    try:
        if sys.platform == "linux":
            data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", data)[1])
        data = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        return int(_XUCRED.unpack(data)[1])
    except (OSError, struct.error):
        return None
