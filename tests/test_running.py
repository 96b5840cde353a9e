"""What all tests stand on: deadlines know the machine, and failures tell what was there."""

import ast
import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repeat import failures_in
from tests.support import pace
from tests.support.processes import finish, run_to_end
from tests.support.schedule import estimate_s
from tests.support.waiting import Deadline, within

HERE = Path(__file__).parent


def test_a_machine_that_became_slower_is_given_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "of_session", lambda: 1.0)
    monkeypatch.setattr(pace, "measure", lambda: 1.0)
    deadline = Deadline(0.0)
    assert deadline.is_over()
    slower = Deadline(1e-7)
    monkeypatch.setattr(pace, "measure", lambda: 1e12)
    assert not slower.is_over()
    assert slower.left_s > 100


async def test_a_block_that_does_not_end_fails_with_what_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "of_session", lambda: 1.0)
    monkeypatch.setattr(pace, "measure", lambda: 1.0)
    with pytest.raises(AssertionError, match="the moon"):
        async with within(0.01, "the moon"):
            await asyncio.Event().wait()


def test_a_program_that_does_not_end_is_killed_and_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "of_session", lambda: 1.0)
    monkeypatch.setattr(pace, "measure", lambda: 1.0)
    program = "import signal; print('I was here', flush=True); signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        with pytest.raises(AssertionError, match="had not ended"):
            finish(process, idle_s=0.0)
        assert said == b"I was here\n"
    assert process.returncode == -signal.SIGKILL


def test_the_pace_is_of_this_session_and_never_below_one() -> None:
    assert pace.of_session() >= 1.0
    assert pace.of_session() == pace.of_session()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_children_of_a_background_run_can_be_interrupted() -> None:
    """As a shell's `&` starts a run: SIGINT is ignored. The run goes on ignoring it, its children do not."""
    program = (
        "import os, signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from tests.support.processes import give_children_plain_signals\n"
        "give_children_plain_signals()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "child = 'import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )
    said = run_to_end([sys.executable, "-c", program], cwd=HERE.parent, text=True, check=True)
    assert said.stdout == "True\n"


def test_a_failure_tells_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from tests.support.witness import witness\n"
        "def test_it():\n"
        "    with witness('the kitchen', lambda: 'the milk boiled over'):\n"
        "        assert False\n"
    )
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.witness", f"--junitxml={report}"]
    ran = run_to_end(
        [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_it.py")], cwd=HERE.parent, text=True
    )
    assert "seen by the kitchen" in ran.stdout
    assert "the milk boiled over" in ran.stdout
    assert [*failures_in(report).values()] == ["assert False"]


def test_a_run_takes_what_its_busiest_worker_takes() -> None:
    known = {"a": 60.0, "b": 30.0, "c": 20.0, "d": 10.0}
    tests = [f"{file}::{number}" for file in known for number in range(2)]
    all_s = estimate_s(tests, known, {}, 2) - estimate_s([], known, {}, 2)
    assert all_s == 60.0
    half_of_a = estimate_s(["a::0"], known, {"a": 2}, 2) - estimate_s([], known, {}, 2)
    assert half_of_a == 30.0


LIMITED = {"timeout", "settimeout", "wait_for", "join", "communicate", "run", "get", "wait"}
NAMED = {"timeout", "settimeout", "wait_for", "join"}


def hard_limits(source: str) -> list[int]:
    """Lines in which somebody else is given a limit of a second or more that no pace has scaled."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in LIMITED:
            continue
        limits = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
        limits += node.args[-1:] if node.func.attr in NAMED else []
        if any(_is_seconds(limit) for limit in limits):
            found.append(node.lineno)
    return found


def _is_seconds(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and node.value >= 1
    return isinstance(node, ast.Name) and node.id.endswith("_S")


def test_every_limit_of_time_goes_through_the_pace() -> None:
    """By `seconds`, `wait_until`, `within` (support/waiting.py); `run_to_end`, `finish` (processes.py)."""
    assert hard_limits("p.communicate(timeout=30)\nasyncio.timeout(5)\nq.get(timeout=DEADLINE_S)") == [
        1,
        2,
        3,
    ]
    assert hard_limits("p.communicate(timeout=seconds(30))\nq.get(timeout=0.1)\n', '.join(names)") == []
    files = [file for file in HERE.rglob("*.py") if not file.name.startswith("measure")]
    found = [f"{file.relative_to(HERE)}:{n}" for file in files for n in hard_limits(file.read_text("utf-8"))]
    assert not found
