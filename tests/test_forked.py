"""A forked program is the program that a start would be: the same words, streams, folder and exit status."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, DEMO
from tests.support.forked import can_fork, fork, run_forked
from tests.support.processes import exit_status_async, run_to_end

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("--version",), b""),
        (("nosuch",), b""),
        (("complete", f"{DEMO.name}:10000"), b""),
        (("complete", "-", "--at", "9:9"), b"one line\n"),
        (("daemon", "start", "--help"), b""),
    ],
)
def test_it_says_and_returns_what_a_started_one_does(
    home: dict[str, str], arguments: tuple[str, ...], stdin: bytes
) -> None:
    started = run_to_end([*COMMAND, *arguments], env=home, stdin=stdin, cwd=DEMO.parent)
    forked = run_forked("stardraftd", *arguments, environment=home, stdin=stdin, folder=DEMO.parent)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode, started.stdout, started.stderr,
    )  # fmt: skip


def test_nothing_of_one_is_left_for_the_next(home: dict[str, str], tmp_path: Path) -> None:
    first = run_forked("stardraftd", "status", environment=home | {"STARDRAFT_CONFIG": "/nowhere/a.toml"})
    again = run_forked("stardraftd", "status", environment=home, folder=tmp_path)
    started = run_to_end([*COMMAND, "status"], env=home, cwd=tmp_path)
    assert first.returncode
    assert (again.stdout, again.stderr) == (started.stdout, started.stderr)


async def test_the_end_of_one_that_was_killed_is_told_as_that(home: dict[str, str]) -> None:
    server = await fork("stardraft_lsp", environment=home)
    server.kill()
    assert await exit_status_async(server) == -signal.SIGKILL
    assert server.returncode == -signal.SIGKILL


def test_where_the_environment_matters_to_the_start_nothing_is_forked() -> None:
    assert can_fork(dict(os.environ))
    assert can_fork({**os.environ, "STARDRAFT_CONFIG": "/tmp/c.toml"})
    for name in ("PYTHONPATH", "LC_ALL", "LD_PRELOAD", "TZ"):
        assert not can_fork({**os.environ, name: "other"})
