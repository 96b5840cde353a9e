"""How much else a computer did while something was measured. It is what makes figures too low, and spread."""

import os
import time
from collections.abc import Callable

import psutil


def watch_others(pid: int) -> Callable[[], float]:
    """Begins to watch; the function that it returns says how many cores others kept busy since, on average.

    Others are all but this process, its children that ended meanwhile, and `pid`.
    """
    started, before = time.perf_counter(), _others_s(pid)

    def n_busy_cores() -> float:
        elapsed_s = time.perf_counter() - started
        return max(0.0, (_others_s(pid) - before) / elapsed_s)

    return n_busy_cores


def _others_s(pid: int) -> float:
    """Processor seconds since the computer started that were neither idle nor ours."""
    whole = psutil.cpu_times()
    idle_s = whole.idle + getattr(whole, "iowait", 0.0)
    # Linux counts a guest's time in the host's own as well.
    busy_s = sum(whole) - idle_s - getattr(whole, "guest", 0.0) - getattr(whole, "guest_nice", 0.0)
    own = os.times()
    measured = psutil.Process(pid).cpu_times()
    ours_s = own.user + own.system + own.children_user + own.children_system
    return busy_s - ours_s - measured.user - measured.system
