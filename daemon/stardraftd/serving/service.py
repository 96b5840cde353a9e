"""What the daemon offers, whichever door it is asked through: complete, load, status, stop.

Configuration meets requests here: defaults are filled in, settings become an engine's settings, and a
change of the file takes effect. Two clocks run: the model is let go after some minutes without a
completion, the daemon itself after some more without any front end.
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import msgspec
import psutil

from stardraftd import __version__
from stardraftd.backends.supervisor import Supervisor
from stardraftd.broadcast import Broadcast
from stardraftd.config import CompletionConfig, Config, ModelConfig
from stardraftd.errors import ConfigError, EngineError, EngineNotInstalledError, StardraftError
from stardraftd.logs import handler as logs
from stardraftd.models.store import Entry
from stardraftd.paths import builtin_model_path, config_path, engine_cache_dir, log_path
from stardraftd.privacy.guard import may_be_shown, refuse_chunks, refuse_document
from stardraftd.proof.verdict import engine_works
from stardraftd.protocol.completion import Completion, Draft, Failed, Loading
from stardraftd.protocol.engine import EngineSettings
from stardraftd.protocol.http import (
    PROTOCOL,
    CompletionRequest,
    Hello,
    Notice,
    Ready,
    Status,
    StreamEvent,
    Warming,
)
from stardraftd.serving.power import Power
from stardraftd.serving.prefetch import Prefetcher
from stardraftd.serving.scheduler import INTERNAL, Scheduler

log = logging.getLogger(__name__)


# Fields of a request that, when they are not given, are as the configuration or the protocol says.
_DEFAULTED = (
    "mode",
    "layout",
    "max_tokens",
    "temperature",
    "top_k",
    "top_p",
    "seed",
    "n_candidates",
    "target_ms",
)


@dataclass
class Service:
    """The daemon's work. `on_stop` is called once when it is time to leave, with whether to drain."""

    config: Config
    endpoint: str
    on_stop: Callable[[bool], None]
    log_handler: logs.LogHandler
    changed: Broadcast = field(default_factory=Broadcast)
    draining: bool = False
    config_problem: str = ""

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._last_seen = self._started
        self.models: tuple[Entry, ...] = ()
        self._knows_models = False
        self.supervisor = Supervisor(engine_settings(self.config.model), self.changed)
        self.prefetcher = Prefetcher(
            lambda: self.supervisor.current, self.changed, self.config.completion.background, Power()
        )
        self.scheduler = Scheduler(self.supervisor, self.prefetcher, self.changed)

    # --- what front ends ask for -----------------------------------------------------------------

    def hello(self) -> Hello:
        return Hello(
            protocol=PROTOCOL,
            version=__version__,
            pid=os.getpid(),
            prefix=sys.prefix,
            engine_build=self.supervisor.engine_build,
            can_load=self.can_load,
        )

    @property
    def can_load(self) -> bool | None:
        """Whether this installation's engine can load a model: as was seen, or else as is known of its
        build."""
        seen = self.supervisor.can_load
        return engine_works() if seen is None else seen

    def complete(self, request: CompletionRequest) -> AsyncIterator[StreamEvent]:
        """Runs a completion once its events are asked for. Closing the iterator cancels it.

        Raises SecretError at once, before anything runs.
        """
        return self._run_completion(request.client, self._completion(request))

    async def _run_completion(self, client: str, completion: Completion) -> AsyncIterator[StreamEvent]:
        job = self.scheduler.submit(client, completion)
        try:
            async for event in job.events():
                yield event
        finally:
            self.scheduler.cancel(job)
            self._last_seen = time.monotonic()

    def warm(self, request: CompletionRequest) -> Warming:
        """Has a document's text read in the background, so that its first suggestion comes soon.

        Raises SecretError.
        """
        completion = self._completion(request)
        state = self.prefetcher.state
        if state in ("off", "on_battery"):
            return Warming(accepted=False, reason=state)
        if self.supervisor.current is None:
            return Warming(accepted=False, reason="not_loaded")
        # Without a place in it, a file is read, but nothing is prepared around a cursor.
        self.prefetcher.note(completion, max_level=3 if request.prefix else 1)
        self._last_seen = time.monotonic()
        return Warming(accepted=True)

    async def load(self) -> AsyncIterator[StreamEvent]:
        """Loads the model; Loading events, then Ready with warnings before it, or Failed."""
        events: asyncio.Queue[Loading | None] = asyncio.Queue()
        forget = self.supervisor.on_loading(events.put_nowait)
        loading = asyncio.create_task(self.supervisor.settled())

        def loaded(task: "asyncio.Task[object]") -> None:
            events.put_nowait(None)
            task.exception()  # when nobody waits any more, the status still tells it

        loading.add_done_callback(loaded)
        try:
            while (event := await events.get()) is not None:
                yield event
            await loading
            for warning in self.supervisor.warnings:
                yield Notice(warning, "`stardraft doctor` shows what this build of llama.cpp can use.")
            if self.supervisor.model:
                yield Ready(self.supervisor.model)
            else:  # it was loaded, and let go again before this was read
                yield Failed(
                    EngineError.code, "The model was unloaded again at once.", "The next request loads it."
                )
        except StardraftError as error:
            yield Failed.of(error)
        except Exception:
            log.exception("loading failed in a way that was not foreseen")
            yield INTERNAL
        finally:
            # A front end that no longer waits does not stop the load: the next one wants it too.
            forget()
            self._last_seen = time.monotonic()

    def stop(self, *, drain: bool) -> None:
        """Begins to leave. New requests are refused from now on. Asked again without `drain`, it hurries."""
        if not self.draining or not drain:
            self.draining = True
            self.on_stop(drain)

    async def close(self) -> None:
        """Ends what still runs, and the engine, for good."""
        self.changed.close()
        self.scheduler.close()
        await self.supervisor.close()

    def status(self) -> Status:
        supervisor, scheduler = self.supervisor, self.scheduler
        failure = supervisor.failure
        lacks_engine = isinstance(failure, EngineNotInstalledError)
        problems = (
            self.config_problem,
            f"{failure.message} {failure.hint}".strip() if failure and not lacks_engine else "",
            "The model from before still serves." if supervisor.is_replaced else "",
            f"The engine (pid {supervisor.engine_pid}) does not answer at the moment. If it stays so it is "
            "ended, and another one started."
            if supervisor.is_silent
            else "",
            *supervisor.warnings,
            self.log_handler.problem or "",
        )
        return Status(
            version=__version__,
            protocol=PROTOCOL,
            pid=os.getpid(),
            prefix=sys.prefix,
            engine_build=self.supervisor.engine_build,
            can_load=self.can_load,
            engine_hangs=supervisor.hangs,
            lacks_engine=lacks_engine,
            uptime_s=round(time.monotonic() - self._started, 3),
            endpoint=self.endpoint,
            engine=supervisor.state,
            engine_pid=supervisor.engine_pid,
            engine_restarts=supervisor.restarts,
            model_path=supervisor.settings.model_path,
            model=supervisor.model if supervisor.state == "ready" else None,
            loading_fraction=supervisor.loading_fraction,
            sessions=self.changed.listeners,
            n_running=scheduler.running,
            n_waiting=scheduler.waiting,
            completed=scheduler.completed,
            cancelled=scheduler.cancelled,
            failed=scheduler.failed,
            tokens_evaluated=scheduler.tokens_evaluated,
            tokens_reused=scheduler.tokens_reused,
            tokens_generated=scheduler.tokens_generated,
            tokens_recalled=scheduler.tokens_recalled,
            daemon_resident_bytes=psutil.Process().memory_info().rss,
            engine_resident_bytes=supervisor.engine_resident_bytes,
            config_path=str(self.config.file or config_path()),
            log_path=str(log_path()),
            problems=tuple(problem for problem in problems if problem),
            last_figures=scheduler.last_figures,
            background=self.prefetcher.state,
            tokens_evaluated_in_background=self.prefetcher.tokens_evaluated,
            tokens_generated_in_background=self.prefetcher.tokens_generated,
            speeds=(self.prefetcher.speeds or supervisor.speeds) if supervisor.state == "ready" else None,
            successor=supervisor.successor,
            checking_engine=supervisor.is_checking,
            models=tuple(entry.name for entry in self.models if not entry.problem),
        )

    def models_changed(self, entries: list[Entry]) -> None:
        """The folder of models: what is in it now."""
        before = {entry.name for entry in self.models if not entry.problem}
        self.models = tuple(entries)
        for entry in entries:
            if not entry.problem and entry.name not in before and self._knows_models:
                log.info("a model has appeared", extra={"model": entry.name, "path": entry.path})
            if not entry.problem and entry.path == self.supervisor.settings.model_path:
                self.supervisor.file_may_have_changed()
        self._knows_models = True
        self.changed.notify()

    # --- configuration ---------------------------------------------------------------------------

    def reconfigure(self, news: Config | ConfigError) -> None:
        """The configuration file changed. A wrong one is reported, and the old one stays in force."""
        if isinstance(news, ConfigError):
            self.config_problem = f"{news.message} The settings from before stay in force."
            log.warning("configuration refused", extra={"reason": news.message})
            self.changed.notify()
            return
        problems = []
        needs_restart = news.daemon.transport != self.config.daemon.transport
        self.config = news
        self.prefetcher.policy = news.completion.background
        try:
            self.supervisor.configure(engine_settings(news.model))
        except StardraftError as error:
            problems.append(error.message)
        if needs_restart:
            problems.append("daemon.transport changed; it takes effect after `stardraft daemon restart`.")
        self.config_problem = " ".join(problems)
        logs.configure(news.daemon.log_level, log_path(), stderr=False)
        log.info("configuration applied", extra={"origins": dict(news.origins)})
        log_outdated(news)
        self.changed.notify()

    def _completion(self, request: CompletionRequest) -> Completion:
        """What the engine is asked for. Raises SecretError: nothing gets past here to a model."""
        refuse_document(request.document, request.path, request.prefix + request.suffix)
        refuse_chunks(request.chunks)
        return completion_of(request, self.config.completion)

    # --- the two clocks --------------------------------------------------------------------------

    async def watch_idleness(self, interval_s: float) -> None:
        """Lets the model go, and then the daemon, when nobody has wanted them for long enough."""
        while True:
            await asyncio.sleep(interval_s)
            loading = self.supervisor.state == "loading" or self.supervisor.successor is not None
            busy = self.scheduler.running or self.scheduler.waiting or loading
            now = time.monotonic()
            if busy or self.changed.listeners:
                self._last_seen = now
            unload_after_s = self.config.model.idle_unload_minutes * 60
            idle_s = now - self.supervisor.last_used
            if not busy and self.supervisor.state == "ready" and 0 < unload_after_s < idle_s:
                log.info("model unloaded: idle")
                await self.supervisor.unload()
            exit_after_s = self.config.daemon.idle_exit_minutes * 60
            if exit_after_s and now - self._last_seen > exit_after_s:
                log.info("leaving: idle")
                self.stop(drain=True)
                return


def log_outdated(config: Config) -> None:
    """Names from the version before, in the log; `stardraft doctor` tells them, too."""
    for outdated in config.outdated:
        log.warning("outdated setting", extra={"reason": outdated.notice})


def completion_of(request: CompletionRequest, defaults: CompletionConfig) -> Completion:
    """What the engine is asked: the request, with the configured defaults for what it leaves open."""
    given = {name: value for name in _DEFAULTED if (value := getattr(request, name)) is not None}
    completion = Completion(
        document=f"{request.client}\n{request.document}",
        path=request.path,
        language=request.language,
        prefix=request.prefix.replace("\r\n", "\n"),
        suffix=request.suffix.replace("\r\n", "\n"),
        repository=request.repository,
        chunks=request.chunks,
        drafts=tuple(
            Draft(text=draft.text.replace("\r\n", "\n"), before=draft.before.replace("\r\n", "\n"))
            for draft in request.drafts
            if may_be_shown(draft.before + draft.text)  # no text is another without them
        ),
        max_tokens=defaults.max_tokens,
        pause_ms=request.pause_ms,
    )
    return msgspec.structs.replace(completion, **given)


def engine_settings(model: ModelConfig) -> EngineSettings:
    """What the engine is told. Raises ModelNotFoundError when the built-in model is not installed."""
    return EngineSettings(
        model_path=model.path or str(builtin_model_path()),
        gpu_layers=-1 if model.gpu_layers == "auto" else model.gpu_layers,
        context_tokens=model.context_tokens,
        threads=0 if model.threads == "auto" else model.threads,
        kv_type=model.kv_type,
        speculation=model.speculation,
        draft_path=_draft_path(model),
        cache_folder=str(engine_cache_dir()),
        saved_bytes=model.kv_snapshot_mb * 1_000_000,
    )


def _draft_path(model: ModelConfig) -> str:
    """The built-in model guesses for a larger one; without it nothing does."""
    if not model.path or model.speculation == "off":
        return ""
    with contextlib.suppress(StardraftError):
        return str(builtin_model_path())
    return ""
