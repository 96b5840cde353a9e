"""Whether a process that is asked at regular intervals still lives: pure arithmetic over what it answered.

Two kinds of death look alike from outside and are told apart here. A process that is stopped, or gets no
memory or processor, sends no pong at all. One whose native code never returns sends pongs, because another
thread of it does, but they name the same step of work over and over.

Only time in which the watcher itself ran counts. A computer that slept, a daemon that was stopped with Ctrl-Z
or starved come back to a late pong, which is no sign of anything: so a tick that comes late counts as one
                                                                   tick,
however much later it came by the clock, and whatever kind of clock that is.
"""

from dataclasses import dataclass

from stardraftd.limits import PROGRESS_STEP, Patience
from stardraftd.protocol.completion import Pong


@dataclass(frozen=True)
class Hung:
    """What is wrong, as the rest of a sentence that begins with the process."""

    how: str
    is_silent: bool


class AwakeTime:
    """Seconds in which this process was awake, from ticks that should be `tick_s` apart."""

    def __init__(self, tick_s: float) -> None:
        self._most_s = 2 * tick_s
        self._last: float | None = None
        self.now_s = 0.0

    def tick(self, clock_s: float) -> None:
        """The clock says so now. A clock that jumped, in either direction, counts as one tick."""
        if self._last is not None:
            passed_s = clock_s - self._last
            self.now_s += passed_s if 0 <= passed_s <= self._most_s else self._most_s / 2
        self._last = clock_s


class Vitals:
    """Judges an engine by its pongs.

    load_bytes: the size of the model's file while it is loaded; afterwards a step's allowance is the engine's
                own.
    """

    def __init__(self, patience: Patience, load_bytes: int = 0) -> None:
        self._patience = patience
        self._load_bytes = load_bytes
        self._awake = AwakeTime(patience.tick_s)
        self._last_pong_s = 0.0
        self._pong: Pong | None = None
        self._step_since_s = 0.0
        self._fraction = 0.0
        self._progress_since_s = 0.0
        self._began_s = 0.0
        self._is_loading = True

    @property
    def silent_s(self) -> float:
        """How long nothing was heard."""
        return self._awake.now_s - self._last_pong_s

    def pong(self, pong: Pong) -> None:
        """It answered."""
        self._last_pong_s = self._awake.now_s
        if self._pong is None:
            self._progress_since_s = self._began_s = self._awake.now_s
        if self._pong is None or pong.step != self._pong.step:
            self._step_since_s = self._awake.now_s
        self._pong = pong

    def progressed(self, fraction: float) -> None:
        """So much of the model is loaded."""
        self._fraction = fraction
        self._progress_since_s = self._awake.now_s

    def loaded(self) -> None:
        """The model is loaded: from now on it is steps that are watched."""
        self._is_loading = False
        self._step_since_s = self._awake.now_s

    def tick(self, clock_s: float) -> Hung | None:
        """To be called every `tick_s`: what is wrong with the process, None if nothing."""
        self._awake.tick(clock_s)
        patience_s = self._patience.start_s if self._pong is None else self._patience.silence_s
        if self.silent_s > patience_s:
            return Hung(f"has not answered for {self.silent_s:.0f} s", is_silent=True)
        if self._pong is None:
            return None
        return self._judged_load() if self._is_loading else self._judged_step(self._pong)

    def _judged_load(self) -> Hung | None:
        stuck_s = self._awake.now_s - self._progress_since_s
        if stuck_s <= self.load_allowance_s:
            return None
        where = f"{self._fraction:.0%} of the model"
        return Hung(f"has got no further than {where} for {stuck_s:.0f} s", is_silent=False)

    def _judged_step(self, pong: Pong) -> Hung | None:
        stuck_s = self._awake.now_s - self._step_since_s
        allowance_s = self._patience.step_s + self._patience.step_slack * pong.expected_s
        if not pong.is_at_work or stuck_s <= allowance_s:
            return None
        return Hung(f"has been in one computation for {stuck_s:.0f} s", is_silent=False)

    @property
    def load_allowance_s(self) -> float:
        """How long loading may make no progress: by the file's size, and how fast it was read so far."""
        elapsed_s = max(self._progress_since_s - self._began_s, self._patience.tick_s)
        read_per_s = self._fraction * self._load_bytes / elapsed_s / self._patience.load_slack
        part_bytes = PROGRESS_STEP * self._load_bytes
        return self._patience.load_s + part_bytes / max(read_per_s, self._patience.slowest_bytes_per_s)
