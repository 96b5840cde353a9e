"""A real Helix, driven as a user drives it: keys go into a terminal, its screen is read.

The terminal is tmux, with a server of its own for each test: Helix has no headless mode.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

NEEDED = (25, 7)
COLUMNS, ROWS = 120, 40
# The line of status says the mode.
NORMAL = re.compile(r" ?NOR\b")


def find_helix() -> str:
    """The binary that STARDRAFT_HX names, else `hx` of the PATH. Skips the test where there is none."""
    named = os.environ.get("STARDRAFT_HX")
    binary = named or shutil.which("hx")
    if not binary:
        pytest.skip("no Helix: neither STARDRAFT_HX nor an hx on the PATH")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"helix (\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < NEEDED:
        reason = f"{binary} is not Helix {NEEDED[0]}.{NEEDED[1]:02} or newer: {said.strip()!r}"
        # Whoever names one wants this tested.
        pytest.fail(reason) if named else pytest.skip(reason)
    if not shutil.which("tmux"):
        pytest.fail("no tmux to run Helix in") if named else pytest.skip("no tmux to run Helix in")
    return binary


class Helix:
    """One editor in one terminal. Close it: it is a context manager."""

    def __init__(
        self, binary: str, environment: Mapping[str, str], folder: Path, file: Path, line: int
    ) -> None:
        """Opens `file` at `line`, counted from 1. `folder` is a project, and gets the terminal's socket."""
        self._socket = folder / "t"
        self._environment = dict(environment, TERM="screen-256color", LANG="C.UTF-8")
        command = shlex.join([binary, "-v", "--log", str(folder / "helix.log"), f"{file}:{line}"])
        self._log = folder / "helix.log"
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(COLUMNS),
            "-y",
            str(ROWS),
            "-c",
            str(folder),
            command,
        )

    def __enter__(self) -> "Helix":
        return self

    def __exit__(self, *_: object) -> None:
        print(*self.screen(), sep="\n")
        print(self._log.read_text(errors="replace")[-5000:] if self._log.is_file() else "Helix wrote no log")
        try:
            self.leave_insert_mode()
            self.type(":quit-all!")
            self.keys("Enter")
            wait_until(lambda: not self.is_there(), 10, what="Helix did not leave")
        finally:
            self._tmux("kill-server", check=False)

    def is_there(self) -> bool:
        return self._tmux("has-session", check=False).returncode == 0

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def keys(self, *names: str) -> None:
        """Keys by tmux's names for them: Escape, Enter, Tab."""
        self._tmux("send-keys", *names)

    def leave_insert_mode(self) -> None:
        """A menu or a popup may come up at any moment, and keeps the first Escape for itself."""

        def is_normal() -> bool:
            if any(NORMAL.match(line) for line in self.screen()[-3:]):
                return True
            self.keys("Escape")
            return False

        wait_until(is_normal, 10, what=lambda: "Helix stays in insert mode:\n" + "\n".join(self.screen()))

    def screen(self) -> list[str]:
        """What stands on the screen, line by line."""
        return self._tmux("capture-pane", "-p").stdout.splitlines()

    def is_ready(self) -> bool:
        """Whether the language server has said that its model is loaded."""
        return self._log.is_file() and '"state": "ready"' in self._log.read_text(errors="replace")

    def _tmux(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done
