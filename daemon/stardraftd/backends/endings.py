"""The engines that end, and the loads that were given up: nothing is loaded before their memory is free.

Each ends in a task that nobody cancels, so that none is lost, whoever is cancelled meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable

from stardraftd.backends.llama_process import EngineProcess
from stardraftd.protocol.engine import EngineSettings

log = logging.getLogger(__name__)


class Endings:
    """`on_end` is called when a process has ended: only now is its memory free."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._retiring: dict[asyncio.Task[None], tuple[EngineProcess, EngineSettings | None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many are ending. Those that still end their requests beside a successor are not counted."""
        return len(self._ending)

    @property
    def n_retiring(self) -> int:
        return len(self._retiring)

    def end(
        self, process: EngineProcess, settings: EngineSettings | None = None, *, at_once: bool = False
    ) -> "asyncio.Task[None]":
        """Ends an engine, after it has saved what it read of open files; `at_once`: it has nothing to."""
        ending = asyncio.create_task(process.close(at_once=True) if at_once else _end(process, settings))
        self.wait_for(ending)
        return ending

    def wait_for(self, ending: "asyncio.Task[None]") -> None:
        """Of a task that ends an engine by itself: a load that was cancelled."""
        self._ending.add(ending)
        ending.add_done_callback(self._gone)

    def retire(self, process: EngineProcess, settings: EngineSettings | None) -> None:
        """Ends an engine that another one has taken the place of, when its last request has ended."""
        idle = asyncio.create_task(process.idle())
        self._retiring[idle] = (process, settings)
        idle.add_done_callback(self._is_idle)

    def end_retiring(self) -> None:
        """Those that retire do not end their requests."""
        for idle in list(self._retiring):
            idle.cancel()
            self._is_idle(idle)

    async def all_gone(self) -> None:
        """Waits until the engines that are being ended are gone."""
        while self._ending:
            await asyncio.wait(self._ending)

    def _is_idle(self, idle: "asyncio.Task[None]") -> None:
        if idle in self._retiring:
            self.end(*self._retiring.pop(idle))

    def _gone(self, ending: "asyncio.Task[None]") -> None:
        self._ending.discard(ending)
        self._on_end()


async def _end(process: EngineProcess, settings: EngineSettings | None) -> None:
    if process.answers and settings is not None and settings.saved_bytes > 0:
        saved = await process.save()
        if saved is not None and saved.n_sequences:
            log.info(
                "saved what was read of open files",
                extra={"n_sequences": saved.n_sequences, "size_bytes": saved.size_bytes},
            )
    await process.close()
    log.info("engine ended", extra={"engine_pid": process.pid})
