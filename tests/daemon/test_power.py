"""Whether the computer runs on its battery: asked seldom, and mains where nobody knows."""

import psutil
import pytest

from stardraftd.serving.power import ASK_AGAIN_AFTER_S, Power


class Battery:
    """A source of answers that counts how often it was asked, with a clock beside it."""

    def __init__(self, answer: bool | Exception | None, now_s: float = 0.0) -> None:
        self.answer = answer
        self.now_s = now_s
        self.n_reads = 0
        self.power = Power(self._read, lambda: self.now_s)

    def _read(self) -> bool | None:
        self.n_reads += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(("answer", "on_battery"), [(True, True), (False, False), (None, False)])
def test_only_a_discharging_battery_is_battery(answer: bool | None, on_battery: bool) -> None:
    assert Battery(answer).power.on_battery is on_battery


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "Input/output error"),
        RuntimeError("no sensors"),
        NotImplementedError(),
        ValueError("invalid literal for int()"),
        AttributeError("sensors_battery"),
        ZeroDivisionError(),
        psutil.AccessDenied(),
    ],
    ids=repr,
)
def test_a_reading_that_fails_is_mains(error: Exception) -> None:
    battery = Battery(True)
    assert battery.power.on_battery
    battery.answer = error
    battery.now_s += ASK_AGAIN_AFTER_S
    assert battery.power.on_battery is False
    battery.now_s += ASK_AGAIN_AFTER_S / 2
    assert battery.power.on_battery is False
    assert battery.n_reads == 2


def test_nothing_is_read_before_somebody_asks() -> None:
    assert Battery(True).n_reads == 0


@pytest.mark.parametrize("start_s", [0.0, 1e9, -1e9])
def test_an_answer_holds_for_ten_seconds(start_s: float) -> None:
    battery = Battery(True, start_s)
    assert battery.power.on_battery
    battery.answer = False
    battery.now_s += 9.99
    assert battery.power.on_battery
    assert battery.n_reads == 1
    battery.now_s += 0.02
    assert not battery.power.on_battery
    assert battery.n_reads == 2


def test_this_computer_has_an_answer() -> None:
    assert Power().on_battery in (True, False)
