"""Runs `stardraft` as a person's shell does, in the home of a test."""

import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 90.0
COMMAND = [sys.executable, "-P", "-m", "stardraftd"]
DEMO = Path(__file__).parents[1] / "data" / "demo" / "shelf.py"


def stardraft(
    home: dict[str, str], *arguments: str, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished command: exit status, stdout and stderr, which must be UTF-8."""
    result = subprocess.run(
        [*COMMAND, *arguments],
        env=home,
        input=stdin,
        cwd=cwd,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode("utf-8"), result.stderr.decode("utf-8")
    )
