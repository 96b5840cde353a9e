"""Work ahead of the user: in its order, never in the way, and not where it is not wanted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from stardraftd.broadcast import Broadcast
from stardraftd.errors import EngineCrashedError, EngineError
from stardraftd.protocol.completion import Completion
from stardraftd.protocol.engine import Warmed
from stardraftd.serving.power import Power
from stardraftd.serving.prefetch import MAX_DOCUMENTS, Policy, Prefetcher


class Worker:
    """An engine that works until it is told that its work is done, or is cancelled."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        self.cancelled: list[int] = []
        self._n = 0
        self._running: dict[int, asyncio.Future[bool]] = {}

    async def warm(self, completion: Completion, level: int, on_id: Callable[[int], None]) -> Warmed:
        self._n += 1
        ending = self._running[self._n] = asyncio.get_running_loop().create_future()
        on_id(self._n)
        self.begun.put_nowait((completion.document, level))
        return Warmed(await ending, n_evaluated=10, n_generated=1)

    def cancel(self, request: int, reason: str) -> None:
        self.cancelled.append(request)
        if not self._running[request].done():  # it may have ended at this very moment
            self._running[request].set_result(False)

    def fail(self, error: Exception) -> None:
        self._running[self._n].set_exception(error)

    def finish(self) -> None:
        self._running[self._n].set_result(True)


NO_REST = {1: 0.0, 2: 0.0, 3: 0.0}
LONG_REST = {1: 0.0, 2: 3600.0, 3: 3600.0}


class Scene:
    """A prefetcher at work, an editor that is there, and an engine."""

    def __init__(
        self,
        policy: Policy = "always",
        *,
        on_battery: bool = False,
        present: bool = True,
        levels: Mapping[int, float] = NO_REST,
    ) -> None:
        self.worker = Worker()
        self.changed = Broadcast()
        self.engine: Worker | None = self.worker
        power = Power(read=lambda: on_battery, clock=lambda: 0.0)
        self.prefetcher = Prefetcher(lambda: self.engine, self.changed, policy, power, levels)
        self._present = present
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Scene":
        if self._present:
            there = asyncio.Event()
            self._tasks.append(asyncio.create_task(self._listen(there)))
            await there.wait()
        self._tasks.append(asyncio.create_task(self.prefetcher.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, there: asyncio.Event) -> None:
        changes: AsyncIterator[object] = self.changed.changes()
        async for _ in changes:
            there.set()

    @property
    def state(self) -> str:
        return self.prefetcher.state

    def note(self, document: str, **fields: int) -> None:
        self.prefetcher.note(Completion(document=document, prefix="x"), **fields)

    async def all_took_their_turns(self) -> None:
        """Whatever could begin by now has begun."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def finish_next(self) -> tuple[str, int]:
        begun = await self.worker.begun.get()
        self.worker.finish()
        return begun


async def test_small_work_of_all_documents_goes_before_large_work_of_any() -> None:
    async with Scene() as scene:
        scene.note("a")
        scene.note("b")
        done = [await scene.finish_next() for _ in range(6)]
        assert done == [("b", 1), ("a", 1), ("b", 2), ("a", 2), ("b", 3), ("a", 3)]


async def test_a_person_goes_first_and_the_work_goes_on_afterwards() -> None:
    async with Scene() as scene:
        scene.note("a")
        assert await scene.worker.begun.get() == ("a", 1)
        assert scene.state == "working"
        scene.prefetcher.person_waits()
        assert scene.worker.cancelled == [1]
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()
        assert scene.state == "waiting"
        scene.prefetcher.person_served()
        assert await scene.finish_next() == ("a", 1), "what was interrupted is done again"
        assert await scene.finish_next() == ("a", 2)


async def test_a_new_text_takes_the_place_of_the_old_one() -> None:
    async with Scene() as scene:
        scene.note("a")
        assert await scene.worker.begun.get() == ("a", 1)
        scene.note("a", max_level=1)
        assert scene.worker.cancelled == [1]
        assert await scene.finish_next() == ("a", 1)
        scene.note("b", max_level=1)
        assert await scene.finish_next() == ("b", 1), "nothing more was wanted for the first"


async def test_only_the_last_documents_are_worked_on() -> None:
    async with Scene() as scene:
        for number in range(MAX_DOCUMENTS + 3):
            scene.prefetcher.person_waits()
            scene.note(str(number), max_level=1)
            scene.prefetcher.person_served()
        worked_on = {(await scene.finish_next())[0] for _ in range(MAX_DOCUMENTS)}
        assert worked_on == {str(number) for number in range(3, MAX_DOCUMENTS + 3)}
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty(), "the first ones are forgotten"


@pytest.mark.parametrize(
    ("policy", "on_battery", "state"),
    [("never", False, "off"), ("on_ac_power", True, "on_battery"), ("on_ac_power", False, "working")],
)
async def test_where_it_is_not_wanted_nothing_is_done(policy: Policy, on_battery: bool, state: str) -> None:
    async with Scene(policy, on_battery=on_battery) as scene:
        scene.note("a")
        await scene.all_took_their_turns()
        assert scene.state == state
        assert scene.worker.begun.empty() == (state != "working")


async def test_without_an_editor_nothing_is_prepared() -> None:
    async with Scene(present=False) as scene:
        scene.note("a")
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()
        scene.prefetcher.person_waits()
        assert scene.state == "idle", "nothing waits for this request to end"


async def test_larger_work_begins_after_a_rest() -> None:
    async with Scene(levels=LONG_REST) as scene:
        scene.note("a")
        assert await scene.finish_next() == ("a", 1)
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()
        assert scene.state == "idle"


async def test_while_several_requests_run_the_last_one_to_end_lets_it_go_on() -> None:
    async with Scene() as scene:
        scene.prefetcher.person_waits()
        scene.prefetcher.person_waits()
        scene.note("a")
        scene.prefetcher.person_served()
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()
        scene.prefetcher.person_served()
        assert await scene.finish_next() == ("a", 1)


async def test_without_an_engine_it_waits_and_begins_after_the_request_that_loaded_one() -> None:
    async with Scene() as scene:
        engine, scene.engine = scene.engine, None
        scene.note("a")
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()
        scene.prefetcher.person_waits()
        scene.engine = engine
        scene.prefetcher.person_served()
        assert await scene.finish_next() == ("a", 1)


async def test_a_request_while_nothing_is_left_to_do_keeps_nothing_waiting() -> None:
    async with Scene() as scene:
        scene.note("a", max_level=1)
        await scene.finish_next()
        await scene.all_took_their_turns()
        scene.prefetcher.person_waits()
        assert scene.state == "idle"


async def test_what_fails_is_not_tried_again_and_the_others_are_worked_on() -> None:
    async with Scene() as scene:
        scene.note("b", max_level=1)
        scene.note("a")
        assert await scene.worker.begun.get() == ("a", 1)
        scene.worker.fail(EngineError("It does not work.", "Try something else."))
        assert await scene.finish_next() == ("b", 1)
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()


async def test_what_ended_the_engine_is_not_done_again_by_itself() -> None:
    async with Scene() as scene:
        scene.note("a")
        await scene.worker.begun.get()
        scene.worker.fail(EngineCrashedError("The engine is gone."))
        await scene.all_took_their_turns()
        assert scene.worker.begun.empty()
        scene.note("b")
        assert await scene.finish_next() == ("b", 1)


async def test_what_was_done_is_counted() -> None:
    async with Scene() as scene:
        scene.note("a", max_level=2)
        await scene.finish_next()
        await scene.finish_next()
        scene.note("b", max_level=1)
        await scene.worker.begun.get()
        assert scene.prefetcher.tokens_evaluated == 20
        assert scene.prefetcher.tokens_generated == 2
