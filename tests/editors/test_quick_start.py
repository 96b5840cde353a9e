"""The first page, done: from an empty home directory to a suggestion that is taken, by what documents say.

The commands are read from the documents' own blocks and typed into a terminal; every step that is done here
stands there. Settings are the defaults, so what is seen is what a new person sees: lines of their own code,
or what the built-in model writes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.docs.documents import ROOT
from tests.editors.neovim import Ghost, Neovim, find_neovim
from tests.editors.vscode import (
    Browser,
    CodeServer,
    Frame,
    Window,
    find_extension,
    find_vscode,
)
from tests.support.quick_start import NewPerson, commands_of, new_person
from tests.support.waiting import bytes_in, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the quick start's commands are a Unix shell's")

README = "README.md"
VSCODE = "docs/editors/vscode.md"
QUICK_START = commands_of(README, "## Quick start")
# "Is `stardraft` not found?", says the README: this, and a new terminal.
NOT_FOUND = "uv tool update-shell"
# What a user may write first. A suggestion is to come before they are done with it.
BEGINNING = "class Counter:"
REST = "\ndef __init__(self, start):\nself.start = start"
# A suggestion that has not changed for so long is complete.
SETTLED_MS = 600.0
# What VS Code asks or shows at its first start in a folder, apart from any extension.
UNASKED = ["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"]


@pytest.fixture(scope="module")
def person() -> Iterator[NewPerson]:
    """Somebody who has done what the quick start says, up to the editor."""
    with new_person() as found:
        for command in QUICK_START[:-1]:
            print(f"$ {command}\n{found.types(command, answer='y')}")
            if not found.finds("stardraft"):
                assert f"`{NOT_FOUND}`" in (ROOT / README).read_text(encoding="utf-8")
                print(found.types(NOT_FOUND))
                assert found.finds("stardraft"), f"no new terminal finds it after {NOT_FOUND}"
        yield found


def test_the_quick_start_installs_looks_and_sets_up_an_editor() -> None:
    programs = [" ".join(command.split()[:2]) for command in QUICK_START]
    assert programs == ["uv tool", "stardraft setup", "stardraft doctor", "stardraft setup"]


class StockNeovim(Neovim):
    """Neovim as a user starts it: with their own configuration, in the folder where they are."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._stderr = folder / "nvim-stderr.txt"
        self._next_id = 0
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [find_neovim(), "--embed", "--headless"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                cwd=folder,
            )


def test_neovim_from_the_first_command_to_a_suggestion_that_is_taken(
    person: NewPerson, tmp_path: Path
) -> None:
    person.gets(nvim=find_neovim())
    print(person.types(QUICK_START[-1], answer="y"))
    file = tmp_path / "counter.py"
    with StockNeovim(person.environment(), tmp_path) as neovim:
        neovim.open(file)
        neovim.keys("i")
        ghost = type_in_neovim(neovim, BEGINNING + REST)
        seen = ghost.over(neovim.lines())
        neovim.keys("<Tab>")
        wait_until(lambda: neovim.lines() == seen, what=f"Tab did not make it {seen}")
        neovim.keys("<Esc>:write<CR>")
        wait_until(lambda: bytes_in(file).decode().splitlines() == seen)


def type_in_neovim(neovim: Neovim, text: str) -> Ghost:
    """Types as a user does who looks up after each key, until there is text in grey after the cursor."""
    for n_typed, key in enumerate(text, 1):
        before = neovim.replies()
        neovim.keys("<CR>" if key == "\n" else key)
        wait_for_reply(neovim, key, before)
        ghost = neovim.ghost()
        if ghost is not None and (ghost.row, ghost.column) == neovim.cursor():
            print(f"the first suggestion came after {n_typed} keys: {ghost.text!r}")
            return ghost
    raise AssertionError(f"no suggestion came while this was written: {neovim.lines()}")


def wait_for_reply(neovim: Neovim, key: str, before: int) -> None:
    wait_until(lambda: neovim.replies() > before, what=f"no answer came after {key!r}")


class StockCodeServer(CodeServer):
    """VS Code as a user starts it: with the extension that they installed, and no setting changed."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self._log = home / "code-server.log"
        self._environment = dict(environment)
        self._start([str(find_vscode() / "code-server"), *UNASKED], home)


def test_vscode_from_the_first_command_to_a_suggestion_that_is_taken(
    person: NewPerson, tmp_path: Path
) -> None:
    vscode, vsix, node = find_vscode(), find_extension(), shutil.which("node")
    assert node, "there is no node on the PATH, which code-server runs on"
    person.gets(code=str(vscode / "code-server"), node=node)
    make, setup = commands_of(VSCODE, "## Set up")
    assert "npm run package" in make  # which was done: that is `find_extension`'s file
    print(person.types(setup.replace("packaging/vscode/stardraft.vsix", str(vsix)), answer="y"))
    folder, browsers_home = tmp_path / "project", tmp_path / "browser"
    folder.mkdir()
    browsers_home.mkdir()
    file = folder / "counter.py"
    file.write_text(BEGINNING, encoding="utf-8")
    with (
        StockCodeServer(person.environment(), person.home) as server,
        Browser(vscode, {**os.environ, "HOME": str(browsers_home)}, tmp_path / "driver.log") as browser,
    ):
        window = browser.open(server.folder_url(folder))
        window.open_file(file, 1)
        suggestion = type_in_vscode(window, REST)
        window.press("Tab")
        wait_until(lambda: window.ghost() is None, what="the suggestion stayed after Tab")
        window.press("Control+s")
        shown = "\n".join(suggestion.shown)
        wait_until(lambda: bytes_in(file).decode().endswith(shown), what=f"Tab did not make it {shown!r}")


def type_in_vscode(window: Window, text: str) -> Frame:
    """Types as a user does who looks up after each key, until there is text in grey that grows no more."""
    for n_typed, key in enumerate(text, 1):
        window.forget_frames()
        window.type(key)
        wait_until(lambda: window.unchanged_ms() > SETTLED_MS and window.is_ready())
        suggestion = window.ghost()
        if suggestion is not None:
            print(f"the first suggestion came after {n_typed} keys: {suggestion}")
            return suggestion
    raise AssertionError(f"no suggestion came while {text!r} was typed; stardraft says: {window.status()}")
