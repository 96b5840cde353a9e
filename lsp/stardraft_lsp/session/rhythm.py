"""A user's typing rhythm, and how long to wait with a suggestion because of it.

The engine reads each key at once; what a pause saves is the writing of suggestions that nobody will see,
because the next key comes before them. How long that pause is follows from two things that are measured: the
times between this person's last keys, and how long a suggestion takes to appear here.
"""

from collections import deque

# What is longer is no rhythm: the user reads, thinks, or is away.
MAX_INTERVAL_MS = 1500.0
N_INTERVALS = 64
# Before that many keys nothing is known of a user, and nothing is waited for.
MIN_INTERVALS = 8
MAX_PAUSE_MS = 400.0
STEP_MS = 10.0
# A suggestion is begun when it is at least so likely that it appears before the next key.
WORTH_BEGINNING = 0.5
_SMOOTHING = 0.2


class Rhythm:
    """The keys of one editor. Moments are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=N_INTERVALS)
        self._last: float | None = None
        self._appears_ms: float | None = None

    def key(self, moment: float) -> None:
        """A key was typed."""
        if self._last is not None:
            interval_ms = (moment - self._last) * 1000
            if 0 < interval_ms <= MAX_INTERVAL_MS:
                self._intervals.append(interval_ms)
        self._last = moment

    def appeared(self, took_ms: float) -> None:
        """A suggestion's first text came so long after its question, its pause not counted."""
        before = took_ms if self._appears_ms is None else self._appears_ms
        self._appears_ms = before + _SMOOTHING * (took_ms - before)

    @property
    def appears_ms(self) -> float | None:
        """How long a suggestion's first text takes here; None while none has come."""
        return self._appears_ms

    def pause_ms(self) -> float:
        """How long to wait behind the key that was typed just now.

        The shortest pause after which a suggestion would appear before the next key in at least half of the
        cases, by the intervals of the last keys that were longer than that pause. 0 while little is known.
        """
        if len(self._intervals) < MIN_INTERVALS or self._appears_ms is None:
            return 0.0
        pause_ms = 0.0
        while pause_ms < MAX_PAUSE_MS:
            still_waiting = [interval for interval in self._intervals if interval > pause_ms]
            if not still_waiting:
                return pause_ms
            in_time = sum(interval > pause_ms + self._appears_ms for interval in still_waiting)
            if in_time >= WORTH_BEGINNING * len(still_waiting):
                return pause_ms
            pause_ms += STEP_MS
        return MAX_PAUSE_MS
