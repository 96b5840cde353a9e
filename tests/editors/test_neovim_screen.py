"""What ghost text looks like on the screen of a real terminal: with the plugin and without it."""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import Neovim, find_neovim
from tests.editors.neovim_plugin import (
    FINDERS,
    FLOATING,
    SCRIPTED,
    Open,
    PluginNeovim,
    ask_again,
    asked,
    both_versions,
)
from tests.editors.neovim_screen import Terminal
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
GHOST = " + ghost"
BRIGHT_BLACK = "90"
SET = "vim.o.termguicolors, vim.o.cursorline, vim.o.background = ...; vim.cmd.redraw()"
TELL = "vim.lsp.get_clients({ name = 'stardraft' })[1]:notify('test/tell', ...)"
ANSWER = """
vim.lsp.get_clients({ name = 'stardraft' })[1]:notify('test/answer', { items = { { text = ... } } })
"""


def looks_right(terminal: Terminal, editor: Neovim) -> None:
    """In each setting: a colour of its own, nothing of the marked bracket, and the line's background."""
    for colours, cursorline, background in itertools.product((True, False), (True, False), ("dark", "light")):
        editor.lua(SET, colours, cursorline, background)

        def is_right(*, colours: bool = colours) -> bool:
            ghost, code, bracket = (terminal.look_of(text) for text in (GHOST, "call", ")"))
            if len(ghost) != 1 or len(code) != 1 or len(bracket) != 1:
                return False
            (its,), (codes,), (brackets,) = ghost, code, bracket
            is_coloured = its.foreground.startswith("2 ") if colours else its.foreground == BRIGHT_BLACK
            is_marked = brackets != codes  # else there is nothing to tell apart
            own = its.foreground != codes.foreground and not its.attributes
            return is_coloured and is_marked and own and its.background == codes.background

        setting = f"true colours {colours}, cursorline {cursorline}, {background}"
        try:
            wait_until(is_right, 10)
        except AssertionError:
            pytest.fail(f"with {setting} it looks like {terminal.look_of(GHOST)}")


@both_versions
def test_ghost_text_behind_a_bracket_looks_like_ghost_text(
    scripted: Open, version: str, tmp_path: Path
) -> None:
    at = asked(scripted, "A", "call()")
    at.script.answer(GHOST)
    at.sees(GHOST)
    with Terminal(FINDERS[version](), at.editor, tmp_path) as terminal:
        looks_right(terminal, at.editor)


@pytest.fixture
def plain(home: dict[str, str], tmp_path: Path) -> Iterator[Neovim]:
    """Neovim without the plugin, where `stardraft` on the PATH is the scripted server."""
    program = tmp_path / "bin" / "stardraft"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{SCRIPTED}" "{tmp_path}/messages.jsonl" utf-16\n'
    )
    program.chmod(0o755)
    environment = home | {"PATH": f"{program.parent}:{home['PATH']}"}
    with Neovim(find_neovim(), environment, tmp_path, ROOT / "packaging/neovim/stardraft.lua") as editor:
        file = tmp_path / "a.txt"
        file.write_text("call()\n")
        editor.open(file)
        yield editor


def suggest(editor: Neovim, keys: str, text: str, shown: str = "") -> None:
    """Types, and has the server suggest `text` at the cursor; `shown` is how that looks, else the same."""
    pending = "return #vim.tbl_values(vim.lsp.get_clients({ name = 'stardraft' })[1].requests) > 0"
    editor.keys(keys)
    wait_until(lambda: editor.lua(pending), what="nothing was asked")
    editor.lua(ANSWER, text)
    shown = shown or text
    wait_until(lambda: (ghost := editor.ghost()) and ghost.text == shown, what=f"{shown!r} is not shown")


def test_without_the_plugin_it_looks_the_same(plain: Neovim, tmp_path: Path) -> None:
    suggest(plain, "A", GHOST)
    with Terminal(find_neovim(), plain, tmp_path) as terminal:
        looks_right(terminal, plain)


def test_without_the_plugin_tab_is_what_it_was(plain: Neovim) -> None:
    """Neovim's own jump through a snippet, else a tab; and a suggestion before either."""
    plain.keys("A")
    plain.lua("vim.snippet.expand('(${1:one}, ${2:two})$0')")
    plain.keys("x<Tab>")
    wait_until(lambda: plain.call("nvim_get_mode")["mode"] == "s", what="Tab did not jump")
    plain.keys("y")
    wait_until(lambda: plain.call("nvim_get_mode")["mode"] == "i")
    plain.keys("<Tab>z")
    wait_until(lambda: plain.lines() == ["call()(x, y)z"], what=lambda: f"Tab did not jump: {plain.lines()}")
    plain.lua("vim.snippet.stop()")
    plain.keys("<Tab>")
    wait_until(lambda: plain.lines() == ["call()(x, y)z\t"])
    suggest(plain, "w", "hole")
    plain.keys("<Tab>")
    wait_until(lambda: plain.lines() == ["call()(x, y)z\twhole"])


def test_without_the_plugin_a_suggestion_that_was_not_followed_is_neither_shown_nor_taken(
    plain: Neovim,
) -> None:
    """Neovim goes on showing it until the next answer, in pieces among what was typed."""
    suggest(plain, "A", "one\ntwo")
    plain.keys("x")
    wait_until(lambda: plain.lines() == ["call()x"])
    wait_until(lambda: plain.ghost() is None, what=lambda: f"it is still shown: {plain.ghost()}")
    plain.keys("<Tab>")
    wait_until(lambda: plain.lines() == ["call()x\t"], what=lambda: f"Tab took it: {plain.lines()}")


def test_without_the_plugin_the_rest_of_a_suggestion_is_taken_before_the_next_answer(plain: Neovim) -> None:
    suggest(plain, "A", " + hole")
    plain.keys(" +")
    wait_until(lambda: (ghost := plain.ghost()) and ghost.text == " hole", what="the rest is not shown")
    plain.keys("<Tab>")
    wait_until(lambda: plain.lines() == ["call() + hole"], what=lambda: f"taken was {plain.lines()}")
    assert plain.cursor() == (0, len("call() + hole"))


def test_without_the_plugin_lines_below_the_window_are_announced(plain: Neovim) -> None:
    plain.call("nvim_buf_set_lines", 0, 0, -1, True, [""] * 30)
    plain.keys("GA")
    for text, shown in (("one\ntwo", "one +1 line\ntwo"), ("one\ntwo\nthree", "one +2 lines\ntwo\nthree")):
        suggest(plain, "x", text, shown)
    suggest(plain, "<Esc>ggA", "one\ntwo")


def test_without_the_plugin_the_completion_menu_has_the_screen_and_tab(plain: Neovim) -> None:
    plain.call("nvim_buf_set_lines", 0, 0, -1, True, ["calling", "called", "call"])
    suggest(plain, "GA", GHOST)
    plain.keys("<C-n>")
    wait_until(lambda: plain.lua("return vim.fn.pumvisible()") == 1)
    wait_until(lambda: plain.ghost() is None, what="the suggestion stands beside the menu")
    plain.keys("<Tab>")
    wait_until(lambda: plain.lines()[2].endswith("\t"), what=lambda: f"Tab took something: {plain.lines()}")


def test_without_the_plugin_the_reason_can_be_asked_for_and_a_wrong_setting_is_one_line(
    plain: Neovim, tmp_path: Path
) -> None:
    warning = "settings.toml, line 2: " + "a long word " * 20

    def report(warning: str) -> dict[str, object]:
        params = {"state": "ready", "message": "", "reason": "", "model": "", "warning": warning}
        return {"method": "stardraft/status", "params": params}

    with Terminal(find_neovim(), plain, tmp_path) as terminal:
        plain.keys("A")
        plain.lua(TELL, report(warning))
        wait_until(lambda: plain.lua("return vim.g.stardraft_status") == "ready")
        plain.keys("x")
        wait_until(lambda: plain.lines() == ["call()x"], what="it does not go on typing")
        plain.keys("<Esc>")
        wait_until(lambda: any(row.startswith("settings.toml") for row in terminal.rows()))
        assert plain.call("nvim_get_mode") == {"mode": "n", "blocking": False}
        plain.lua(TELL, report(""))
        wait_until(lambda: not any("settings.toml" in row for row in terminal.rows()))
    plain.lua("vim.o.columns = 30; vim.cmd.StardraftStatus()")  # all of it, in a window: it fits no line here
    said = plain.lua(FLOATING)
    assert said == ["stardraft does not answer at the moment."]  # it answers no status
    assert plain.call("nvim_get_mode") == {"mode": "n", "blocking": False}


def test_without_the_plugin_a_long_message_is_one_line(plain: Neovim, tmp_path: Path) -> None:
    told = {"type": 2, "message": "stardraft: settings.toml, line 2:\nan old name. " + "漢字 " * 60}
    with Terminal(find_neovim(), plain, tmp_path) as terminal:
        plain.lua(TELL, {"method": "window/showMessage", "params": told})
        wait_until(lambda: any(row.startswith("stardraft: settings.toml") for row in terminal.rows()))
        assert plain.call("nvim_get_mode") == {"mode": "n", "blocking": False}
        assert terminal.rows()[-1].startswith("stardraft: settings.toml"), "it took more than the last line"
    assert len(plain.lua("return vim.fn.getwininfo()")) == 1


def test_without_the_plugin_the_server_is_told_which_buffer_has_the_focus(
    plain: Neovim, tmp_path: Path
) -> None:
    def focused() -> list[str]:
        sent = [json.loads(line) for line in (tmp_path / "messages.jsonl").read_text().splitlines()]
        told = [one for one in sent if one.get("method") == "textDocument/didFocus"]
        return [Path(one["params"]["textDocument"]["uri"]).name for one in told]

    wait_until(lambda: focused()[-1:] == ["a.txt"])
    other = tmp_path / "b.txt"
    other.write_text("other\n")
    plain.lua("vim.cmd.edit(...)", str(other))
    wait_until(lambda: focused()[-1:] == ["b.txt"])
    plain.lua("vim.cmd.buffer('a.txt')")
    wait_until(lambda: focused()[-1:] == ["a.txt"])


@both_versions
def test_lines_below_the_window_are_announced(scripted: Open) -> None:
    """Nobody takes what they cannot know of."""
    at = asked(scripted, "GA", "\n" * 30)
    at.script.answer("one\ntwo\nthree")
    at.sees("one +2 lines\ntwo\nthree")


@both_versions
def test_what_is_said_while_typing_is_one_line_that_goes_by_itself(
    scripted: Open, version: str, tmp_path: Path
) -> None:
    """A wrong setting, until it is corrected; why a question brought nothing; that there is no other one."""
    at = asked(scripted, "iva")
    with Terminal(FINDERS[version](), at.editor, tmp_path) as terminal:

        def says(text: str) -> bool:
            return sum(text in row for row in terminal.rows()) == 1

        report = {
            "state": "ready",
            "message": "There is nothing to add here.",
            "reason": "",
            "model": "",
        }
        at.script.tell("stardraft/status", {**report, "warning": "settings.toml, line 2: mode " + "x" * 90})
        wait_until(lambda: says("stardraft: settings.toml, line 2"), what="the warning is not seen")
        assert at.editor.call("nvim_get_mode") == {"mode": "i", "blocking": False}
        assert at.editor.lua("return require('stardraft').status()") == "stardraft !"
        at.script.tell("stardraft/status", {**report, "warning": ""})
        wait_until(lambda: not says("settings.toml"), what="the warning stayed")
        n_questions = at.script.n_questions()
        at.type("<M-\\>")
        at.script.question(n_questions + 1)
        at.script.answer()
        wait_until(lambda: says("There is nothing to add here."), what="a question by hand was silent")
        at.type("l")
        ask_again(at)
        at.script.answer("ue")
        at.sees("ue")
        n_questions = at.script.n_questions()
        at.type("<M-]>")
        at.script.question(n_questions + 1)
        at.script.answer("ue")
        wait_until(lambda: says("this is the only suggestion"), what="the key for another one was silent")


@pytest.mark.parametrize("mode", ["", "i"])
def test_what_the_plugin_says_stands_once_and_covers_no_text(tmp_path: Path, mode: str) -> None:
    """A real terminal, with and without "-- INSERT --" in the place of messages."""
    (tmp_path / "a.txt").write_text("\n".join(f"line {n}" for n in range(30)))
    settings = "vim.g.stardraft = { autostart = false }"
    with PluginNeovim(find_neovim(), os.environ, tmp_path, settings) as neovim:
        neovim.lua("vim.cmd.edit(...)", str(tmp_path / "a.txt"))
        with Terminal(find_neovim(), neovim, tmp_path) as terminal:
            neovim.keys(mode)
            neovim.lua("require('stardraft.message').say('something new', 'WarningMsg')")
            for keys in ("", "<Esc>"):
                neovim.keys(keys)
                wait_until(lambda: sum("something new" in row for row in terminal.rows()) == 1)
                wait_until(lambda: terminal.rows()[:10] == [f"line {n}" for n in range(10)])
            assert terminal.rows()[-1].endswith("something new")
            neovim.lua("require('stardraft.message').take_back()")
            wait_until(lambda: not any("something new" in row for row in terminal.rows()))


def test_a_server_that_is_starting_is_said_to_be(tmp_path: Path) -> None:
    """Also where there is no plugin: a server that says nothing yet is one that is there."""
    silent = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with Neovim(find_neovim(), os.environ, tmp_path, ROOT / "packaging/neovim/stardraft.lua") as neovim:
        neovim.lua("vim.lsp.config('stardraft', { cmd = { ... } })", *silent)
        neovim.lua("vim.cmd.edit(...)", str(tmp_path / "b.txt"))
        neovim.lua("vim.cmd.StardraftStatus()")
        said = neovim.lua("return vim.api.nvim_exec2('messages', { output = true }).output")
        assert said.strip() == "stardraft is starting."
