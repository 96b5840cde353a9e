"""`stardraft doctor` on this very installation."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import stardraft
from tests.support.home import processes_of

NAMES = [
    *("python", "stardraft", "engine", "backends", "devices"),
    *("configuration", "runtime folder", "socket", "state folder", "daemon", "service", "model", "memory"),
]


@pytest.fixture
def alone(home: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A home without the editors and settings of whoever runs the tests."""
    return home | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}


def found(home: dict[str, str]) -> tuple[int, dict[str, Any], list[dict[str, str]]]:
    result = stardraft(home, "doctor", "--json")
    assert result.stderr == ""
    report = json.loads(result.stdout)
    return result.returncode, report, report["checks"]


def test_a_sound_installation_has_no_problem_and_no_daemon_is_started(alone: dict[str, str]) -> None:
    status, report, checks = found(alone)
    assert (status, report["ok"]) == (0, True)
    assert [check["name"] for check in checks if check["name"] != "editor"] == NAMES
    assert all(check["state"] != "problem" for check in checks)
    (engine,) = [check for check in checks if check["name"] == "engine"]
    assert "checks of what it computes here passed" in engine["hint"]
    assert processes_of(alone) == []


def test_the_daemon_and_its_socket_are_seen(alone: dict[str, str]) -> None:
    stardraft(alone, "daemon", "start")
    said = {check["name"]: check["message"] for check in found(alone)[2]}
    assert said["daemon"].startswith("version 0.1.0, pid ")
    assert said["socket"].endswith(" answers")


def test_a_problem_is_told_with_what_to_do_and_the_other_checks_are_made(
    alone: dict[str, str], tmp_path: Path
) -> None:
    model = tmp_path / "page.gguf"
    model.write_text("<!DOCTYPE html><html></html>")
    alone |= {"STARDRAFT_MODEL_PATH": str(model)}
    status, report, checks = found(alone)
    assert (status, report["ok"]) == (1, False)
    problems = [check for check in checks if check["state"] == "problem"]
    assert [check["name"] for check in problems] == ["model"]
    assert "page.gguf" in problems[0]["message"]
    assert problems[0]["hint"]
    assert [check["name"] for check in checks if check["name"] != "editor"] == NAMES


def test_a_person_gets_a_list_and_a_conclusion(alone: dict[str, str]) -> None:
    Path(alone["STARDRAFT_CONFIG"]).write_text("[modle]\n")
    result = stardraft(alone, "doctor")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok      python         Python 3.")
    assert any(line.startswith("problem configuration") and "line 1" in line for line in lines)
    # One mistake is one problem, however many checks need the configuration.
    assert lines[-1].startswith("1 problem,")
    skipped = [line for line in lines if line.startswith("skipped ")]
    assert [line.split()[1] for line in skipped] == ["model", "memory"]
