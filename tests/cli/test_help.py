"""A user can use every command with its help alone, and the help is quick."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from stardraftd.cli.app import command
from stardraftd.cli.edge import run

HEAVY = (
    "httpx",
    "starlette",
    "uvicorn",
    "pygls",
    "lsprotocol",
    "rich",
    "psutil",
    "msgspec",
    "numpy",
    "llama_cpp",
)


def commands(found: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, found
    for name, child in getattr(found, "commands", {}).items():
        yield from commands(child, *path, name)


COMMANDS = dict(commands(command()))


def test_the_commands_are_those_that_are_promised() -> None:
    daemon = {("daemon", name) for name in ("start", "stop", "restart", "status", "logs", "run")}
    model = {("model", name) for name in ("list", "plan", "pull", "use", "info", "remove", "license")}
    editors = ("nvim", "vscode", "helix", "emacs", "zed", "kate", "sublime", "jetbrains")
    setup = {("setup", name) for name in (*editors, "service", "engine")}
    alone = {(), ("complete",), ("status",), ("doctor",), ("daemon",), ("model",), ("setup",), ("uninstall",)}
    assert set(COMMANDS) == alone | daemon | model | setup


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "stardraft")
def test_every_command_explains_itself_and_gives_an_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    summary, explanation, *_rest = COMMANDS[path].help.split("\n\n")
    assert summary.endswith(".")
    assert len(summary) < 60, "the summary must fit into the list of commands"
    assert len(explanation) > 60
    assert f"  stardraft {' '.join(path)}".rstrip() in text.partition("Examples:")[2]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "stardraft")
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    for parameter in COMMANDS[path].params:
        assert getattr(parameter, "help", None), f"{path}: {parameter.name}"


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["complete", "--help"], ["daemon", "--help"], ["model", "pull", "--help"]],
)
def test_help_and_version_load_nothing_heavy(home: dict[str, str], arguments: list[str]) -> None:
    script = (
        "import json, sys\n"
        "from stardraftd.cli.edge import run\n"
        f"status = run({arguments!r})\n"
        f"print(json.dumps([status, [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", script], env=home, capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout.splitlines()[-1]) == [0, []]


def test_the_bare_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["daemon"]) == 0
    assert "restart" in capsys.readouterr().out


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "stardraft")
def test_what_an_option_takes_is_named_in_the_users_words(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert not any(python in text for python in ("<str", "<int", "<float", "<path", "<list", " range>"))
