"""The engine's life: when it is started, with what, when it is started again, and when it is let go.

One owner of this state. Others ask for a ready engine (`ready`) and say what they want (`configure`,
`unload`); a new engine process is started when there is none, when the last one died, or when the
settings are no longer those it was started with. In that case, where memory has room for both, the new one
is loaded beside the old one, which serves until then; one that cannot be loaded leaves the old one in place.

                       ready()                  Loaded
    unloaded ─────────────────────────► loading ───────► ready ──┐ died or hung: started again by the next
       ▲  ▲                                │ LoadFailed    │  ▲  │ ready(), later and later if it
       │  └──────── unload() ──────────────┴───────────────┘  └──┘ keeps dying (backing_off)
       └── settings or file changed ── failed

What takes long (loading, waiting out a back-off, ending an engine) are tasks of their own, which whoever
needs their outcome waits for. No lock is held meanwhile: state changes between two awaits, and `unload` and
`close` can end any of these tasks at any time.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from stardraftd.backends.back_off import BackOff
from stardraftd.backends.endings import Endings
from stardraftd.backends.llama_process import EngineProcess
from stardraftd.backends.model_file import fits_into_memory, signature_of, size_bytes
from stardraftd.backends.proving import EngineProof
from stardraftd.broadcast import Broadcast
from stardraftd.errors import (
    DaemonUnreachableError,
    EngineBrokenError,
    EngineHungError,
    EngineMissingError,
    StardraftError,
)
from stardraftd.limits import Patience
from stardraftd.proof.verdict import engine_build
from stardraftd.protocol.completion import Loading, ModelInfo, Speeds
from stardraftd.protocol.engine import EngineSettings, Loaded
from stardraftd.protocol.http import EngineState, Successor

log = logging.getLogger(__name__)

# After a refused load, the same file with the same settings is tried again only this much later.
RETRY_LOAD_AFTER_S = 20.0


class Supervisor:
    """Keeps at most one engine process.

    Invariants: `_process` is set only while it is alive or its death has not been noticed yet; `ready`
    notices. `_starting` loads an engine only while there is none, and `_endings` have let the last one go.
    All methods are called on one event loop.
    """

    def __init__(
        self,
        settings: EngineSettings,
        changed: Broadcast,
        patience: Patience = Patience(),  # noqa: B008 - immutable
    ) -> None:
        self._settings = settings
        self._changed = changed
        self._proof = EngineProof(changed.notify)
        self._patience = patience
        self._process: EngineProcess | None = None
        self._started_with: EngineSettings | None = None
        self._starting: asyncio.Task[None] | None = None
        self._is_closed = False
        self._back_off = BackOff()
        self._failure: tuple[StardraftError, object, float] | None = None
        self._listeners: list[Callable[[Loading], None]] = []
        self._succession: asyncio.Task[None] | None = None
        self._refused: EngineSettings | None = None  # the successor could not be loaded; the old one serves
        self._endings = Endings(changed.notify)
        self._loaded_signature: object = None
        self._outdated = False  # the model's file is another by now, and there was no room to load it beside
        self._successor_fraction = 0.0
        self.model: ModelInfo | None = None
        self.warnings: tuple[str, ...] = ()
        self.speeds: Speeds | None = None
        self.loading_fraction: float | None = None
        self.restarts = 0
        self.hangs = 0  # of the restarts
        self.can_load: bool | None = None
        self.engine_build = engine_build()  # of the engine that was loaded last
        self.last_used = time.monotonic()

    @property
    def state(self) -> EngineState:
        if self.loading_fraction is not None:
            return "loading"
        if self._process is not None and self._process.alive:
            return "ready"
        if self._failure is not None:
            return "failed"
        return "backing_off" if self._back_off.is_on else "unloaded"

    @property
    def is_checking(self) -> bool:
        """Whether it is found out if the engine's build computes what it should; a load waits for that."""
        return self._proof.is_checking

    @property
    def current(self) -> EngineProcess | None:
        """The engine if it is there and may serve now; it is not started for this."""
        is_there = self._process is not None and self._process.alive
        return self._process if is_there and self._may_serve else None

    @property
    def successor(self) -> Successor | None:
        """What is being loaded to take the place of the engine that serves."""
        if self._succession is None:
            return None
        return Successor(self._settings.model_path, self._successor_fraction)

    @property
    def _may_serve(self) -> bool:
        """Whether the engine is as configured, or is to serve until, or instead of, one that is."""
        as_configured = self._started_with == self._settings and not self._outdated
        return as_configured or self._succession is not None or self._refused == self._settings

    @property
    def settings(self) -> EngineSettings:
        return self._settings

    @property
    def failure(self) -> StardraftError | None:
        """Why the last load failed; None when it did not, or the settings are others since."""
        return self._failure[0] if self._failure else None

    @property
    def is_replaced(self) -> bool:
        """Whether the engine that serves is another than the configured one, which could not be loaded."""
        return self.current is not None and self._refused == self._settings

    @property
    def is_silent(self) -> bool:
        """Whether there is an engine that has not answered lately; if it stays so it is ended."""
        return self._process is not None and self._process.alive and not self._process.answers

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
        """New settings: an engine with them takes the place of the one that runs, which ends its requests."""
        if settings != self._settings:
            self._settings = settings
            self._renew()

    def file_may_have_changed(self) -> None:
        """A model file came, went or changed. If it is the one that runs or failed, it is loaded anew."""
        signature = signature_of(self._settings)
        failed_with = self._failure[1] if self._failure else None
        if (
            signature not in (self._loaded_signature, failed_with)
            and Path(self._settings.model_path).exists()
        ):
            self._renew()

    def _renew(self) -> None:
        """What runs is not what is wanted: begins to replace it, or leaves that to the next `ready`."""
        self._failure = None
        self._refused = None
        self._back_off.cut_short()
        self._give_up_successor()
        is_there = self._process is not None and self._process.alive
        self._outdated = is_there and not self._is_wanted
        if self._outdated and self._fits_beside():
            self._succession = asyncio.create_task(self._succeed(self._settings))
        self._changed.notify()

    def _give_up_successor(self) -> None:
        if self._succession is not None:
            self._succession.cancel()
            self._endings.wait_for(self._succession)
            self._succession = None

    @property
    def _is_wanted(self) -> bool:
        """Whether the engine that runs has the wanted settings, and the file as it is now."""
        return self._started_with == self._settings and self._loaded_signature == signature_of(self._settings)

    async def settled(self) -> None:
        """An engine as it is configured is there. Raises what prevents that, like `ready`."""
        while self._succession is not None:
            await asyncio.wait({self._succession})
        if self._failure is not None and self._refused == self._settings:
            raise self._failure[0]
        await self.ready()

    async def ready(self) -> EngineProcess:
        """An engine with the model loaded: as configured now, or the one before while that is replaced.

        Raises what prevents it: ModelError, EngineMissingError, EngineLoadError, EngineCrashedError.
        """
        while True:
            if self._is_closed:
                raise DaemonUnreachableError(
                    "The daemon was stopped while the request waited.", "The next request starts it again."
                )
            self.last_used = time.monotonic()
            if self._process is not None and not self._process.alive:
                self._reap()
            if self._process is not None and not self._may_serve:
                log.info("engine settings changed; starting anew")
                self._release()
            if self._process is not None:
                return self._process
            if self._succession is not None:
                await asyncio.wait({self._succession})
                continue
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
                self._starting.add_done_callback(_seen)
            # Not awaited itself: whoever gives up waiting does not end what others wait for, and a load that
            # `unload` ended is no cancellation of theirs.
            starting = self._starting
            await asyncio.wait({starting})
            if not starting.cancelled():
                starting.result()

    def succeeded(self) -> None:
        """A completion ended well: the engine works, past crashes are forgiven."""
        self._back_off.forgive()
        self.last_used = time.monotonic()

    def crashed(self) -> None:
        """Whoever used the engine saw it die."""
        if self._process is not None and not self._process.alive:
            self._reap()

    async def unload(self) -> None:
        """Ends the engine process, so that all its memory goes back. What is being loaded is given up."""
        self._give_up_successor()
        starting = self._starting
        if starting is not None:
            starting.cancel()
        self._release()
        self._endings.end_retiring()
        if starting is not None:
            await asyncio.wait({starting})
        await self._endings.all_gone()

    async def close(self) -> None:
        """`unload`, for good: no engine is started after this."""
        self._is_closed = True
        await self.unload()

    async def _start(self) -> None:
        """The task that has an engine loaded. Raises what prevents it."""
        try:
            await self._endings.all_gone()
            self._refuse_known_failure()
            if self._back_off.is_on:
                self._changed.notify()
            await self._back_off.wait()
            settings = self._settings
            self.loading_fraction = 0.0
            self._changed.notify()
            self._take(settings, *await self._load(settings, self._report_loading))
        finally:
            self._starting = None
            self.loading_fraction = None
            self._changed.notify()

    async def _load(
        self, settings: EngineSettings, on_loading: Callable[[Loading], None]
    ) -> tuple[EngineProcess, Loaded, object]:
        """`_load_once`; an engine that was stopped meanwhile says nothing of the model: another one is
        tried."""
        try:
            return await self._load_once(settings, on_loading)
        except EngineHungError:
            return await self._load_once(settings, on_loading)

    async def _load_once(
        self, settings: EngineSettings, on_loading: Callable[[Loading], None]
    ) -> tuple[EngineProcess, Loaded, object]:
        """A new engine with the model loaded, and the signature of the file that was loaded."""
        # Of the file that is about to be tried, not of one put there meanwhile.
        signature, build = signature_of(settings), engine_build()
        self._failure = None
        process: EngineProcess | None = None
        try:
            name = Path(settings.model_path).stem
            await self._proof.require(
                settings.gpu_layers, lambda: on_loading(Loading(name, 0.0, checking=True))
            )
            process = await EngineProcess.start(
                on_loading, patience=self._patience, load_bytes=size_bytes(settings)
            )
            loaded = await process.load(settings)
        except StardraftError as error:
            log.error(  # noqa: TRY400 - a sentence, not a traceback
                "engine failed to load", extra={"code": error.code, "reason": error.message}
            )
            self._failure = (error, signature, time.monotonic())
            if isinstance(error, EngineHungError):
                self.restarts += 1
                self.hangs += 1
            if isinstance(error, EngineMissingError | EngineBrokenError) or (
                process is not None and process.died_natively
            ):
                self.can_load = False
            if process is not None:
                await asyncio.shield(self._endings.end(process, at_once=True))
            raise
        except BaseException:
            if process is not None:
                await asyncio.shield(self._endings.end(process, at_once=True))
            raise
        self.can_load, self.engine_build = True, build
        return process, loaded, signature

    def _take(
        self, settings: EngineSettings, process: EngineProcess, loaded: Loaded, signature: object
    ) -> None:
        """From now on this engine serves."""
        self._process, self._started_with, self._loaded_signature = process, settings, signature
        self._outdated = False
        self.model, self.warnings, self.speeds = loaded.info, loaded.warnings, loaded.speeds
        for warning in loaded.warnings:
            log.warning(warning)
        log.info(
            "engine ready",
            extra={
                "model": loaded.info.name,
                "device": loaded.info.device,
                "engine_pid": process.pid,
                "load_s": round(loaded.info.load_ms / 1000, 3),
            },
        )
        self._changed.notify()

    def _fits_beside(self) -> bool:
        """Whether another engine can be loaded while this one runs: on the CPU only, with room in memory."""
        assert self._started_with is not None
        on_cpu = self.model is not None and self.model.gpu_layers == 0
        if not on_cpu or self._settings.gpu_layers not in (0, self._started_with.gpu_layers):
            return False
        return fits_into_memory(self._settings)

    async def _succeed(self, settings: EngineSettings) -> None:
        """Loads an engine beside the one that serves, and lets it take over."""
        log.info("engine settings changed; loading a successor", extra={"model_path": settings.model_path})
        self._successor_fraction = 0.0
        self._changed.notify()

        def report(event: Loading) -> None:
            self._successor_fraction = event.fraction
            self._report(event)

        try:
            await self._endings.all_gone()
            process, loaded, signature = await self._load(settings, report)
            old, started_with = self._process, self._started_with
            self._take(settings, process, loaded, signature)
            if old is not None:
                self._endings.retire(old, started_with)
        except StardraftError:
            self._refused = settings  # and `_failure` says why
        finally:
            if asyncio.current_task() is self._succession:
                self._succession = None
            self._changed.notify()

    def _report_loading(self, event: Loading) -> None:
        self.loading_fraction = event.fraction
        self._report(event)

    def _report(self, event: Loading) -> None:
        self._changed.notify()
        for listener in list(self._listeners):
            listener(event)

    def _reap(self) -> None:
        """The engine died by itself, or hung and was ended."""
        assert self._process is not None
        self.hangs += self._process.is_hung
        self._release()
        pause_s = self._back_off.died()
        self.restarts += 1
        log.error("engine died", extra={"crashes_in_a_row": self._back_off.n_deaths, "back_off_s": pause_s})

    def _release(self) -> None:
        """The engine serves no longer; `_endings` ends it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self.model, self.warnings, self.speeds = None, (), None
        self._endings.end(process, self._started_with)

    def _refuse_known_failure(self) -> None:
        if self._failure is None:
            return
        error, signature, moment = self._failure
        if signature == signature_of(self._settings) and time.monotonic() - moment < RETRY_LOAD_AFTER_S:
            raise error


def _seen(task: "asyncio.Task[None]") -> None:
    """Nobody may be waiting any more for what it raised; the status tells it all the same."""
    if not task.cancelled():
        task.exception()
