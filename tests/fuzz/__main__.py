"""The fuzzers as a command: `python -m tests.fuzz TARGET [--seconds N | --cases N] [--seed N]`.

Exit status 1 when a case was answered as it must not be. The seed is printed, so that a run can be repeated.
"""

import argparse
import importlib
import math
import pkgutil
import random
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tests.fuzz import Deadline

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
    """Runs one target and prints what it saw."""
    known = targets()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(known))
    parser.add_argument("--seconds", type=float, default=math.inf, help="60 unless --cases is given")
    parser.add_argument("--cases", type=int, default=None)
    parser.add_argument("--seed", type=int, default=None)
    chosen = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if chosen.seed is None else chosen.seed
    seconds = 60.0 if chosen.cases is None and chosen.seconds == math.inf else chosen.seconds
    deadline = Deadline(seconds=seconds, cases=math.inf if chosen.cases is None else chosen.cases)
    began = time.monotonic()
    report = known[chosen.target].run(random.Random(seed), deadline)
    print(f"{chosen.target}: {report.n_cases} cases in {time.monotonic() - began:.1f} s, seed {seed}")
    for outcome, count in report.outcomes.most_common():
        print(f"  {count:8d}  {outcome}")
    for fault in report.faults[:SHOWN_FAULTS]:
        print(f"FAULT: {fault}")
    print(f"{len(report.faults)} faults")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
