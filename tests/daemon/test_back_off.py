"""How long an engine that keeps dying is left alone: longer each time, and not forever."""

import asyncio
import time
from collections.abc import Coroutine
from types import SimpleNamespace

import pytest

from stardraftd.backends import back_off
from stardraftd.backends.back_off import MAX_BACK_OFF_S, BackOff
from stardraftd.errors import EngineCrashedError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that `BackOff` sees; set it."""
    now = [time.monotonic()]

    async def wait_for(event: Coroutine[None, None, bool], wait_s: float) -> None:
        event.close()
        now[0] += wait_s
        raise TimeoutError

    monkeypatch.setattr(back_off, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(back_off, "asyncio", SimpleNamespace(Event=asyncio.Event, wait_for=wait_for))
    return now


def test_the_first_death_costs_nothing_and_each_other_one_twice_as_much(clock: list[float]) -> None:
    pause = BackOff()
    assert [pause.died() for _ in range(9)] == [0, 1, 2, 4, 8, 16, 32, MAX_BACK_OFF_S, MAX_BACK_OFF_S]
    assert pause.is_on
    clock[0] += MAX_BACK_OFF_S
    assert not pause.is_on


async def test_a_short_pause_is_waited_out_and_of_a_long_one_you_are_told(clock: list[float]) -> None:
    pause = BackOff()
    pause.died(), pause.died(), pause.died()
    before = clock[0]
    await pause.wait()
    assert clock[0] - before == pytest.approx(2)
    for _ in range(2):
        pause.died()
    with pytest.raises(EngineCrashedError, match="died 5 times in a row; it is started again in 8 s"):
        await pause.wait()


async def test_another_engine_is_started_at_once_and_a_working_one_is_forgiven(clock: list[float]) -> None:
    pause = BackOff()
    for _ in range(6):
        pause.died()
    pause.cut_short()
    await pause.wait()
    pause.forgive()
    assert pause.died() == 0


async def test_who_waits_for_an_engine_that_died_is_let_go_when_another_one_is_wanted() -> None:
    pause = BackOff()
    pause.died(), pause.died(), pause.died(), pause.died()
    waiting = asyncio.create_task(pause.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    pause.cut_short()
    for _ in range(10):
        await asyncio.sleep(0)
    assert waiting.done()
