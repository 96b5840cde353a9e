"""Keeps the daemon in sight: has the model loaded early, shows that it loads, and follows its state."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from stardraft_lsp.status import StatusBoard
from stardraftd.client import DaemonClient
from stardraftd.errors import DaemonUnreachableError, StardraftError
from stardraftd.protocol.completion import Failed, Loading
from stardraftd.protocol.http import Notice, Ready, Status

MAX_BACK_OFF_S = 30.0


class ProgressBar(Protocol):
    """An editor's display of a lasting work, in percent."""

    def begin(self, title: str) -> None: ...

    def report(self, percent: int) -> None: ...

    def end(self, message: str) -> None: ...


class DaemonMonitor:
    """Watches the daemon for as long as the editor runs; a daemon that leaves is waited for, not restarted.

    Who stopped it may have meant it. What starts it again is the next request that needs it (or the first
    look, when the editor starts).

    on_ready: called when an engine is seen with its model loaded, of each engine once.
    """

    def __init__(
        self,
        client: DaemonClient,
        board: StatusBoard,
        new_progress: Callable[[], ProgressBar | None],
        on_notice: Callable[[Notice], None],
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._board = board
        self._new_progress = new_progress
        self._on_notice = on_notice
        self._on_ready = on_ready
        self._engine_pid: int | None = None
        self._progress: ProgressBar | None = None
        self._notices: set[str] = set()
        self._needed = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether a daemon is in sight whose model is loaded."""
        return self._engine_pid is not None

    def needed(self) -> None:
        """A request goes to the daemon or came back from it: one is there, or about to be."""
        self._needed.set()

    async def run(self) -> None:
        """Follows the daemon until cancelled."""
        back_off_s = 0.0
        self._engine_pid = None
        while True:
            try:
                await self._load()
                async with contextlib.aclosing(self._client.watch()) as statuses:
                    with contextlib.suppress(DaemonUnreachableError):  # it left: no error, see above
                        async for status in statuses:
                            back_off_s = 0.0
                            self._follow(status)
            except StardraftError as error:
                self._board.trouble(error)
            self._engine_pid = None
            self._end_progress("the daemon left")
            self._board.daemon_gone()
            self._needed.clear()
            await self._needed.wait()
            await asyncio.sleep(back_off_s)
            back_off_s = min(back_off_s * 2 or 1.0, MAX_BACK_OFF_S)

    async def _load(self) -> None:
        """Has the model loaded, so that it is warm when the first suggestion is wanted."""
        outcome = "not loaded"
        try:
            async with contextlib.aclosing(self._client.load()) as events:
                async for event in events:
                    match event:
                        case Loading():
                            self._show_progress(event.model, event.fraction)
                        case Notice() if event.message not in self._notices:
                            self._notices.add(event.message)
                            self._on_notice(event)
                        case Ready():
                            outcome = f"{event.model.name} is ready"
                        case Failed():
                            self._board.trouble(event.exception())
        finally:
            self._end_progress(outcome)

    def _follow(self, status: Status) -> None:
        self._board.daemon(status)
        # Idle models leave and come back, and other editors have them loaded too: that is shown alike.
        if status.engine == "loading":
            self._show_progress(Path(status.model_path).stem, status.loading_fraction or 0.0)
        else:
            self._end_progress(f"{status.model.name} is ready" if status.model else "not loaded")
        engine_pid = status.engine_pid if status.engine == "ready" else None
        is_new = engine_pid not in (None, self._engine_pid)
        self._engine_pid = engine_pid
        if is_new:
            self._on_ready()

    def _show_progress(self, model: str, fraction: float) -> None:
        if self._progress is None:
            self._progress = self._new_progress()
            if self._progress is not None:
                self._progress.begin(f"stardraft: loading {model}")
        if self._progress is not None:
            self._progress.report(round(fraction * 100))

    def _end_progress(self, outcome: str) -> None:
        if self._progress is not None:
            self._progress.end(outcome)
            self._progress = None
