"""Connections to the daemon from the moment they are accepted: whose, how many, and how long they wait.

Over TCP any program of this computer may connect, and over a Unix socket whoever the folder lets in. So a
connection has little time to say what it wants; of those that have not said it yet a limited number is kept,
and the oldest makes room: who has the token is served however many hang there. What is asked is server.py's.
"""

import asyncio
import logging
import sys
from collections.abc import Callable

from uvicorn.protocols.http.h11_impl import H11Protocol

from stardraftd.transport import peer

log = logging.getLogger(__name__)

HEADER_TIMEOUT_S = 10.0
MAX_SILENT = 256
# Descriptors for all else: the engine's pipes, watches, the log, models that are read.
SPARE_DESCRIPTORS = 64
WANTED_DESCRIPTORS = 8192


def raise_descriptor_limit() -> int:
    """Takes as many descriptors as this process may have, and are of use; returns how many those are.

    A login has 256 on macOS and 1,024 on Linux, and may take more.
    """
    if sys.platform == "win32":
        return WANTED_DESCRIPTORS  # sockets are no descriptors there
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft  # macOS has another limit above this one
    return wanted


def limited_protocol(n_descriptors: int) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol for a process that may have so many descriptors."""
    max_connections = max(4, n_descriptors - SPARE_DESCRIPTORS)
    max_silent = min(MAX_SILENT, max(2, max_connections // 2))
    silent: dict[H11Protocol, Callable[[], None]] = {}  # how each is closed; the oldest first

    class Limited(H11Protocol):
        """One connection. Invariant: it is in `silent`, with its timer, until its first request is read."""

        _timer: asyncio.TimerHandle | None = None
        _is_refused = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connected = transport.get_extra_info("socket")
            if connected is not None and not peer.is_trusted(connected):
                log.warning("another user's connection was refused", extra={"uid": peer.user_of(connected)})
                self._refuse(transport)
                return
            if len(silent) >= max_silent or (silent and len(self.connections) >= max_connections):
                log.warning("connections that ask nothing are closed: there are too many")
                next(iter(silent.values()))()
            elif len(self.connections) >= max_connections:
                log.warning("a connection was refused: there are too many", extra={"limit": max_connections})
                self._refuse(transport)
                return
            silent[self] = self._give_up
            super().connection_made(transport)
            self._timer = self.loop.call_later(HEADER_TIMEOUT_S, self._give_up)

        def data_received(self, data: bytes) -> None:
            if self._is_refused:
                return
            super().data_received(data)
            if self.cycle is not None:
                self._settle()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._is_refused:
                return
            self._settle()
            super().connection_lost(exc)

        def _give_up(self) -> None:
            """Closes a connection that has not asked for anything."""
            self._settle()
            self.transport.abort()

        def _settle(self) -> None:
            silent.pop(self, None)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _refuse(self, transport: asyncio.Transport) -> None:
            self._is_refused = True
            transport.abort()

    return Limited
