"""A user with nothing in their home, and `stardraft setup` as they type it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stardraftd.cli.edge import run
from tests.cli.person import Stardraft


@pytest.fixture
def person(home: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A home folder with nothing in it, and no editor on the PATH but those that a test puts there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "stardraft").symlink_to(Path(sys.executable).parent / "stardraft")
    return home | {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "home" / ".config"),
        "XDG_DATA_HOME": str(tmp_path / "home" / ".local" / "share"),
        "PATH": os.pathsep.join([str(programs), "/usr/bin", "/bin"]),
    }


@pytest.fixture
def setup(
    person: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Stardraft:
    """`stardraft setup ...` in the user's environment: in this process, for there are many of them."""
    for name in os.environ:
        if name not in person and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    for name, value in person.items():
        monkeypatch.setenv(name, value)

    def stardraft(*arguments: str) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        code = run(["setup", *arguments])
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return stardraft
