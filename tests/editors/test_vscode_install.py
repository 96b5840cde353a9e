"""A VS Code on a computer without the server: what it says, and what "Install the Server" does."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.vscode import Browser, CodeServer, Window, find_extension, find_vscode
from tests.support.home import isolated_home
from tests.support.waiting import wait_until

# Makes an environment of copies of itself, and installs nothing: what is run with it is the real server.
STAND_IN = """#!/bin/sh
echo "$@" >> "{calls}"
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *" pip install "* | *" setup engine "*) ;;
  *) exec "{python}" "$@" ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls.txt"


@pytest.fixture
def window(tmp_path: Path, calls: Path) -> Iterator[Window]:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(STAND_IN.format(calls=calls, python=sys.executable))
    python.chmod(0o755)
    vscode, folder = find_vscode(), tmp_path / "project"
    folder.mkdir()
    with isolated_home() as home:
        ours = str(Path(sys.executable).parent)
        elsewhere = [it for it in home["PATH"].split(os.pathsep) if it != ours]
        environment = home | {"PATH": os.pathsep.join([str(python.parent), *elsewhere])}
        with (
            CodeServer(vscode, find_extension(), environment, tmp_path / "server", {}) as server,
            Browser(vscode, environment | {"HOME": str(tmp_path)}, tmp_path / "driver.log") as browser,
        ):
            yield browser.open(server.folder_url(folder), icon="warning")


def test_without_the_server_it_can_be_installed_from_a_wheel(
    window: Window, calls: Path, tmp_path: Path
) -> None:
    """Asked twice before anything happens; then the server that was installed is the one that runs."""
    wheel = tmp_path / "project" / "stardraft-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert "The stardraft server is not installed." in window.status()
    assert "The stardraft server was not found on this computer." in window.answer("Install It...")
    said = window.answer("Choose a Wheel...")
    assert "`uv tool install .`" in said
    window.choose_file(wheel.name)
    assert not calls.exists()  # nothing is run before the second question is answered
    assert "Install the stardraft server for this editor?" in window.answer("Install", modal=True)
    wait_until(window.is_ready, 60, what=lambda: f"it was not installed: {window.status()}")
    steps = [line for line in calls.read_text().splitlines() if "venv" in line or "-P -m" in line]
    assert [step.split()[0:3] for step in steps[:4]] == [
        ["-m", "venv", steps[0].split()[2]],
        ["-P", "-m", "pip"],
        ["-P", "-m", "stardraftd"],
        ["-P", "-m", "stardraftd"],
    ]
    assert steps[1].endswith(str(wheel))
    assert steps[3].endswith("setup engine --yes")
