"""An engine that hangs, babbles or cannot be started: it is ended, and whoever waits for it is answered.

The engines are real processes. Those that only have to misbehave are a program of the tests
(support/odd_engine).
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil
import pytest

from stardraftd.backends.llama_process import EngineProcess
from stardraftd.backends.supervisor import Supervisor
from stardraftd.broadcast import Broadcast
from stardraftd.config import Config
from stardraftd.errors import (
    DaemonUnreachableError,
    EngineCrashedError,
    EngineHungError,
    EngineLoadError,
    EngineMissingError,
    EngineStartError,
)
from stardraftd.limits import Patience
from stardraftd.logs import LogHandler
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Completion, Done, Failed, Loading
from stardraftd.protocol.engine import EngineSettings
from stardraftd.protocol.http import StreamEvent
from stardraftd.serving.power import Power
from stardraftd.serving.prefetch import Prefetcher
from stardraftd.serving.scheduler import Scheduler
from stardraftd.serving.service import Service
from tests.support.home import command_of
from tests.support.processes import is_gone
from tests.support.streams import collect
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it uses signals")

PATIENCE = Patience(tick_s=0.25, silence_s=4.0)
# Only the deadline that a test is about is short: a busy machine is slow to start Python, too.
SHORT_SILENCE = Patience(tick_s=0.05, silence_s=1.0)
SHORT_WORK = Patience(tick_s=0.05, silence_s=30.0, step_s=0.5, load_s=0.5)
PATIENCE_FOR = {
    "stops-at-load": SHORT_SILENCE,
    "stops-at-request": SHORT_SILENCE,
    "no-progress-at-load": SHORT_WORK,
    "never-returns": SHORT_WORK,
}
ODD = (sys.executable, "-m", "tests.support.odd_engine")


def completion(document: str = "a", **fields: object) -> Completion:
    prefix = f"def {document.replace(' ', '_')}(a, b):\n    return "
    return Completion(document=document, prefix=prefix, **fields)  # type: ignore[arg-type]


class Scene:
    """A scheduler and a supervisor with the built-in model, without the rest of the daemon."""

    def __init__(self) -> None:
        changed = Broadcast()
        settings = EngineSettings(model_path=str(builtin_model_path()), gpu_layers=0, context_tokens=2048)
        self.supervisor = Supervisor(settings, changed, PATIENCE)
        prefetcher = Prefetcher(lambda: None, changed, "never", Power())
        self.scheduler = Scheduler(self.supervisor, prefetcher, changed)

    def submit(self, client: str, **fields: object) -> "asyncio.Task[list[StreamEvent]]":
        job = self.scheduler.submit(client, completion(client, **fields))
        return asyncio.create_task(collect(job.events()), name=client)

    async def last(self, client: str, **fields: object) -> StreamEvent:
        return (await self.submit(client, **fields))[-1]


def engines() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if "stardraftd.engine" in command_of(process):
                found.append(process)
    return found


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    running = asyncio.create_task(scene.scheduler.run())
    yield scene
    scene.scheduler.close()
    await scene.supervisor.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not engines()


async def test_a_stopped_engine_is_replaced_and_all_who_wait_are_answered(scene: Scene) -> None:
    assert isinstance(await scene.last("first"), Done)
    stopped = scene.supervisor.engine_pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    answers = await asyncio.gather(*(scene.submit(f"editor {i}") for i in range(6)))
    assert all(isinstance(events[-1], Done) for events in answers)
    assert scene.supervisor.engine_pid not in (None, stopped)
    assert (scene.supervisor.hangs, scene.supervisor.restarts) == (1, 1)


async def test_an_engine_that_is_stopped_while_it_loads_is_replaced_and_nobody_notices(scene: Scene) -> None:
    stopped: list[int] = []

    def stop(_event: Loading) -> None:
        if not stopped:
            stopped.append(engines()[0].pid)
            os.kill(stopped[0], signal.SIGSTOP)

    scene.supervisor.on_loading(stop)
    assert isinstance(await scene.last("editor"), Done)
    assert scene.supervisor.engine_pid != stopped[0]
    assert scene.supervisor.hangs == 1


async def test_while_it_loads_the_daemon_can_leave_at_once(scene: Scene) -> None:
    """With an engine that would never end by itself, too."""
    loading = asyncio.Event()
    scene.supervisor.on_loading(lambda _event: loading.set())
    waiting = scene.submit("editor")
    await loading.wait()
    os.kill(engines()[0].pid, signal.SIGSTOP)
    scene.scheduler.close()
    await scene.supervisor.close()
    assert not engines()
    last = (await waiting)[-1]
    assert isinstance(last, Failed)
    assert last.code == "daemon_unreachable"


async def test_leaving_under_a_silent_request_loads_no_other_engine(scene: Scene) -> None:
    assert isinstance(await scene.last("editor"), Done)
    silent = scene.submit("another editor", pause_ms=60_000.0)
    await wait_until_async(lambda: scene.scheduler.running == 1)
    scene.scheduler.close()
    await scene.supervisor.close()
    assert isinstance((await silent)[-1], Failed)
    with pytest.raises(DaemonUnreachableError):
        await scene.supervisor.ready()
    assert scene.supervisor.state == "unloaded"
    assert not engines()


async def test_whoever_waits_for_the_next_key_holds_nobody(scene: Scene) -> None:
    """However many they are."""
    pausing = [scene.submit(f"slow writer {i}", pause_ms=60_000.0) for i in range(20)]
    assert isinstance(await scene.last("another editor"), Done)
    assert not any(task.done() for task in pausing)


async def test_programs_that_say_no_name_do_not_hold_each_other_up(scene: Scene) -> None:
    pausing = [scene.scheduler.submit("", completion(f"{i}", pause_ms=60_000.0)) for i in range(20)]
    asked = scene.scheduler.submit("", completion("another"))
    assert isinstance((await collect(asked.events()))[-1], Done)
    assert not any(job.ended.is_set() for job in pausing)


async def test_a_pause_begins_when_the_request_came_not_when_its_turn_did(scene: Scene) -> None:
    """The model is loaded first, which takes longer than these pauses."""
    answers = await asyncio.gather(*(scene.submit(f"writer {i}", pause_ms=10.0) for i in range(9)))
    assert all(isinstance(events[-1], Done) for events in answers)


async def test_a_request_that_cannot_be_sent_is_its_own_error_and_the_next_one_is_served(
    scene: Scene,
) -> None:
    for poison in (2**64, 2**200, -(2**70)):
        last = await scene.last("editor", top_k=poison)
        assert isinstance(last, Failed)
    assert isinstance(await scene.last("editor"), Done)


# --- odd engines -----------------------------------------------------------------------------------


@asynccontextmanager
async def odd(way: str) -> AsyncIterator[EngineProcess]:
    process = await EngineProcess.start(
        lambda _event: None, patience=PATIENCE_FOR.get(way, PATIENCE), program=(*ODD, way)
    )
    try:
        yield process
    finally:
        await process.close(at_once=True)


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        ("stops-at-load", EngineHungError, "has not answered"),
        ("no-progress-at-load", EngineLoadError, "no further than 30% of the model"),
        ("nonsense-at-load", EngineLoadError, "no message"),
    ],
)
async def test_loading_that_comes_to_no_end_is_ended(way: str, error: type[Exception], words: str) -> None:
    async with odd(way) as process:
        with pytest.raises(error, match=words):
            await process.load(EngineSettings(model_path="odd.gguf"))
        assert is_gone(process.pid)


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        ("stops-at-request", EngineHungError, "has not answered"),
        ("never-returns", EngineHungError, "in one computation"),
        ("nonsense", EngineCrashedError, "no message"),
        ("endless-frame", EngineCrashedError, "no message"),
        ("loaded-twice", EngineCrashedError, "no message"),
        ("closes-its-pipe", EngineCrashedError, "was ended by SIGKILL"),
    ],
)
async def test_a_request_to_an_engine_that_went_wrong_is_told_how(
    way: str, error: type[Exception], words: str
) -> None:
    async with odd(way) as process:
        await process.load(EngineSettings(model_path="odd.gguf"))
        with pytest.raises(error, match=words):
            async for _event in process.complete(completion(), lambda _id: None):
                pass
        assert not process.alive
        assert is_gone(process.pid)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (("/nowhere/python",), EngineMissingError),
        (("/etc/passwd",), EngineMissingError),
        (("/dev/null/python",), EngineMissingError),
        (("python\0",), EngineStartError),
        (("python", "x" * 3_000_000), EngineStartError),
    ],
    ids=["removed", "no program", "in no folder", "no name", "no room"],
)
async def test_an_engine_that_cannot_be_started_is_a_sentence(
    program: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error, match="cannot be started") as told:
        await EngineProcess.start(lambda _event: None, program=program)
    assert told.value.hint  # type: ignore[attr-defined]


async def test_a_supervisor_whose_python_was_removed_says_so_each_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for _ in range(2):
        last = await scene.last("editor")
        assert isinstance(last, Failed)
        assert last.code == "engine_missing"
    assert scene.supervisor.state == "failed"
    assert scene.supervisor.can_load is False


async def test_a_load_that_cannot_begin_ends_with_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    service = Service(Config(), "", lambda _drain: None, LogHandler())
    events = await collect(service.load())
    assert [event.code for event in events if isinstance(event, Failed)] == ["engine_missing"]
    assert any("cannot be started" in problem for problem in service.status().problems)
    assert service.hello().can_load is False
