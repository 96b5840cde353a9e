"""The fuzzers as a command: `python -m tests.fuzz TARGET [--seconds N | --cases N] [--seed N]`.

`all` is every target, each in a process of its own and for so long each; --at-once of them side by side. With
one at a time, an hour in all is `all --seconds 510 --at-once 1`. Exit status 1 when a case was answered as it
must not be, or a target ended before it could say. The seed is printed, so that a run can be repeated.
"""

import argparse
import importlib
import math
import os
import pkgutil
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType

from tests.fuzz import Deadline

ALL = "all"
SHOWN_FAULTS = 20


def targets() -> dict[str, ModuleType]:
    """Every module of this folder that has a `run`, by name."""
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = {
        name: importlib.import_module(f"tests.fuzz.{name}")
        for name in names
        if not name.startswith(("_", "test_"))
    }
    return {name: module for name, module in modules.items() if hasattr(module, "run")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one target, or all, and prints what was seen."""
    known = targets()
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=[ALL, *sorted(known)])
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="of each target; 60 unless --cases is given"
    )
    parser.add_argument("--cases", type=int, default=None, help="of each target")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--at-once", type=int, default=os.cpu_count() or 1, help="with all; one for each processor"
    )
    chosen = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if chosen.seed is None else chosen.seed
    seconds = 60.0 if chosen.cases is None and chosen.seconds == math.inf else chosen.seconds
    n_cases = math.inf if chosen.cases is None else chosen.cases
    if chosen.target == ALL:
        how_long = [f"--seconds={seconds}", f"--seed={seed}"]
        how_long += [] if chosen.cases is None else [f"--cases={chosen.cases}"]
        return run_each(sorted(known), how_long, chosen.at_once)
    return _run(chosen.target, known[chosen.target], seed, Deadline(seconds=seconds, cases=n_cases))


def _run(name: str, target: ModuleType, seed: int, deadline: Deadline) -> int:
    began = time.monotonic()
    report = target.run(random.Random(seed), deadline)
    print(f"{name}: {report.n_cases} cases in {time.monotonic() - began:.1f} s, seed {seed}")
    for outcome, count in report.outcomes.most_common():
        print(f"  {count:8d}  {outcome}")
    for fault in report.faults[:SHOWN_FAULTS]:
        print(f"FAULT: {fault}")
    print(f"{len(report.faults)} faults")
    return 1 if report.faults else 0


def run_each(names: Sequence[str], how_long: Sequence[str], n_at_once: int) -> int:
    """Runs targets, with options of this command; 1 where one of them ended with another status than 0.

    What a target brings down with it is its own process; the others run all the same.
    """

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.fuzz", name, *how_long]
        return subprocess.run(
            command, check=False, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
        )

    status = 0
    with ThreadPoolExecutor(max_workers=n_at_once) as pool:
        for finished in as_completed([pool.submit(run, name) for name in names]):
            ended = finished.result()
            print(ended.stdout, end="", flush=True)
            if ended.returncode:
                print(f"{ended.args[3]}: exit status {ended.returncode}", flush=True)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
