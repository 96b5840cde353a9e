"""The supervisor's promises, over any order of loads, deaths, other settings, changed files and farewells.

In the process, with engines that load, die and end when the machine says so, and with a clock that it moves:
what real engines do to these promises is in tests/e2e and tests/daemon/test_hanging_engine.py.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stardraftd.backends import back_off
from stardraftd.backends import supervisor as supervising
from stardraftd.backends.back_off import PATIENCE_S
from stardraftd.backends.supervisor import RETRY_LOAD_AFTER_S, Supervisor
from stardraftd.broadcast import Broadcast
from stardraftd.errors import (
    DaemonUnreachableError,
    EngineBrokenError,
    EngineCrashedError,
    EngineHungError,
    EngineLoadError,
    StardraftError,
)
from stardraftd.protocol.completion import Loading
from stardraftd.protocol.engine import EngineSettings, Loaded
from tests.lsp.stand_in_status import MODEL

REFUSALS = {
    "load": EngineLoadError("The file is damaged.", "Load it again."),
    "crash": EngineCrashedError("The engine died while it loaded.", "See the log."),
    "hang": EngineHungError("The engine did not answer while it loaded.", "See the log."),
}


class Clock:
    """Stands for the module `time` and for the loop's clock."""

    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


class ClockedLoop(asyncio.SelectorEventLoop):
    clock: Clock

    def time(self) -> float:
        return self.clock.now_s


class ScriptedProcess:
    """An engine process as the supervisor knows it. What it does, the machine says."""

    died_natively = False
    answers = True
    is_hung = False

    def __init__(self, on_loading: Callable[[Loading], None]) -> None:
        self.on_loading = on_loading
        self.pid = id(self)
        self.alive = True
        self.with_settings: EngineSettings | None = None
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_idle, self.may_end = asyncio.Event(), asyncio.Event()
        self.retires = self.is_ending = self.has_ended = False

    async def load(self, wanted: EngineSettings) -> Loaded:
        self.with_settings = wanted
        await self.outcome
        return Loaded(msgspec.structs.replace(MODEL, path=wanted.model_path))

    async def idle(self) -> None:
        self.retires = True
        if self.alive:
            await self.is_idle.wait()

    async def close(self, *, at_once: bool = False) -> None:
        assert not self.has_ended, "it is ended twice"
        self.is_ending = True
        if self.alive and not at_once:
            await self.may_end.wait()
        self.alive, self.has_ended = False, True


def loads(engine: ScriptedProcess) -> bool:
    return not engine.outcome.done() and not engine.is_ending


def retires(engine: ScriptedProcess) -> bool:
    return engine.retires and not engine.is_idle.is_set() and not engine.is_ending


def ends(engine: ScriptedProcess) -> bool:
    return engine.is_ending and not engine.has_ended


class SupervisorStates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        for name in ("a", "b"):
            (self.folder / f"{name}.gguf").write_bytes(b"1")
        self.clock, self.loop = Clock(), ClockedLoop()
        self.loop.clock = self.clock
        self.engines: list[ScriptedProcess] = []
        self.waiting: list[asyncio.Task[Any]] = []
        self.build_works = self.has_room = True
        self.n_begun_too_early = 0

        async def start(on_loading: Callable[[Loading], None], **_options: object) -> ScriptedProcess:
            self.n_begun_too_early += any(ends(engine) or loads(engine) for engine in self.engines)
            self.engines.append(ScriptedProcess(on_loading))
            return self.engines[-1]

        async def require(*_: object) -> None:
            if not self.build_works:
                raise EngineBrokenError("llama.cpp computes what it should not.", "Build it anew.")

        self.patches = ExitStack()
        for target, name, value in (
            (ScriptedProcess, "start", start),
            (supervising, "EngineProcess", ScriptedProcess),
            (supervising, "time", self.clock),
            (supervising, "fits_into_memory", lambda _settings: self.has_room),
            (supervising.EngineProof, "require", require),
            (back_off, "time", self.clock),
        ):
            self.patches.enter_context(patch.object(target, name, value, create=True))
        self.supervisor = self.act(lambda: Supervisor(self.settings("a"), Broadcast()))

    def settings(self, name: str, threads: int = 0) -> EngineSettings:
        return EngineSettings(model_path=str(self.folder / f"{name}.gguf"), gpu_layers=0, threads=threads)

    def act(self, what: Callable[[], Any]) -> Any:
        async def acted() -> Any:
            result = what()
            for _ in range(40):  # everything that can happen without another word from the machine
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(acted())

    def one_of(self, which: int, of: Callable[[ScriptedProcess], bool]) -> ScriptedProcess:
        found = [engine for engine in self.engines if of(engine)]
        return found[which % len(found)]

    # --- what happens ----------------------------------------------------------------------------

    @rule(settled=st.booleans())
    def ask(self, settled: bool) -> None:
        async def asked() -> None:
            try:
                if settled:
                    await self.supervisor.settled()
                    return
                engine = await self.supervisor.ready()
            except StardraftError:
                return
            assert isinstance(engine, ScriptedProcess)
            assert engine is self.supervisor.current, "another engine was handed out than the one that serves"

        def begin() -> None:
            task = asyncio.create_task(asked())
            self.waiting.append(task)

        self.act(begin)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 7))
    def give_up(self, which: int) -> None:
        self.act(self.waiting[which % len(self.waiting)].cancel)

    @precondition(lambda self: any(map(loads, self.engines)))
    @rule(which=st.integers(0, 3), fraction=st.floats(0, 1))
    def progress(self, which: int, fraction: float) -> None:
        engine = self.one_of(which, loads)
        self.act(lambda: engine.on_loading(Loading("a model", fraction)))

    @precondition(lambda self: any(map(loads, self.engines)))
    @rule(which=st.integers(0, 3), refusal=st.sampled_from(["", "", "", *REFUSALS]))
    def end_load(self, which: int, refusal: str) -> None:
        engine = self.one_of(which, loads)

        def end() -> None:
            if refusal:
                engine.alive = refusal == "load"
                engine.outcome.set_exception(REFUSALS[refusal])
            else:
                engine.outcome.set_result(None)

        self.act(end)

    @precondition(lambda self: self.supervisor.current)
    @rule(hung=st.booleans(), noticed=st.booleans())
    def die(self, hung: bool, noticed: bool) -> None:
        engine = self.supervisor.current
        assert isinstance(engine, ScriptedProcess)
        engine.alive, engine.is_hung = False, hung
        engine.is_idle.set()
        if noticed:
            self.act(self.supervisor.crashed)

    @precondition(lambda self: self.supervisor.current)
    @rule()
    def complete(self) -> None:
        self.act(self.supervisor.succeeded)

    @precondition(lambda self: any(map(retires, self.engines)))
    @rule(which=st.integers(0, 3))
    def end_requests(self, which: int) -> None:
        self.act(self.one_of(which, retires).is_idle.set)

    @precondition(lambda self: any(map(ends, self.engines)))
    @rule(which=st.integers(0, 3))
    def end(self, which: int) -> None:
        self.act(self.one_of(which, ends).may_end.set)

    @precondition(lambda self: self.supervisor.current)
    @rule(threads=st.integers(2, 4))
    def replace(self, threads: int) -> None:
        """Rare by chance: a successor takes over."""
        self.configure("a", threads, room=True)
        if any(map(loads, self.engines)):
            self.end_load(0, refusal="")

    @precondition(lambda self: self.supervisor.current)
    @rule(threads=st.integers(2, 4))
    def change_the_mind(self, threads: int) -> None:
        """Rare by chance: what is being loaded beside the engine is given up for another one."""
        self.configure("a", threads, room=True)
        self.configure("b", threads, room=True)

    @rule(name=st.sampled_from(["a", "b", "missing"]), threads=st.sampled_from([0, 1]), room=st.booleans())
    def configure(self, name: str, threads: int, room: bool) -> None:
        self.has_room = room
        self.act(lambda: self.supervisor.configure(self.settings(name, threads)))

    @rule(name=st.sampled_from(["a", "b"]), room=st.booleans())
    def change_file(self, name: str, room: bool) -> None:
        self.has_room = room
        path = self.folder / f"{name}.gguf"
        path.write_bytes(path.read_bytes() + b"1")
        self.act(self.supervisor.file_may_have_changed)

    @rule(works=st.booleans())
    def prove(self, works: bool) -> None:
        self.build_works = works

    @rule(seconds=st.sampled_from([0.5, PATIENCE_S, RETRY_LOAD_AFTER_S, 100.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.act(lambda: None)

    @rule()
    def unload(self) -> None:
        def begin() -> None:
            task = asyncio.create_task(self.supervisor.unload())
            self.waiting.append(task)

        self.act(begin)

    # --- what always holds -----------------------------------------------------------------------

    @invariant()
    def nothing_failed_that_is_no_answer(self) -> None:
        for task in [task for task in self.waiting if task.done()]:
            self.waiting.remove(task)
            if not task.cancelled():
                task.result()

    @invariant()
    def no_engine_is_lost(self) -> None:
        """Every engine that lives serves, loads, ends its requests, or is being ended."""
        supervisor = self.supervisor
        endings = supervisor._endings
        n_starting = (supervisor._starting is not None) + (supervisor._succession is not None)
        n_known = len(endings) + endings.n_retiring + n_starting + (supervisor._process is not None)
        assert sum(not engine.has_ended for engine in self.engines) <= n_known

    @invariant()
    def a_load_has_the_memory_for_itself(self) -> None:
        """But for a successor, which is loaded only where there is room for both."""
        loading = [engine for engine in self.engines if loads(engine)]
        assert len(loading) <= 1
        assert not self.n_begun_too_early, "an engine is loaded while another one that ends has its memory"
        if loading and self.supervisor._succession is None:
            beside = [engine for engine in self.engines if not engine.has_ended and engine is not loading[0]]
            assert all(engine.retires for engine in beside), "an engine is loaded beside another one"

    @invariant()
    def what_serves_is_what_was_wanted(self) -> None:
        engine = self.supervisor.current
        if engine is None:
            return
        assert isinstance(engine, ScriptedProcess)
        excused = self.supervisor.successor is not None or self.supervisor.is_replaced
        assert engine.alive
        assert engine.with_settings == self.supervisor.settings or excused
        assert not engine.is_ending

    @invariant()
    def the_state_says_what_is(self) -> None:
        supervisor, state = self.supervisor, self.supervisor.state
        assert (state == "loading") == (supervisor.loading_fraction is not None)
        if state == "ready":
            assert supervisor.model is not None
        if state == "failed":
            assert supervisor.failure is not None
        assert supervisor.hangs <= supervisor.restarts

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        supervisor = self.supervisor
        if any(not task.done() for task in self.waiting):
            assert (
                supervisor._starting is not None
                or supervisor._succession is not None
                or supervisor._endings
                or supervisor._endings.n_retiring
            ), "somebody waits, and nothing is under way"

    @precondition(lambda self: self.supervisor._starting is not None and not self.supervisor._endings)
    @invariant()
    def a_start_gets_on(self) -> None:
        assert any(map(loads, self.engines)) or self.supervisor._back_off.is_on

    def teardown(self) -> None:
        async def close() -> None:
            closing = asyncio.create_task(self.supervisor.close())
            for engine in self.engines:
                engine.may_end.set()
            await closing
            for _ in range(40):
                await asyncio.sleep(0)
            assert all(engine.has_ended for engine in self.engines), "an engine outlived the daemon"
            assert all(task.done() for task in self.waiting), "somebody was not told of the end"
            await asyncio.gather(*self.waiting, return_exceptions=True)
            try:
                await self.supervisor.ready()
            except DaemonUnreachableError:
                return
            raise AssertionError("an engine was started after the end")

        try:
            self.loop.run_until_complete(close())
        finally:
            self.loop.close()
            self.patches.close()
            shutil.rmtree(self.folder)


SupervisorStates.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestSupervisorStates = SupervisorStates.TestCase
