"""A process that hangs is told from one that is slow, and from a watcher that was not there to see."""

import pytest

from stardraftd.heartbeat import AwakeTime, Hung, Vitals
from stardraftd.limits import Patience
from stardraftd.protocol.completion import Pong

PATIENCE = Patience(
    tick_s=1.0, silence_s=5.0, start_s=8.0, step_s=10.0, step_slack=3.0, load_s=20.0, load_slack=10.0
)
GB = 1_000_000_000


class Scene:
    """A watcher whose clock the test turns."""

    def __init__(self, load_bytes: int = 0, *, loading: bool = False, started: bool = True) -> None:
        self.vitals = Vitals(PATIENCE, load_bytes)
        self.clock_s = 1000.0
        self.vitals.tick(self.clock_s)
        if started:
            self.vitals.pong(Pong(0, is_at_work=loading))
        if not loading:
            self.vitals.loaded()

    def ticks(self, n: int, pong: Pong | None = None) -> Hung | None:
        """So many seconds, with a pong in each, or silence; what was found first."""
        for _ in range(n):
            self.clock_s += 1
            if pong is not None:
                self.vitals.pong(pong)
            if hung := self.vitals.tick(self.clock_s):
                return hung
        return None


def at_work(step: int, expected_s: float = 0.0) -> Pong:
    return Pong(step, is_at_work=True, expected_s=expected_s)


def test_silence_is_noticed_when_it_has_lasted() -> None:
    scene = Scene()
    assert scene.ticks(5) is None
    hung = scene.ticks(1)
    assert hung is not None
    assert hung.is_silent
    assert "6 s" in hung.how


def test_a_process_that_only_starts_has_more_time_for_its_first_answer() -> None:
    scene = Scene(loading=True, started=False)
    assert scene.ticks(8) is None
    assert scene.ticks(1) is not None


def test_one_that_answers_is_not_silent_however_long() -> None:
    assert Scene().ticks(10_000, Pong(7, is_at_work=False)) is None


def test_a_computation_that_never_returns_is_noticed_though_pings_are_answered() -> None:
    scene = Scene()
    assert scene.ticks(10, at_work(3)) is None
    hung = scene.ticks(2, at_work(3))
    assert hung is not None
    assert not hung.is_silent


def test_a_slow_computer_may_take_as_long_as_it_was_measured_to_take() -> None:
    scene = Scene()
    assert scene.ticks(310, at_work(3, expected_s=100.0)) is None, (
        "three times as long, and what is always allowed"
    )
    assert scene.ticks(2, at_work(3, expected_s=100.0)) is not None


def test_step_after_step_is_no_hang() -> None:
    scene = Scene()
    for step in range(50):
        assert scene.ticks(9, at_work(step)) is None


def test_an_idle_engine_is_at_no_step_for_any_time() -> None:
    scene = Scene()
    scene.ticks(5, at_work(3))
    assert scene.ticks(1000, Pong(3, is_at_work=False)) is None


@pytest.mark.parametrize("jump_s", [8 * 3600.0, -8 * 3600.0, 30.0])
def test_after_a_sleep_the_clock_alone_is_no_alarm(jump_s: float) -> None:
    scene = Scene()
    scene.ticks(3, at_work(3))
    scene.clock_s += jump_s
    assert scene.ticks(3) is None, "it had no time to answer"
    assert scene.ticks(5) is not None, "now it had"


def test_a_watcher_that_was_stopped_itself_gives_as_much_time_as_ever() -> None:
    scene = Scene()
    scene.clock_s += 600
    assert scene.ticks(1) is None
    assert scene.ticks(1, at_work(1)) is None


def test_time_that_passes_as_it_should_is_counted_as_it_is() -> None:
    awake = AwakeTime(1.0)
    for clock_s in (5.0, 6.0, 7.5, 9.4):
        awake.tick(clock_s)
    assert awake.now_s == pytest.approx(4.4)


def test_loading_may_take_long_as_long_as_it_gets_on() -> None:
    scene = Scene(100 * GB, loading=True)
    for percent in range(100):
        scene.vitals.progressed(percent / 100)
        assert scene.ticks(20, at_work(0)) is None


def test_loading_that_gets_no_further_is_noticed() -> None:
    scene = Scene(loading=True)
    scene.vitals.progressed(0.5)
    assert scene.ticks(20, at_work(0)) is None
    hung = scene.ticks(1, at_work(0))
    assert hung is not None
    assert not hung.is_silent
    assert "50%" in hung.how


def test_a_large_file_on_a_slow_disk_has_more_time_and_a_fast_disk_less() -> None:
    slow, fast = Scene(10 * GB, loading=True), Scene(10 * GB, loading=True)
    fast.ticks(1, at_work(0))
    fast.vitals.progressed(0.5)
    slow.ticks(20, at_work(0))
    slow.vitals.progressed(0.02)
    assert slow.vitals.load_allowance_s > fast.vitals.load_allowance_s > PATIENCE.load_s
    assert slow.vitals.load_allowance_s >= PATIENCE.load_s + 20 * PATIENCE.load_slack
