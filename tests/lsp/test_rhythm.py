"""How long a suggestion waits for the next key follows from a user's keys and the machine's speed."""

import pytest

from stardraft_lsp.session.rhythm import MAX_PAUSE_MS, STEP_MS, Rhythm


def typed(intervals_ms: list[float], appears_ms: float | None) -> Rhythm:
    rhythm, moment = Rhythm(), 100.0
    rhythm.key(moment)
    for interval in intervals_ms:
        moment += interval / 1000
        rhythm.key(moment)
    if appears_ms is not None:
        rhythm.appeared(appears_ms)
    return rhythm


def test_nothing_is_waited_for_while_nothing_is_known() -> None:
    assert Rhythm().pause_ms() == 0
    assert typed([120.0] * 3, appears_ms=500).pause_ms() == 0
    assert typed([120.0] * 30, appears_ms=None).pause_ms() == 0


def test_a_machine_that_is_faster_than_the_person_never_waits() -> None:
    assert typed([150.0] * 30, appears_ms=40).pause_ms() == 0


def test_behind_a_fast_typist_a_slow_machine_waits_until_the_keys_stop() -> None:
    pause_ms = typed([120.0, 140.0, 130.0, 150.0, 110.0, 135.0] * 5, appears_ms=400).pause_ms()
    assert 140 <= pause_ms <= 160


def test_who_types_in_bursts_is_waited_for_as_long_as_a_burst_lasts() -> None:
    bursts = ([100.0] * 5 + [1200.0]) * 5
    pause_ms = typed(bursts, appears_ms=300).pause_ms()
    assert 100 <= pause_ms <= 110


def test_the_slower_the_machine_the_longer_the_pause_and_never_too_long() -> None:
    intervals = [80.0 + 40 * (i % 20) for i in range(60)]
    pauses = [typed(intervals, appears_ms=ms).pause_ms() for ms in (20, 100, 300, 800, 3000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= MAX_PAUSE_MS


@pytest.mark.parametrize("away_ms", [5_000, 60_000])
def test_time_away_from_the_keyboard_is_no_rhythm(away_ms: float) -> None:
    with_breaks = typed([100.0, 100.0, 100.0, away_ms] * 10, appears_ms=300)
    without = typed([100.0] * 30, appears_ms=300)
    assert abs(with_breaks.pause_ms() - without.pause_ms()) <= STEP_MS
