"""What each test costs: seconds on the clock, and processor seconds with those of every process that it
starts.

    pytest --costs=build/costs.jsonl          a line for each test, as it ends
    python -m tests.support.costs FILE [N]    the N slowest tests (30), and the files, by processor seconds

Processor seconds can be compared between a quiet machine and a busy one. A daemon that a test starts leaves
the tree of processes; it is known by a variable in its environment. What it does later is booked on the
test of that moment. Linux only, for it reads /proc; elsewhere the processes that were waited for are
counted, and no daemons.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MARK = "COSTS_OF_TESTS"
SAMPLE_S = 0.25
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


class Processes:
    """The processor seconds of this process and of all that come from it.

    Invariant: a process's seconds are counted once: as its own while it lives, then by the parent that waited
    for it, or, where that is none of ours, as they were last seen.
    """

    def __init__(self) -> None:
        self._mark = f"{os.getpid()}-{time.time_ns()}"
        os.environ[MARK] = self._mark
        self._ours: dict[tuple[int, str], bool] = {}
        self._living: dict[tuple[int, str], tuple[float, bool]] = {}
        self._ended_s = 0.0
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, daemon=True, name="costs").start()

    def total_s(self) -> float:
        with self._lock:
            self._look()
            times = os.times()
            own = times.user + times.system + times.children_user + times.children_system
            return own + self._ended_s + sum(seconds for seconds, _ in self._living.values())

    def _watch(self) -> None:
        while True:
            time.sleep(SAMPLE_S)
            with self._lock:
                self._look()

    def _look(self) -> None:
        found: dict[int, tuple[str, int, float]] = {}
        for name in os.listdir("/proc") if sys.platform == "linux" else []:  # noqa: PTH208 - four times as fast
            if name.isdigit() and int(name) != os.getpid():
                try:
                    stat = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue
                fields = stat.rpartition(")")[2].split()
                found[int(name)] = (fields[19], int(fields[1]), sum(map(int, fields[11:15])) * _TICKS_S)
        living = {}
        for pid, (began, parent, seconds) in found.items():
            if self._is_ours(pid, began, found):
                inside = parent == os.getpid() or (
                    parent in found and self._is_ours(parent, found[parent][0], found)
                )
                living[pid, began] = (seconds, inside)
        for key, (seconds, inside) in self._living.items():
            if key not in living and not inside:
                self._ended_s += seconds
        self._living = living

    def _is_ours(self, pid: int, began: str, found: dict[int, tuple[str, int, float]]) -> bool:
        key = (pid, began)
        if not self._ours.get(key):
            try:
                marked = f"{MARK}={self._mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                marked = False
            parent = found[pid][1]
            self._ours[key] = (
                marked
                or parent == os.getpid()
                or bool(parent in found and self._ours.get((parent, found[parent][0])))
            )
        return self._ours[key]


class Recorder:
    """Writes a line for each test of this process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._processes = Processes()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        started, before_s = time.monotonic(), self._processes.total_s()
        yield
        cost = {
            "test": item.nodeid,
            "wall_s": round(time.monotonic() - started, 3),
            "processor_s": round(self._processes.total_s() - before_s, 3),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(cost) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--costs", metavar="FILE", help="write what each test costs: a line of JSON for each")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--costs")
    if path and not (config.getoption("numprocesses", None) and not hasattr(config, "workerinput")):
        config.pluginmanager.register(Recorder(Path(path)), "costs")


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; of a test that ran several times the last."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({line["test"]: line for line in lines}.values())


def main() -> None:
    costs = read(Path(sys.argv[1]))
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    files: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
    for cost in costs:
        file = files[cost["test"].split("::")[0]]
        file[0] += cost["processor_s"]
        file[1] += cost["wall_s"]
        file[2] += 1
    print(f"{len(costs)} tests, {sum(c['processor_s'] for c in costs):.0f} processor seconds")
    print("\n| test | processor s | wall s |\n|---|---|---|")
    for cost in sorted(costs, key=lambda cost: -cost["processor_s"])[:number]:
        print(
            f"| `{cost['test'].removeprefix('tests/')}` | {cost['processor_s']:.1f} | {cost['wall_s']:.1f} |"
        )
    print("\n| file | tests | processor s | wall s |\n|---|---|---|---|")
    for name, (processor, wall, n_tests) in sorted(files.items(), key=lambda file: -file[1][0])[:number]:
        print(f"| `{name.removeprefix('tests/')}` | {n_tests} | {processor:.1f} | {wall:.1f} |")


if __name__ == "__main__":
    main()
