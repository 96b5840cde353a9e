"""How fast this machine is just now, so that a deadline says how much work it allows and not how many
seconds.

A fixed small piece of work, starting Python and importing some of its library, is done on every processor
at once and timed. Alone on the machine that these tests are written on it takes REFERENCE_S; the pace is
how many times as long it takes here: 2 beside two endless loops on two processors, 3 on a machine a third
as fast. It is never below 1. The session measures once, and its workers take the controller's figure; a
deadline that has come measures again (`tests/support/waiting.py`), so load that comes later is seen, too.
"""

import os
import statistics
import subprocess
import sys
import time

# On two idle Zen 4 processors, both at it: `python -m tests.support.pace`.
REFERENCE_S = 0.16
PACE_VARIABLE = "PACE_OF_TESTS"
_WORK = "import argparse, asyncio, decimal, email.message, http.client, json, tarfile, unittest"
_N_TIMES = 3


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work_s() -> float:
    """Seconds that the piece of work takes, done on all processors at once."""
    started = time.monotonic()
    # No more than four: a machine with many processors is not to be filled by this.
    running = [
        subprocess.Popen([sys.executable, "-I", "-c", _WORK], stdin=subprocess.DEVNULL)
        for _ in range(min(processors(), 4))
    ]
    for process in running:
        process.wait()
    return time.monotonic() - started


def measure(n_times: int = _N_TIMES) -> float:
    """The pace now: 1 on an idle machine as fast as the reference, or faster; more on a slow or busy one."""
    return max(1.0, statistics.median(work_s() for _ in range(n_times)) / REFERENCE_S)


def of_session() -> float:
    """The pace at the session's start, which every process of the session has from its environment."""
    known = os.environ.get(PACE_VARIABLE)
    if known is None:
        known = os.environ[PACE_VARIABLE] = f"{measure():.2f}"
    return float(known)


if __name__ == "__main__":
    print(f"{work_s():.3f} s; pace {measure():.2f}")
