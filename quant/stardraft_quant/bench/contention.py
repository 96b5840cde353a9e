"""How much else a computer did while something was measured. It is what makes figures too low, and spread."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence

import psutil


def watch_others(*pids: int) -> Callable[[], float]:
    """Begins to watch; the function that it returns says how many cores others kept busy since, on average.

    Others are all but this process, its children that ended meanwhile, and `pids`.
    """
    started, before = time.perf_counter(), _others_s(pids)

    def n_busy_cores() -> float:
        elapsed_s = time.perf_counter() - started
        return max(0.0, (_others_s(pids) - before) / elapsed_s)

    return n_busy_cores


class Load:
    """What others did in stretches of time that are not one: of several that are measured by turns."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._others_s = 0.0
        self._elapsed_s = 0.0

    @property
    def busy_cores(self) -> float:
        """How many cores others kept busy in the stretches, on average; 0 before the first."""
        return max(0.0, self._others_s / self._elapsed_s) if self._elapsed_s else 0.0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """One stretch."""
        started, before = time.perf_counter(), _others_s(self._pids)
        try:
            yield
        finally:
            self._others_s += _others_s(self._pids) - before
            self._elapsed_s += time.perf_counter() - started


def _others_s(pids: Sequence[int]) -> float:
    """Processor seconds since the computer started that were neither idle nor ours."""
    whole = psutil.cpu_times()
    idle_s = whole.idle + getattr(whole, "iowait", 0.0)
    # Linux counts a guest's time in the host's own as well.
    busy_s = sum(whole) - idle_s - getattr(whole, "guest", 0.0) - getattr(whole, "guest_nice", 0.0)
    own = os.times()
    measured_s = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):  # its end is told by who asks it next
            times = psutil.Process(pid).cpu_times()
            measured_s += times.user + times.system
    ours_s = own.user + own.system + own.children_user + own.children_system
    return busy_s - ours_s - measured_s
