"""What runs next: a user's requests before all else, newest wins, editors share fairly.

A front end submits a `Job` and reads its events. A newer request for the same document of the same front
end takes the older one's place at once, inside the matrix multiplication if need be. A few requests of
different front ends run side by side, a decode each in turn; beyond that, the front end that was served
longest ago is next. A request that still waits for its writer's next key takes nobody's turn. Background work
(`prefetch`) has what time is left. When the engine dies under a request that has shown nothing yet, the
request is run once more and nobody notices.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator

import msgspec

from stardraftd.backends.llama_process import EngineProcess
from stardraftd.backends.supervisor import Supervisor
from stardraftd.broadcast import Broadcast
from stardraftd.console.prose import counted
from stardraftd.errors import DaemonUnreachableError, EngineCrashedError, StardraftError
from stardraftd.limits import MAX_PAUSING, MAX_SIDE_BY_SIDE
from stardraftd.protocol.completion import (
    Completion,
    CompletionEvent,
    Done,
    Failed,
    Figures,
    FinishReason,
    Loading,
    Plan,
    Text,
)
from stardraftd.protocol.http import Notice, StreamEvent
from stardraftd.serving.prefetch import Prefetcher

log = logging.getLogger(__name__)

INTERNAL = Failed("internal", "The daemon failed at this request.", "`stardraft daemon logs` tells where.")
# A request under which the engine died this often is not run again.
MAX_CRASHES_PER_REQUEST = 3


class Job:
    """A submitted completion. Invariant: its last event is Done or Failed, and nothing follows that."""

    def __init__(self, client: str, completion: Completion) -> None:
        self.client = client
        self.completion = completion
        self.submitted = time.perf_counter()
        self.unwanted: FinishReason | None = None
        self.has_text = False
        self.placement: tuple[EngineProcess, int] | None = None  # where it runs, and under which id
        self.ended = asyncio.Event()
        self._events: asyncio.Queue[StreamEvent] = asyncio.Queue()

    @property
    def pause_left_s(self) -> float:
        """How long it still waits for the next key; 0 when it may decode."""
        return max(0.0, self.completion.pause_ms / 1000 - (time.perf_counter() - self.submitted))

    def put(self, event: StreamEvent) -> None:
        if self.ended.is_set():
            return
        self.has_text = self.has_text or isinstance(event, Text)
        self._events.put_nowait(event)
        if isinstance(event, Done | Failed):
            self.ended.set()

    async def events(self) -> AsyncIterator[StreamEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Done | Failed):
                return


class Scheduler:
    """Runs jobs on the supervisor's engine.

    Invariant: a front end has at most one job in `_running` that is still wanted, beside those that wait for
    a key: programs that say no name are one front end, and must not hold each other up.
    """

    def __init__(self, supervisor: Supervisor, prefetcher: Prefetcher, changed: Broadcast) -> None:
        self._supervisor = supervisor
        self._prefetcher = prefetcher
        self._changed = changed
        self._waiting: list[Job] = []
        self._running: dict[Job, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._served: dict[str, float] = {}  # when each front end was served last
        self._crashes: Counter[int] = Counter()
        self._told: tuple[str, ...] = ()
        self.completed = 0
        self.cancelled = 0
        self.failed = 0
        self.tokens_evaluated = 0
        self.tokens_reused = 0
        self.tokens_generated = 0
        self.tokens_recalled = 0
        self.last_figures: Figures | None = None
        supervisor.on_loading(self._tell_loading)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    def submit(self, client: str, completion: Completion) -> Job:
        """Queues a completion; older ones for the same document of the same front end end at once."""
        job = Job(client, completion)
        for older in [*self._waiting, *self._running]:
            if older.client == client and older.completion.document == completion.document:
                self.cancel(older, "superseded")
        self._waiting.append(job)
        self._prefetcher.person_waits()
        self._wake.set()
        self._changed.notify()
        return job

    def cancel(self, job: Job, reason: FinishReason = "cancelled") -> None:
        """Ends a job: a waiting one at once, a running one as soon as the engine looks up."""
        if job.ended.is_set() or job.unwanted:
            return
        job.unwanted = reason
        if job.placement is not None:
            engine, request = job.placement
            engine.cancel(request, reason)
            return
        if job in self._waiting:
            self._waiting.remove(job)
            self._end(job, Done(text="", finish_reason=reason))
            self._prefetcher.person_served()
            return
        self._end(job, Done(text="", finish_reason=reason))

    async def run(self) -> None:
        """Serves jobs until cancelled."""
        try:
            while True:
                self._wake.clear()
                while (job := self._next()) is not None:
                    self._waiting.remove(job)
                    self._running[job] = asyncio.create_task(self._serve_one(job))
                    self._changed.notify()
                pauses_s = [job.pause_left_s for job in self._waiting if job.pause_left_s > 0]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(pauses_s, default=None)):
                        await self._wake.wait()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def close(self) -> None:
        """The daemon leaves now: whoever waits or is being served is told so."""
        for job in [*self._waiting, *self._running]:
            job.unwanted = job.unwanted or "cancelled"
            self._end(
                job,
                Failed(
                    DaemonUnreachableError.code,
                    "The daemon was stopped during the request.",
                    "The next request starts it again.",
                ),
            )
        self._waiting.clear()

    def _next(self) -> Job | None:
        """The waiting job whose turn it is; None when none may start now."""
        busy = {job.client for job in self._running if not (job.unwanted or job.pause_left_s > 0)}
        n_pausing = sum(job.pause_left_s > 0 for job in self._running)
        has_turn = len(self._running) - n_pausing < MAX_SIDE_BY_SIDE
        may_pause = n_pausing < MAX_PAUSING
        ready = [
            job
            for job in self._waiting
            if job.client not in busy and (may_pause if job.pause_left_s > 0 else has_turn)
        ]
        if not ready:
            return None
        if self._running and self._supervisor.current is None:
            return None  # a new engine is needed, and starting it would end the one that others still use
        return min(ready, key=lambda job: (self._served.get(job.client, 0.0), job.submitted))

    async def _serve_one(self, job: Job) -> None:
        try:
            await self._serve(job)
        finally:
            del self._running[job]
            if len(self._served) > 1000:
                self._served.clear()
            self._served[job.client] = time.monotonic()
            if not job.unwanted:
                self._prefetcher.note(job.completion)
            self._prefetcher.person_served()
            self._wake.set()
            self._changed.notify()

    async def drained(self) -> None:
        """Waits until nothing runs and nothing waits."""
        while self._running or self._waiting:
            jobs = [*self._waiting, *self._running]
            await asyncio.gather(*(job.ended.wait() for job in jobs))
            await asyncio.sleep(0)

    async def _serve(self, job: Job) -> None:
        while not job.ended.is_set():
            try:
                await self._attempt(job)
            except EngineCrashedError as error:
                self._supervisor.crashed()
                fingerprint = hash(msgspec.msgpack.encode(job.completion))
                self._crashes[fingerprint] += 1
                first_time = self._crashes[fingerprint] == 1
                if job.unwanted:
                    self._end(job, Done(text="", finish_reason=job.unwanted))
                elif job.has_text or not first_time:
                    self._end(job, self._crash_report(error, fingerprint))
                else:
                    log.warning("engine died under a request that had shown nothing; running it again")
            except StardraftError as error:
                self._end(job, Failed.of(error))
            except Exception:
                log.exception("a request failed in a way that was not foreseen")
                self._end(job, INTERNAL)

    async def _attempt(self, job: Job) -> None:
        if self._crashes[hash(msgspec.msgpack.encode(job.completion))] >= MAX_CRASHES_PER_REQUEST:
            raise StardraftError(
                f"The engine died {MAX_CRASHES_PER_REQUEST} times under this request; it is not run again.",
                "Please report it, with `stardraft daemon logs`.",
            )
        engine = await self._supervisor.ready()
        self._wake.set()  # who waited for the model to be loaded may run beside this one
        if job.ended.is_set():
            return  # it was cancelled while the model was loaded
        if self._supervisor.warnings != self._told:
            self._told = self._supervisor.warnings
            for warning in self._told:
                job.put(Notice(warning, "`stardraft doctor` shows what this build of llama.cpp can use."))
        queue_ms = (time.perf_counter() - job.submitted) * 1000

        def started(request: int) -> None:
            job.placement = (engine, request)

        try:
            completion = msgspec.structs.replace(job.completion, pause_ms=job.pause_left_s * 1000)
            async for event in engine.complete(completion, started):
                self._pass_on(job, event, queue_ms)
        finally:
            job.placement = None

    def _pass_on(self, job: Job, event: CompletionEvent, queue_ms: float) -> None:
        match event:
            case Done(figures=Figures() as figures):
                figures = msgspec.structs.replace(
                    figures,
                    queue_ms=round(queue_ms, 3),
                    first_token_ms=round(figures.first_token_ms + queue_ms, 3)
                    if figures.n_generated
                    else 0.0,
                    total_ms=round(figures.total_ms + queue_ms, 3),
                )
                self._supervisor.succeeded()
                self._end(job, msgspec.structs.replace(event, figures=figures))
            case Done() | Failed():
                self._end(job, event)
            case Plan():
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("plan", extra={"client": job.client, **msgspec.structs.asdict(event)})
                job.put(event)
            case Text():
                job.put(event)

    def _end(self, job: Job, event: Done | Failed) -> None:
        """Sends a job's last event and counts it, unless it has ended already, by a cancellation."""
        if job.ended.is_set():
            return
        if isinstance(event, Failed):
            self.failed += 1
            log.warning("request failed", extra={"code": event.code, "reason": event.message})
        elif event.finish_reason in ("cancelled", "superseded"):
            self.cancelled += 1
        else:
            self.completed += 1
        if isinstance(event, Done) and event.figures:
            figures = event.figures
            self.tokens_evaluated += figures.n_evaluated
            self.tokens_reused += figures.n_reused
            self.tokens_generated += figures.n_generated
            self.tokens_recalled += figures.n_recalled
            self.last_figures = figures
            log.debug("request done", extra={"reason": event.finish_reason, **msgspec.to_builtins(figures)})
        job.put(event)
        self._changed.notify()

    def _crash_report(self, error: StardraftError, fingerprint: int) -> Failed:
        if self._crashes[fingerprint] >= 2:
            return Failed(
                error.code,
                f"{error.message} It was run {counted(self._crashes[fingerprint], 'time')}, with the same "
                "end.",
                error.hint,
            )
        return Failed.of(error)

    def _tell_loading(self, event: Loading) -> None:
        for job in [*self._waiting, *self._running]:
            job.put(event)
