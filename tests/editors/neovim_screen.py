"""The screen of a running Neovim in a real terminal, tmux: which characters stand where, and how they look.

`nvim --remote-ui` shows the editor that a test drives, so its keys and Lua go on as before.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.editors.neovim import Neovim
from tests.support.waiting import wait_until

_PARTS = re.compile(r"\x1b\[([0-9;]*)m|(.)", re.DOTALL)


class Look(Struct, frozen=True):
    """How a character looks: colours as the terminal was told them, "" for its own."""

    foreground: str = ""
    background: str = ""
    attributes: frozenset[int] = frozenset()


class Terminal:
    """A terminal that shows `editor`, whose program is `binary`. Close it: it is a context manager."""

    def __init__(
        self, binary: str, editor: Neovim, folder: Path, *, columns: int = 60, rows: int = 12
    ) -> None:
        if not shutil.which("tmux"):
            pytest.skip("no tmux to show Neovim in")
        self._socket = folder / "t"
        self._environment = {**os.environ, "TERM": "screen-256color", "LANG": "C.UTF-8"}
        server = str(editor.lua("return vim.v.servername"))
        command = shlex.join([binary, "--server", server, "--remote-ui"])
        size = ["-x", str(columns), "-y", str(rows)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), command)
        # What is said before it is attached is not seen: a new screen is drawn without messages.
        wait_until(
            lambda: editor.lua("return #vim.api.nvim_list_uis()") > 0 and any(self.rows()),
            what="the terminal shows nothing",
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        print(*self.rows(), sep="\n")
        self._tmux("kill-server")

    def rows(self) -> list[str]:
        """What stands on the screen, without spaces at the ends."""
        return [row.rstrip() for row in self._tmux("capture-pane", "-p").splitlines()]

    def look_of(self, text: str) -> set[Look]:
        """How the first occurrence of `text` on the screen looks; nothing where it does not stand."""
        for row in self._tmux("capture-pane", "-e", "-p").splitlines():
            cells = list(_cells(row))
            at = "".join(character for character, _ in cells).find(text)
            if at >= 0:
                return {look for _, look in cells[at : at + len(text)]}
        return set()

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout


def _cells(row: str) -> list[tuple[str, Look]]:
    look = Look()
    cells = []
    for sequence, character in _PARTS.findall(row):
        if character:
            cells.append((character, look))
        else:
            look = _after(look, [int(number or 0) for number in sequence.split(";")])
    return cells


def _after(look: Look, numbers: list[int]) -> Look:
    """The look after one SGR sequence (ECMA-48 8.3.117; 38 and 48 as xterm has them)."""
    while numbers:
        number = numbers.pop(0)
        if number in (38, 48):
            count = 4 if numbers[0] == 2 else 2
            colour, numbers = " ".join(map(str, numbers[:count])), numbers[count:]
            look = replace(look, foreground=colour) if number == 38 else replace(look, background=colour)
        elif number == 0:
            look = Look()
        elif 30 <= number <= 39 or 90 <= number <= 97:
            look = replace(look, foreground="" if number == 39 else str(number))
        elif 40 <= number <= 49 or 100 <= number <= 107:
            look = replace(look, background="" if number == 49 else str(number))
        else:
            look = replace(look, attributes=look.attributes | {number})
    return look
