"""The whole way, in a stock Neovim with no plugin: keys, language server, daemon, engine, ghost text, buffer.

Neovim is set up by packaging/neovim/stardraft.lua, the file that its users copy. What the built-in model
writes is its own affair; what is promised here is that a user sees it, and gets what they saw.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import SERVERS, Ghost, Neovim, find_neovim
from tests.support.home import write_config
from tests.support.waiting import bytes_in, wait_until

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "packaging" / "neovim" / "stardraft.lua"
SHELF = (ROOT / "tests" / "data" / "demo" / "shelf.py").read_text(encoding="utf-8")
# The built-in model is sure of little: here it is to be seen with what it guesses, too.
SHOW_ALL = "[editor]\nconfidence = false\n"
# The line of a method that was left at its beginning, in lines from 1.
BEGINNING = SHELF.splitlines().index("        return") + 1


@pytest.fixture
def neovim(shared_home: dict[str, str], tmp_path: Path) -> Iterator[Neovim]:
    (tmp_path / ".git").mkdir()
    write_config(shared_home, SHOW_ALL)
    with Neovim(find_neovim(), shared_home, tmp_path, CONFIG) as editor:
        yield editor


def open_text(editor: Neovim, folder: Path, text: str) -> Path:
    file = folder / "shelf.py"
    file.write_bytes(text.encode())
    editor.open(file)
    return file


ASK_STATUS = """
local client = vim.lsp.get_clients({ name = 'stardraft' })[1]
return vim.inspect(client and client:request_sync('stardraft/status', vim.empty_dict(), 5000))
"""
MODE = "return vim.api.nvim_get_mode().mode"


def see_ghost(editor: Neovim) -> Ghost:
    """The suggestion at the cursor, once it is there."""

    def at_the_cursor() -> Ghost | None:
        ghost = editor.ghost()
        return ghost if ghost is not None and (ghost.row, ghost.column) == editor.cursor() else None

    try:
        return wait_until(at_the_cursor)
    except AssertionError:
        said = editor.lua(ASK_STATUS)
        raise AssertionError(f"no ghost text appeared at the cursor; the server says {said}") from None


def type_one_key(editor: Neovim, key: str) -> None:
    """Types, and waits until the language server has answered for the new place."""
    before = editor.replies()
    editor.keys("<lt>" if key == "<" else key)
    wait_until(lambda: editor.replies() > before, what=f"no answer came after {key!r}")


def accept(editor: Neovim, ghost: Ghost) -> None:
    """Takes the suggestion with the Tab key; the buffer must become what was seen, to the byte."""
    seen = ghost.over(editor.lines())
    editor.keys("<Tab>")
    wait_until(lambda: editor.ghost() is None, what="the ghost text stayed after it was taken")
    assert editor.lines() == seen
    last = ghost.lines[-1].encode()
    column = len(last) if len(ghost.lines) > 1 else ghost.column + len(last)
    assert editor.cursor() == (ghost.row + len(ghost.lines) - 1, column)


def test_what_is_shown_is_what_is_accepted(neovim: Neovim, tmp_path: Path) -> None:
    open_text(neovim, tmp_path, SHELF)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    ghost = see_ghost(neovim)
    assert neovim.lines() == SHELF.splitlines()  # it is shown, not there
    assert f"        return{ghost.lines[0]}" in neovim.screen()
    accept(neovim, ghost)


def test_typing_what_is_suggested_leaves_the_rest_of_it(neovim: Neovim, tmp_path: Path) -> None:
    open_text(neovim, tmp_path, SHELF)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    rest = see_ghost(neovim)
    for _ in range(3):
        type_one_key(neovim, rest.text[0])
        following = see_ghost(neovim)
        assert following.text == rest.text[1:]
        rest = following
    accept(neovim, rest)


def test_characters_outside_the_basic_plane_before_the_cursor(neovim: Neovim, tmp_path: Path) -> None:
    line = '        name = "🚀𝒳é"; found = [item for item in self'
    open_text(neovim, tmp_path, SHELF)
    neovim.keys(f"{BEGINNING}G0C{line}")
    ghost = see_ghost(neovim)
    assert ghost.column == len(line.encode())
    accept(neovim, ghost)


def test_what_was_typed_before_the_server_was_there_gets_a_suggestion(neovim: Neovim, tmp_path: Path) -> None:
    """Neovim itself asks at keys alone: who waits for the server to start has no more of them."""
    file = tmp_path / "shelf.py"
    file.write_text(SHELF, encoding="utf-8")
    neovim.lua("vim.cmd.edit(vim.fn.fnameescape(...))", str(file))
    neovim.keys(f"{BEGINNING}GA<BS>n")
    wait_until(lambda: neovim.lines() == SHELF.splitlines() and neovim.lua(MODE) == "i")
    assert not neovim.lua(SERVERS), "the server was there before the keys"
    ghost = see_ghost(neovim)
    accept(neovim, ghost)


def test_a_file_with_crlf_line_ends_keeps_them(neovim: Neovim, tmp_path: Path) -> None:
    file = open_text(neovim, tmp_path, SHELF.replace("\n", "\r\n"))
    assert neovim.lua("return vim.bo.fileformat") == "dos"
    neovim.keys(f"{BEGINNING}GA<BS>n")
    ghost = see_ghost(neovim)
    assert "\r" not in ghost.text
    accept(neovim, ghost)
    neovim.keys("<Esc>:write<CR>")
    expected = "".join(f"{line}\r\n" for line in neovim.lines()).encode()
    wait_until(lambda: bytes_in(file) == expected, what="the file was not written with its own line ends")


def test_going_elsewhere_takes_the_suggestion_away(neovim: Neovim, tmp_path: Path) -> None:
    open_text(neovim, tmp_path, SHELF)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    shown = see_ghost(neovim)
    before = neovim.replies()
    neovim.keys("<Up><Up><Home>")
    wait_until(lambda: neovim.replies() > before)

    def is_gone() -> bool:
        ghost = neovim.ghost()
        return ghost is None or ghost.row != shown.row

    wait_until(is_gone, what="the suggestion of another line stayed")
    neovim.keys("<Esc>")
    wait_until(lambda: neovim.ghost() is None, what="the suggestion outlived insert mode")


def test_nothing_to_suggest_takes_the_suggestion_away(home: dict[str, str], tmp_path: Path) -> None:
    """An empty answer clears; `null` would leave the ghost text, since the keys are those that it shows."""
    write_config(home, SHOW_ALL)
    with Neovim(find_neovim(), home, tmp_path, CONFIG) as neovim:
        open_text(neovim, tmp_path, SHELF)
        neovim.keys(f"{BEGINNING}GA<BS>n")
        rest = see_ghost(neovim).text
        write_config(home, "[editor]\nenabled = false\n")
        typed = 0
        while neovim.ghost() is not None:  # until the language server has noticed its new configuration
            assert typed < len(rest) - 1, "suggestions went on after they were turned off"
            type_one_key(neovim, rest[typed])
            typed += 1
        assert typed > 0
        assert neovim.call("nvim_get_mode")["mode"] == "i"
        assert neovim.lines()[BEGINNING - 1] == f"        return{rest[:typed]}"


def test_the_next_suggestion_comes_after_the_daemon_was_killed(
    neovim: Neovim, shared_home: dict[str, str], tmp_path: Path
) -> None:
    open_text(neovim, tmp_path, SHELF)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    see_ghost(neovim)
    killed = daemon_pid(shared_home)
    os.kill(killed, signal.SIGKILL)
    neovim.keys("<Esc>")
    wait_until(lambda: neovim.ghost() is None)
    # Another text than before: what was suggested once is remembered, and needs no daemon.
    neovim.keys(f"{BEGINNING}G0C        found = [item for item in self")
    accept(neovim, see_ghost(neovim))
    assert daemon_pid(shared_home) != killed


def test_the_readme_shows_the_file_that_is_tested_here() -> None:
    blocks = (CONFIG.parent / "README.md").read_text(encoding="utf-8").split("```lua\n")[1:]
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    code = "\n".join(itertools.dropwhile(lambda line: line.startswith("--"), lines))
    assert blocks[0].split("```")[0].strip() == code.strip()


def daemon_pid(home: dict[str, str]) -> int:
    said = subprocess.run(
        [sys.executable, "-m", "stardraftd", "status", "--json"], env=home, capture_output=True, check=True
    ).stdout
    return int(json.loads(said)["pid"])
