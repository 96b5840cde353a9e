"""Whether the computer runs on its battery."""

import math
import time
from collections.abc import Callable

import psutil

ASK_AGAIN_AFTER_S = 10.0


def _battery_discharging() -> bool | None:
    """True on battery, False on mains, None where there is no battery or nobody says."""
    sensors = getattr(psutil, "sensors_battery", None)
    battery = sensors() if sensors else None
    if battery is None or battery.power_plugged is None:
        return None
    return not battery.power_plugged


class Power:
    """Looks at the battery at most every ten seconds. What cannot be found out counts as mains."""

    def __init__(
        self,
        read: Callable[[], bool | None] = _battery_discharging,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._on_battery = False
        self._next_look = -math.inf

    @property
    def on_battery(self) -> bool:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + ASK_AGAIN_AFTER_S
            try:
                self._on_battery = bool(self._read())
            except Exception:  # noqa: BLE001 - whatever psutil meets on an odd machine, no request fails for it
                self._on_battery = False
        return self._on_battery
