"""Fuzzers: made-up hostile input for everything that reads what others wrote.

    python -m tests.fuzz http --seconds 60 --seed 7        one target, for so long
    python -m tests.fuzz frames --cases 500                or for so many cases

A target is a module of this folder with one function, `run(random, deadline) -> Report`. `random` is seeded
and is the only source of chance, so a seed names a run; `deadline.cases()` yields the number of each case
until the run has had enough. `CASES` of the module is how many of them the test suite runs.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct, field


class Deadline:
    """When a run has had enough: after so many seconds or so many cases, whichever comes first.

    The seconds begin with the first case: what a target starts before that takes as long as it takes.
    """

    def __init__(self, *, seconds: float = math.inf, cases: float = math.inf) -> None:
        self._seconds = seconds
        self._n_cases = cases

    def cases(self) -> Iterator[int]:
        """0, 1, 2 ... for as long as there is time."""
        case = 0
        until = time.monotonic() + self._seconds
        while case < self._n_cases and time.monotonic() < until:
            yield case
            case += 1


class Report(Struct):
    """What a run saw. A fault is a sentence that names the case and its input; a run without any is good.

    outcomes: how often each kind of answer came, so that a reader sees that the cases reached what they aim
              at.
    """

    n_cases: int = 0
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
