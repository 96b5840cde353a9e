"""Keeps the daemon in sight: has the model loaded early, shows that it loads, and follows its state."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from stardraft_lsp.status import StatusBoard
from stardraftd.client import DaemonClient
from stardraftd.errors import DaemonUnreachableError, StardraftError, error_from_code
from stardraftd.protocol import Failed, Loading, Notice, Ready

MAX_BACK_OFF_S = 30.0


class ProgressBar(Protocol):
    """An editor's display of a lasting work, in percent."""

    def begin(self, title: str) -> None: ...

    def report(self, percent: int) -> None: ...

    def end(self, message: str) -> None: ...


class Keeper:
    """Watches the daemon for as long as the editor runs; a daemon that leaves is waited for, not restarted.

    What starts it again is the next request (or the first look, when the editor starts).
    """

    def __init__(
        self,
        client: DaemonClient,
        board: StatusBoard,
        new_progress: Callable[[], ProgressBar | None],
        on_notice: Callable[[Notice], None],
    ) -> None:
        self._client = client
        self._board = board
        self._new_progress = new_progress
        self._on_notice = on_notice
        self._wanted = asyncio.Event()

    def wanted(self) -> None:
        """A request was made: a daemon is there, or about to be."""
        self._wanted.set()

    async def run(self) -> None:
        """Follows the daemon until cancelled."""
        back_off_s = 1.0
        while True:
            self._wanted.clear()
            try:
                await self._load()
                async with contextlib.aclosing(self._client.watch()) as statuses:
                    async for status in statuses:
                        back_off_s = 1.0
                        self._board.daemon(status)
            except DaemonUnreachableError:
                pass  # it left or was stopped; the next request brings one back
            except StardraftError as error:
                self._board.error(error)
            await self._wanted.wait()
            await asyncio.sleep(back_off_s)
            back_off_s = min(back_off_s * 2, MAX_BACK_OFF_S)

    async def _load(self) -> None:
        """Has the model loaded, with a progress bar where it takes a while."""
        progress: ProgressBar | None = None
        outcome = "not loaded"
        try:
            async with contextlib.aclosing(self._client.load()) as events:
                async for event in events:
                    match event:
                        case Loading() if progress is None:
                            progress = self._new_progress()
                            if progress:
                                progress.begin(f"stardraft: loading {event.model}")
                        case Loading() if progress:
                            progress.report(round(event.fraction * 100))
                        case Notice():
                            self._on_notice(event)
                        case Ready():
                            outcome = f"{event.model.name} is ready"
                        case Failed():
                            self._board.error(error_from_code(event.code, event.message, event.hint))
        finally:
            if progress:
                progress.end(outcome)
