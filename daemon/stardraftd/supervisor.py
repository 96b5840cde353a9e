"""The engine's life: when it is started, with what, when it is started again, and when it is let go.

One owner of this state. Others ask for a ready engine (`ready`) and say what they want (`configure`,
`unload`); a new engine process is started when there is none, when the last one died, or when the
settings are no longer those it was started with.

                       ready()                  Loaded
    unloaded ─────────────────────────► loading ───────► ready ──┐ died: started again by the next
       ▲  ▲                                │ LoadFailed    │  ▲  │ ready(), later and later if it
       │  └──────── unload() ──────────────┼───────────────┘  └──┘ keeps dying (backing_off)
       └── settings or file changed ── failed
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from stardraftd.broadcast import Broadcast
from stardraftd.engine.messages import EngineSettings, Loading, ModelInfo, Speeds
from stardraftd.engine_process import EngineProcess
from stardraftd.errors import EngineCrashedError, StardraftError
from stardraftd.protocol import EngineState

log = logging.getLogger(__name__)

MAX_BACK_OFF_S = 60.0
# Shorter back-offs are waited out within the request; for longer ones the person is told.
PATIENCE_S = 5.0
# After a refused load, the same file with the same settings is tried again only this much later.
RETRY_LOAD_AFTER_S = 20.0


class Supervisor:
    """Keeps at most one engine process.

    Invariant: `_process` is set only while it is alive or its death has not been noticed yet; `ready`
    notices. All methods are called on one event loop.
    """

    def __init__(self, settings: EngineSettings, changed: Broadcast) -> None:
        self._settings = settings
        self._changed = changed
        self._process: EngineProcess | None = None
        self._started_with: EngineSettings | None = None
        self._lock = asyncio.Lock()
        self._crashes = 0  # in a row, without a completion in between
        self._not_before = 0.0
        self._failure: tuple[StardraftError, object, float] | None = None
        self._listeners: list[Callable[[Loading], None]] = []
        self.model: ModelInfo | None = None
        self.warnings: tuple[str, ...] = ()
        self.speeds: Speeds | None = None
        self.loading_fraction: float | None = None
        self.restarts = 0
        self.last_used = time.monotonic()

    @property
    def state(self) -> EngineState:
        if self.loading_fraction is not None:
            return "loading"
        if self._process is not None and self._process.alive:
            return "ready"
        if self._failure is not None:
            return "failed"
        return "backing_off" if time.monotonic() < self._not_before else "unloaded"

    @property
    def current(self) -> EngineProcess | None:
        """The engine if it is there and as configured now; it is not started for this."""
        is_current = self._process is not None and self._process.alive
        return self._process if is_current and self._started_with == self._settings else None

    @property
    def settings(self) -> EngineSettings:
        return self._settings

    @property
    def failure(self) -> StardraftError | None:
        """Why the last load failed; None when it did not, or the settings are others since."""
        return self._failure[0] if self._failure else None

    @property
    def engine_pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.alive else None

    @property
    def engine_resident_bytes(self) -> int | None:
        if self.engine_pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.engine_pid).memory_info().rss)
        return None

    def on_loading(self, listener: Callable[[Loading], None]) -> Callable[[], None]:
        """Has `listener` called with the progress of every load, until the function returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def configure(self, settings: EngineSettings) -> None:
        """New settings: in force from the next `ready` on. The engine that runs finishes its request."""
        if settings != self._settings:
            self._settings = settings
            self._failure = None
            self._not_before = 0.0
            self._changed.notify()

    async def ready(self) -> EngineProcess:
        """An engine with the model loaded as configured now.

        Raises what prevents it: ModelError, EngineMissingError, EngineLoadError, EngineCrashedError.
        """
        async with self._lock:
            self.last_used = time.monotonic()
            if self._process is not None and not self._process.alive:
                await self._bury()
            if self._process is not None and self._started_with != self._settings:
                log.info("engine settings changed; starting anew")
                await self._let_go()
            if self._process is None:
                self._refuse_known_failure()
                await self._wait_out_back_off()
                await self._start()
            assert self._process is not None
            return self._process

    def succeeded(self) -> None:
        """A completion ended well: the engine works, past crashes are forgiven."""
        self._crashes = 0
        self.last_used = time.monotonic()

    async def crashed(self) -> None:
        """Whoever used the engine saw it die."""
        async with self._lock:
            if self._process is not None and not self._process.alive:
                await self._bury()

    async def unload(self) -> None:
        """Ends the engine process, so that all its memory goes back."""
        async with self._lock:
            await self._let_go()

    async def _start(self) -> None:
        settings = self._settings
        signature = _signature(
            settings
        )  # of the file that is about to be tried, not of one put there meanwhile
        self._failure = None
        self.loading_fraction = 0.0
        self._changed.notify()
        started = time.monotonic()
        process = await EngineProcess.start(self._report_loading)
        try:
            loaded = await process.load(settings)
        except StardraftError as error:
            log.error(  # noqa: TRY400 - a sentence, not a traceback
                "engine failed to load", extra={"code": error.code, "reason": error.message}
            )
            self._failure = (error, signature, time.monotonic())
            await process.close()
            raise
        except asyncio.CancelledError:
            await process.close()
            raise
        finally:
            self.loading_fraction = None
            self._changed.notify()
        self._process, self._started_with = process, settings
        self.model, self.warnings, self.speeds = loaded.info, loaded.warnings, loaded.speeds
        for warning in loaded.warnings:
            log.warning(warning)
        log.info(
            "engine ready",
            extra={
                "model": loaded.info.name,
                "device": loaded.info.device,
                "engine_pid": process.pid,
                "load_s": round(time.monotonic() - started, 3),
            },
        )
        self._changed.notify()

    def _report_loading(self, event: Loading) -> None:
        self.loading_fraction = event.fraction
        self._changed.notify()
        for listener in list(self._listeners):
            listener(event)

    async def _bury(self) -> None:
        """The engine died by itself."""
        assert self._process is not None
        await self._let_go()
        delay = 0.0 if self._crashes == 0 else min(2.0 ** (self._crashes - 1), MAX_BACK_OFF_S)
        self._crashes += 1
        self.restarts += 1
        self._not_before = time.monotonic() + delay
        log.error("engine died", extra={"crashes_in_a_row": self._crashes, "back_off_s": delay})

    async def _let_go(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        saves = self._started_with is not None and self._started_with.saved_bytes > 0
        self.model, self.warnings, self.speeds = None, (), None
        if process.alive and saves:
            saved = await process.save()
            if saved is not None and saved.n_sequences:
                log.info(
                    "saved what was read of open files",
                    extra={"n_sequences": saved.n_sequences, "size_bytes": saved.size_bytes},
                )
        await process.close()
        log.info("engine ended", extra={"engine_pid": process.pid})
        self._changed.notify()

    def _refuse_known_failure(self) -> None:
        if self._failure is None:
            return
        error, signature, moment = self._failure
        if signature == _signature(self._settings) and time.monotonic() - moment < RETRY_LOAD_AFTER_S:
            raise error

    async def _wait_out_back_off(self) -> None:
        wait_s = self._not_before - time.monotonic()
        if wait_s <= 0:
            return
        if wait_s > PATIENCE_S:
            raise EngineCrashedError(
                f"The engine died {self._crashes} times in a row; it is started again in {wait_s:.0f} s.",
                "`stardraft daemon logs` tells how it died; `stardraft daemon restart` does not wait.",
            )
        self._changed.notify()
        await asyncio.sleep(wait_s)


def _signature(settings: EngineSettings) -> object:
    """What a failed load depends on: settings, and the file as it is."""
    try:
        info = Path(settings.model_path).stat()
    except OSError:
        return (settings, None)
    return (settings, (info.st_ino, info.st_size, info.st_mtime_ns))
