"""A whole run: how many tests at once, in which order, how long it will take, and how long a test may.

`make test` gives the files of tests to half as many workers again as there are processors
(`--dist=loadfile`: what a file's tests share is made once). The files that take longest come first, so that
none is left for the end. What each took is kept from run to run in pytest's cache, as seconds of an idle
machine; until then `seconds.json` beside this file is believed, which `python -m tests.support.schedule`
writes from that cache.
"""

import heapq
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import pace, witness
from tests.support.processes import give_children_plain_signals
from tests.support.waiting import seconds

SHIPPED = Path(__file__).with_name("seconds.json")
CACHE_KEY = "stardraft/seconds"
# A worker of the heaviest files, with its daemon, its engine and an editor.
WORKER_BYTES = 1_500_000_000
UNKNOWN_S = 2.0  # a file that was never run
# pytest, its workers and the tests' imports, before the first test and for each worker side by side.
STARTING_S = 6.0


def file_of(test: str) -> str:
    return test.partition("::")[0]


def known_seconds(config: pytest.Config) -> dict[str, float]:
    """Seconds of an idle machine that each file of tests takes, as far as they are known."""
    known = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    # Without a cache (`-p no:cacheprovider`) what is shipped is all there is.
    recorded = config.cache.get(CACHE_KEY, {}) if getattr(config, "cache", None) is not None else {}
    return {**known, **recorded}


def estimate_s(
    tests: Iterable[str], known: Mapping[str, float], n_files: Mapping[str, int], n_workers: int
) -> float:
    """Seconds on the clock of an idle machine: each file to the worker that is free first, the longest first.

    n_files: how many tests each file had when `known` was measured; of a file that is run in part, a part.
    """
    wanted: defaultdict[str, int] = defaultdict(int)
    for test in tests:
        wanted[file_of(test)] += 1
    workers = [0.0] * max(1, n_workers)
    for takes in sorted(
        (known.get(file, UNKNOWN_S) * min(1.0, n / n_files.get(file, n)) for file, n in wanted.items()),
        reverse=True,
    ):
        heapq.heapreplace(workers, workers[0] + takes)
    return STARTING_S + max(workers)


def spoken(time_s: float) -> str:
    return (
        f"about {max(1, round(time_s / 60))} min"
        if time_s >= 90
        else f"about {max(5, 5 * round(time_s / 5))} s"
    )


class Clock:
    """Of the session: what each file took, and at its beginning how long all will take."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._known = known_seconds(config)
        self._took: defaultdict[str, float] = defaultdict(float)
        self._ran: defaultdict[str, set[str]] = defaultdict(set)
        self._announced = False

    def pytest_report_header(self) -> str:
        return f"pace: {pace.of_session():g} times what an idle machine of 2 Zen 4 processors takes"

    def announce(self, tests: list[str]) -> None:
        if self._announced:
            return
        self._announced = True
        n_workers = self._config.getoption("numprocesses", None) or 1
        counts = {file: int(n) for file, n in self._counts().items()}
        takes_s = estimate_s(tests, self._known, counts, n_workers) * pace.of_session()
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            side_by_side = f", {n_workers} at once" if n_workers > 1 else ""
            reporter.write_line(f"{len(tests)} tests{side_by_side}: {spoken(takes_s)}", bold=True)

    def _counts(self) -> dict[str, int]:
        cache = getattr(self._config, "cache", None)
        return cache.get(f"{CACHE_KEY}-tests", {}) if cache is not None else {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:  # with workers it is they who collect
            self.announce([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self.announce(list(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = file_of(report.nodeid)
        self._took[file] += report.duration
        self._ran[file].add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        cache = getattr(self._config, "cache", None)
        if cache is None:
            return
        recorded, counts = cache.get(CACHE_KEY, {}), self._counts()
        for file, took_s in self._took.items():
            n = len(self._ran[file])
            if n >= counts.get(file, 0):  # a part of a file says little of the whole
                recorded[file], counts[file] = round(took_s / pace.of_session(), 2), n
        cache.set(CACHE_KEY, recorded)
        cache.set(f"{CACHE_KEY}-tests", counts)


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    give_children_plain_signals()
    config.pluginmanager.register(witness)
    # Threads of OpenMP that spin while they wait take the processor from what they wait for.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    if is_worker(config):
        os.environ[pace.PACE_VARIABLE] = config.workerinput["pace"]
        return
    os.environ.pop(pace.PACE_VARIABLE, None)  # of a run that this one is a test of
    pace.of_session()
    config.option.loadscopereorder = False  # xdist's own order: by the number of tests
    config.pluginmanager.register(Clock(config), "clock")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    n_workers = len(node.config.option.tx)
    node.workerinput["pace"] = f"{pace.of_session() * max(1.0, n_workers / pace.processors()):.2f}"
    node.workerinput["seconds"] = known_seconds(node.config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three workers for every two processors, for tests of real processes wait a third of their time; as far
    as memory goes.
    """
    return max(1, min(pace.processors() * 3 // 2, psutil.virtual_memory().available // WORKER_BYTES))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; and a test's time limit is that of an idle machine, times the pace."""
    if is_worker(config):
        known = config.workerinput["seconds"]
        items.sort(key=lambda item: -known.get(file_of(item.nodeid), UNKNOWN_S))
    limit_s = float(config.getoption("timeout", None) or config.getini("timeout") or 0)
    for item in items:
        own = item.get_closest_marker("timeout")
        idle_s = own.args[0] if own is not None and own.args else limit_s
        if idle_s and config.getoption("timeout", None) is None:
            item.add_marker(pytest.mark.timeout(seconds(idle_s)), append=False)


def main() -> None:
    """Writes what the last runs here took to the file that is shipped."""
    recorded = json.loads(Path(".pytest_cache/v", CACHE_KEY).read_text(encoding="utf-8"))
    SHIPPED.write_text(json.dumps(dict(sorted(recorded.items())), indent=1) + "\n", encoding="utf-8")
    print(f"{SHIPPED}: {len(recorded)} files, {sum(recorded.values()) / 60:.1f} min of an idle machine")


if __name__ == "__main__":
    main()
