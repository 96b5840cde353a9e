"""Having the daemon read documents in advance, so that the first suggestion need not wait for it.

A convenience: it delays nothing, starts no daemon, and what goes wrong with it is no news for the user.
"""

import asyncio
import logging
from collections.abc import Callable

from stardraftd.client import DaemonClient
from stardraftd.errors import StardraftError
from stardraftd.protocol.http import CompletionRequest

log = logging.getLogger(__name__)

# How long the cursor has to rest until what is around it is read.
REST_S = 0.3

# The document's text when its turn comes; None when it need not be read any more.
Read = Callable[[], CompletionRequest | None]


class Warmer:
    """The warm-ups of one editor.

    client: one that starts no daemon.

    Invariant: one warm-up is with the daemon at a time, in the order in which they were wanted; at most one
    of each document waits, the newest.
    """

    def __init__(self, client: DaemonClient) -> None:
        self._client = client
        self._wanted: dict[str, Read] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._work: asyncio.Task[None] | None = None

    def now(self, uri: str, read: Read) -> None:
        """A document is to be read as soon as those before it are."""
        self.not_yet(uri)
        self._wanted[uri] = read
        if self._work is None:
            self._work = asyncio.create_task(self._warm_all())

    def at_rest(self, uri: str, read: Read) -> None:
        """A document is to be read when nothing is heard of it for a while."""
        self.not_yet(uri)
        self._timers[uri] = asyncio.get_running_loop().call_later(REST_S, self.now, uri, read)

    def not_yet(self, uri: str) -> None:
        """The document is being worked on, or closed: what was wanted for it is not."""
        self._wanted.pop(uri, None)
        timer = self._timers.pop(uri, None)
        if timer is not None:
            timer.cancel()

    async def finish(self) -> None:
        """Ends everything. Returns when nothing runs."""
        for uri in [*self._timers, *self._wanted]:
            self.not_yet(uri)
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    async def _warm_all(self) -> None:
        try:
            while self._wanted:
                request = self._wanted.pop(next(iter(self._wanted)))()
                if request is not None:
                    await self._warm(request)
        finally:
            self._work = None

    async def _warm(self, request: CompletionRequest) -> None:
        try:
            warming = await self._client.warm(request)
        except StardraftError as error:
            log.debug("not warmed: %s", error.message)
        else:
            log.debug("warmed", extra={"accepted": warming.accepted, "reason": warming.reason})
