"""The scheduler's promises, over any order of requests, cancellations, answers, deaths and loads.

In the process, with an engine that answers when the machine says so: what a real one does to these promises
is in tests/e2e and tests/daemon/test_hanging_engine.py.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from stardraftd.backends.supervisor import Supervisor
from stardraftd.broadcast import Broadcast
from stardraftd.errors import EngineCrashedError, EngineLoadError, StardraftError
from stardraftd.limits import MAX_PAUSING, MAX_SIDE_BY_SIDE
from stardraftd.protocol.completion import (
    Completion,
    CompletionEvent,
    Done,
    Failed,
    FinishReason,
    Loading,
    Text,
)
from stardraftd.protocol.http import StreamEvent
from stardraftd.serving.prefetch import Prefetcher
from stardraftd.serving.scheduler import Job, Scheduler

AN_HOUR_MS = 3_600_000
SAYS = (Text("so"), Done("so", "stop"), Done("", "length"), Failed("context", "It is too long.", ""))


class ScriptedEngine:
    """An engine process, as the scheduler knows it; a request's events are put into its queue."""

    def __init__(self) -> None:
        self.requests: dict[int, asyncio.Queue[CompletionEvent | StardraftError]] = {}
        self.documents: dict[int, str] = {}
        self._ids = itertools.count(1)

    async def complete(
        self, completion: Completion, started: Callable[[int], None]
    ) -> AsyncIterator[CompletionEvent]:
        request = next(self._ids)
        self.requests[request] = asyncio.Queue()
        self.documents[request] = completion.document
        started(request)
        try:
            while True:
                event = await self.requests[request].get()
                if isinstance(event, StardraftError):
                    raise event
                yield event
                if isinstance(event, Done | Failed):
                    return
        finally:
            del self.requests[request]

    def cancel(self, request: int, reason: FinishReason) -> None:
        if request in self.requests:
            self.requests[request].put_nowait(Done("", reason))

    def die(self) -> None:
        for events in self.requests.values():
            events.put_nowait(EngineCrashedError("The engine died.", "See the log."))


class ScriptedSupervisor:
    """Has an engine once the machine says that it is loaded, or raises why there is none."""

    warnings = ()

    def __init__(self) -> None:
        self.current: ScriptedEngine | None = None
        self.failure: StardraftError | None = None
        self.changed = asyncio.Event()
        self.listener: Callable[[Loading], None] = lambda _event: None

    def on_loading(self, listener: Callable[[Loading], None]) -> None:
        self.listener = listener

    async def ready(self) -> ScriptedEngine:
        while self.current is None:
            if self.failure is not None:
                raise self.failure
            self.changed.clear()
            await self.changed.wait()
        return self.current

    def crashed(self) -> None:
        pass

    def succeeded(self) -> None:
        pass


class Quiet:
    """A prefetcher with nothing to do. n_waiting: users' requests that it was told of and that are open."""

    def __init__(self) -> None:
        self.n_waiting = 0

    def person_waits(self) -> None:
        self.n_waiting += 1

    def person_served(self) -> None:
        self.n_waiting -= 1

    def note(self, completion: Completion) -> None:
        pass


class SchedulerStates(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.supervisor, self.prefetcher = ScriptedSupervisor(), Quiet()
        self.events: dict[Job, list[StreamEvent]] = defaultdict(list)
        self.reading: list[asyncio.Task[None]] = []
        self.loop.run_until_complete(self.begin())

    async def begin(self) -> None:
        self.scheduler = Scheduler(
            cast(Supervisor, self.supervisor), cast(Prefetcher, self.prefetcher), Broadcast()
        )
        self.running = asyncio.create_task(self.scheduler.run())

    async def settle(self) -> None:
        """Everything that can happen without another word from the machine has happened."""
        for _ in range(40):
            await asyncio.sleep(0)

    def act(self, what: Callable[[], Any]) -> Any:
        async def acted() -> Any:
            result = what()
            await self.settle()
            return result

        return self.loop.run_until_complete(acted())

    async def read(self, job: Job) -> None:
        async for event in job.events():
            self.events[job].append(event)

    # --- what happens ----------------------------------------------------------------------------

    @rule(
        target=jobs,
        client=st.sampled_from(["vim", "code", ""]),
        document=st.sampled_from(["a", "b"]),
        waits_for_key=st.booleans(),
    )
    def submit(self, client: str, document: str, waits_for_key: bool) -> Job:
        def submitted() -> Job:
            older = [
                job for job in self.open() if (job.client, job.completion.document) == (client, document)
            ]
            job = self.scheduler.submit(
                client,
                Completion(document=document, prefix="x = ", pause_ms=AN_HOUR_MS if waits_for_key else 0.0),
            )
            assert all(one.unwanted or one.ended.is_set() for one in older), "the older one is still wanted"
            self.reading.append(asyncio.create_task(self.read(job)))
            return job

        return cast(Job, self.act(submitted))

    @rule(job=consumes(jobs))
    def cancel(self, job: Job) -> None:
        self.act(lambda: self.scheduler.cancel(job))
        assert job.ended.is_set(), "a cancelled job goes on"

    @rule(which=st.integers(0, 7), event=st.sampled_from(SAYS))
    def say(self, which: int, event: CompletionEvent) -> None:
        engine = self.supervisor.current
        if engine is not None and engine.requests:
            requests = list(engine.requests.values())
            self.act(lambda: requests[which % len(requests)].put_nowait(event))

    @rule()
    def load(self) -> None:
        def loaded() -> None:
            self.supervisor.failure = None
            self.supervisor.current = self.supervisor.current or ScriptedEngine()
            self.supervisor.changed.set()

        self.act(loaded)

    @rule(fraction=st.floats(0, 1))
    def report_loading(self, fraction: float) -> None:
        self.act(lambda: self.supervisor.listener(Loading("a model", fraction)))

    @rule()
    def die(self) -> None:
        def died() -> None:
            engine, self.supervisor.current = self.supervisor.current, None
            if engine is not None:
                engine.die()

        self.act(died)

    @rule()
    def fail_to_load(self) -> None:
        def failed() -> None:
            if self.supervisor.current is None:
                self.supervisor.failure = EngineLoadError("No model can be loaded.", "See the log.")
                self.supervisor.changed.set()

        self.act(failed)

    # --- what always holds -----------------------------------------------------------------------

    def open(self) -> list[Job]:
        return [*self.scheduler._waiting, *self.scheduler._running]

    @invariant()
    def each_job_has_one_end(self) -> None:
        for job, events in self.events.items():
            ends = [event for event in events if isinstance(event, Done | Failed)]
            assert len(ends) == int(job.ended.is_set())
            assert not ends or events[-1] is ends[0], "something followed the end"

    @invariant()
    def every_job_is_somewhere(self) -> None:
        n_open = len({job for job in self.open() if not job.ended.is_set()})
        n_ended = sum(job.ended.is_set() for job in self.events)
        assert self.scheduler.completed + self.scheduler.cancelled + self.scheduler.failed == n_ended
        assert n_ended + n_open >= len(self.events)

    @invariant()
    def turns_are_kept(self) -> None:
        running = [job for job in self.scheduler._running if not job.unwanted]
        deciding = [job for job in running if not job.pause_left_s]
        assert len(deciding) <= MAX_SIDE_BY_SIDE
        assert len(running) - len(deciding) <= MAX_PAUSING
        clients = [job.client for job in deciding]
        assert len(clients) == len(set(clients)), "one front end has two turns"

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """With an engine, whoever may run does."""
        if self.supervisor.current is not None:
            assert self.scheduler._next() is None

    @invariant()
    def background_work_knows_who_waits(self) -> None:
        assert self.prefetcher.n_waiting == len(self.open())

    def teardown(self) -> None:
        async def close() -> None:
            self.scheduler.close()
            await self.settle()
            assert all(job.ended.is_set() for job in self.events), "somebody was not told of the end"
            self.running.cancel()
            await asyncio.gather(self.running, *self.reading, return_exceptions=True)

        self.loop.run_until_complete(close())
        self.loop.close()


SchedulerStates.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSchedulerStates = SchedulerStates.TestCase
