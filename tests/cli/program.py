"""Runs `stardraft` as a user's shell does, in the home of a test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.forked import can_fork, run_forked
from tests.support.processes import run_to_end

TIMEOUT_S = 120.0
COMMAND = [sys.executable, "-P", "-m", "stardraftd"]
DEMO = Path(__file__).parents[1] / "data" / "demo" / "shelf.py"


def stardraft(
    home: dict[str, str], *arguments: str, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished command: exit status, stdout and stderr, which must be UTF-8.

    Without its start where that is possible (`forked.py`); `running` and its own tests start it in full.
    """
    if can_fork(home):
        result = run_forked(
            "stardraftd", *arguments, environment=home, stdin=stdin, folder=cwd, idle_s=TIMEOUT_S
        )
    else:
        result = run_to_end([*COMMAND, *arguments], env=home, stdin=stdin, cwd=cwd, idle_s=TIMEOUT_S)
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode("utf-8"), result.stderr.decode("utf-8")
    )


@contextmanager
def running(home: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command while it runs, with pipes for stdout and stderr. Killed at the end of the block."""
    with subprocess.Popen(
        [*COMMAND, *arguments], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()
