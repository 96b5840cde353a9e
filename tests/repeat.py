"""The whole suite several times over, as `make test` runs it, and what failed of it how often.

    python -m tests.repeat 5                      five times
    python -m tests.repeat 5 --beside 2           the same, with two endless loops beside it
    python -m tests.repeat 20 -- tests/e2e -k stop      what is behind the dashes is pytest's

Ends with status 1 if anything failed. A failure's own words are in the reports, in build/repeat.
"""

import argparse
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

REPORTS = Path("build") / "repeat"


@contextmanager
def endless_loops(number: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def failures_in(report: Path) -> dict[str, str]:
    """The first line of what each failed test said, by test. The report is pytest's own (JUnit's XML)."""
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        for problem in (*case.findall("failure"), *case.findall("error")):
            said = (problem.get("message") or "").strip().splitlines()
            found[f"{case.get('file') or case.get('classname')}::{case.get('name')}"] = (
                said[0] if said else "?"
            )
    return found


def run_once(report: Path, arguments: Sequence[str]) -> dict[str, str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--numprocesses=auto",
        "--dist=loadfile",
        f"--junitxml={report}",
        "--override-ini=junit_family=xunit1",  # in which a test has its file
    ]
    report.unlink(missing_ok=True)
    status = subprocess.run([*command, "--quiet", *arguments], check=False).returncode
    failed = failures_in(report) if report.is_file() else {}
    # 1 is failed tests; anything else is a run that did not come to its end.
    return (
        failed
        if status in (0, 1) and report.is_file()
        else failed | {"pytest": f"ended with status {status}"}
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("times", type=int)
    parser.add_argument("--beside", type=int, default=0, metavar="N", help="endless loops that run beside it")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given, arguments = parser.parse_args(words[:end]), words[end + 1 :]
    REPORTS.mkdir(parents=True, exist_ok=True)
    failed: defaultdict[str, list[str]] = defaultdict(list)
    with endless_loops(given.beside):
        for number in range(1, given.times + 1):
            started = time.monotonic()
            found = run_once(REPORTS / f"{number}.xml", arguments)
            minutes = (time.monotonic() - started) / 60
            print(f"run {number} of {given.times}: {minutes:.1f} min, {len(found)} failed", flush=True)
            for test, said in found.items():
                failed[test].append(f"run {number}: {said}")
    for test, said in sorted(failed.items(), key=lambda item: -len(item[1])):
        print(f"\n{test}: {len(said)} of {given.times}", *said, sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
