"""The Neovim plugin, in the oldest and the newest Neovim that it serves: keys go in, the screen is looked at.

Where the words are the model's, the real language server runs. Where timing and words are the point, a
scripted one does (`neovim_server`): the plugin cannot tell them apart.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.editors.neovim import find_neovim
from tests.editors.neovim_plugin import ASKED, FINDERS, PLUGIN, SCRIPTED, PluginNeovim, Script
from tests.support.home import write_config
from tests.support.waiting import wait_until

SHELF = (PLUGIN.parents[1] / "tests" / "data" / "demo" / "shelf.py").read_text(encoding="utf-8")
BEGINNING = SHELF.splitlines().index("        return") + 1
SHOW_ALL = "[editor]\nconfidence = false\n"

both_versions = pytest.mark.parametrize("version", FINDERS)


@pytest.fixture
def version() -> str:
    """Where a test does not ask for both."""
    return "0.12"


@pytest.fixture
def settings() -> str:
    """Lua of the person's init.lua."""
    return ""


@pytest.fixture
def encoding() -> str:
    return "utf-16"


@pytest.fixture
def neovim(
    shared_home: dict[str, str], tmp_path: Path, version: str, settings: str
) -> Iterator[PluginNeovim]:
    """With the real language server and the built-in model."""
    (tmp_path / ".git").mkdir()
    write_config(shared_home, SHOW_ALL)
    with PluginNeovim(FINDERS[version](), shared_home, tmp_path, settings) as editor:
        yield editor


class Scripted:
    """An editor and the scripted server that it has."""

    def __init__(self, editor: PluginNeovim, script: Script, encoding: str) -> None:
        self.editor = editor
        self.script = script
        self.encoding = encoding

    def type(self, keys: str) -> None:
        self.editor.keys(keys)

    def sees(self, ghost: str) -> None:
        """Waits until exactly this is drawn."""
        editor = self.editor
        wait_until(lambda: editor.ghost_text() == ghost or None, what=f"{ghost!r} is not what is drawn")

    def line(self, row: int = 0) -> str:
        return self.editor.lines()[row]

    def screen_row(self, row: int = 0) -> str:
        return self.editor.screen().splitlines()[row].rstrip()


@pytest.fixture
def scripted(
    home: dict[str, str], tmp_path: Path, version: str, settings: str, encoding: str
) -> Iterator[Callable[..., Scripted]]:
    """Opens a text in an editor whose language server is the scripted one."""
    log = tmp_path / "messages.jsonl"
    command = [sys.executable, str(SCRIPTED), str(log), encoding]
    lua = ", ".join(f"[[{part}]]" for part in command)
    config = f"vim.g.stardraft = {{ cmd = {{ {lua} }} }}\n{settings}"
    editors: list[PluginNeovim] = []

    def open_text(text: str = "", settings: str = "") -> Scripted:
        name = "a.txt"
        (tmp_path / name).write_bytes(text.encode())
        editor = PluginNeovim(FINDERS[version](), home, tmp_path, f"{config}\n{settings}")
        editors.append(editor)
        editor.open_file(tmp_path / name)
        return Scripted(editor, Script(editor, log), encoding)

    try:
        yield open_text
    finally:
        for editor in editors:
            with editor:
                pass


def open_shelf(editor: PluginNeovim, folder: Path) -> Path:
    file = folder / "shelf.py"
    file.write_text(SHELF, encoding="utf-8")
    editor.open_file(file)
    return file


# --- with the real server ------------------------------------------------------------------------------


@both_versions
def test_what_is_shown_is_what_tab_takes(neovim: PluginNeovim, tmp_path: Path) -> None:
    open_shelf(neovim, tmp_path)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    ghost = neovim.see_whole_ghost()
    assert neovim.lines() == SHELF.splitlines()
    assert f"        return{ghost.splitlines()[0]}" in neovim.screen()
    neovim.keys("<Tab>")
    expected = SHELF.replace("        return\n", f"        return{ghost}\n").splitlines()
    wait_until(lambda: neovim.lines() == expected, what="the buffer is not what was seen")
    wait_until(lambda: neovim.lua("return require('stardraft').status()") == "stardraft")


def test_accepted_suggestions_are_in_the_stats(shared_home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write_config(shared_home, SHOW_ALL)
    before = stats(shared_home)
    with PluginNeovim(find_neovim(), shared_home, tmp_path) as neovim:
        open_shelf(neovim, tmp_path)
        neovim.keys(f"{BEGINNING}GA<BS>n")
        ghost = neovim.see_whole_ghost()
        neovim.keys("<M-Right>")
        wait_until(lambda: neovim.ghost_text() != ghost)
        neovim.keys("<Tab>")
        expected = f"        return{ghost.splitlines()[0]}"
        wait_until(lambda: neovim.lines()[BEGINNING - 1] == expected)
        neovim.keys("<Esc>")
        wait_until(
            lambda: stats(shared_home)["accepted"] == before["accepted"] + 1,
            what="what was accepted is not in the figures",
        )


def stats(home: dict[str, str]) -> Any:
    said = subprocess.run(
        [sys.executable, "-m", "stardraftd", "stats", "--json"], env=home, capture_output=True, check=True
    ).stdout
    return json.loads(said)["all"]


# --- what is shown: with the scripted server -----------------------------------------------------------

Open = Callable[..., Scripted]


@both_versions
def test_a_suggestion_grows_while_it_comes(scripted: Open) -> None:
    at = asked(scripted, "ival")
    for text in ("ue", "ue = 1", "ue = 12\nnext()"):
        at.script.grow(text)
        at.sees(text)
    assert at.editor.screen().splitlines()[:2] == [f"{'value = 12':<80}", f"{'next()':<80}"]
    assert at.line() == "val"


@both_versions
def test_typing_what_is_suggested_asks_nothing_and_keeps_the_rest(scripted: Open) -> None:
    at = asked(scripted, "ival")
    at.script.answer("ue = 1")
    at.sees("ue = 1")
    n_questions = at.script.n_questions()
    for left in ("e = 1", " = 1", "= 1"):
        at.type({"e = 1": "u", " = 1": "e", "= 1": " "}[left])
        at.sees(left)
    at.type("<BS>")
    at.sees(" = 1")
    assert at.script.n_questions() == n_questions


def test_what_is_typed_never_leaves_a_screen_without_the_rest(scripted: Open) -> None:
    """No flicker: at every redraw while the suggestion is typed, the whole line stands there."""
    at = asked(scripted, "ival")
    at.script.answer("ue = 1")
    at.sees("ue = 1")
    at.editor.lua(WATCH_REDRAWS)
    for key in "ue =":
        at.type(key)
        wait_until(partial(ends_with, at, key))
    at.sees(" 1")
    assert set(at.editor.lua("return seen")) == {"value = 1"}


@both_versions
def test_a_growing_suggestion_is_typed_through(scripted: Open) -> None:
    at = asked(scripted, "ival")
    at.script.grow("ue = ")
    at.sees("ue = ")
    at.type("ue = ")
    at.sees("")
    n_questions = at.script.n_questions()
    at.script.grow("ue = 12")
    at.sees("12")
    at.script.answer("ue = 123")
    at.sees("123")
    assert at.script.n_questions() == n_questions


@both_versions
def test_a_question_that_is_superseded_is_cancelled_after_the_new_one(scripted: Open) -> None:
    at = asked(scripted, "iva")
    first = at.script.n_questions()
    at.script.grow("lue")
    at.sees("lue")
    at.type("x")
    at.script.question(first + 1)
    wait_until(lambda: at.script.heard("$/cancelRequest"))
    at.sees("")
    assert at.script.methods()[-2:] == ["textDocument/inlineCompletion", "$/cancelRequest"]


def test_what_comes_for_a_text_that_is_gone_is_not_shown(scripted: Open) -> None:
    at = asked(scripted, "iva")
    token = at.script.question(at.script.n_questions())["partialResultToken"]
    asked_before = at.script.n_questions()
    at.type("x")
    at.script.question(asked_before + 1)
    item = {"insertText": "stale", "range": span(0, 3, 3)}
    at.script.tell("$/progress", {"token": token, "value": {"items": [item]}})
    at.script.ask("workspace/configuration", {"items": []})
    wait_until(at.script.answers)  # what came before it has been taken
    assert at.editor.ghost_text() == ""
    at.script.answer("-right")
    at.sees("-right")
    assert at.screen_row() == "vax-right"


def test_leaving_insert_mode_takes_the_suggestion_and_the_question_away(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.grow("lue")
    at.sees("lue")
    at.type("<Esc>")
    at.sees("")
    wait_until(lambda: at.script.heard("$/cancelRequest"))


def test_an_answer_that_was_superseded_keeps_and_an_empty_one_clears(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.grow("lue")
    at.sees("lue")
    at.script.answer()
    at.sees("")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_count_in_the_units_that_the_server_chose(scripted: Open, encoding: str) -> None:
    line = 'é = "🚀𝒳" + '
    at = asked(scripted, f"A{line}", "")
    question = at.script.question(at.script.n_questions())
    assert question["position"]["character"] == n_units(line, encoding)
    at.script.answer("ü🚀(1)")
    at.sees("ü🚀(1)")
    at.type("<Tab>")
    wait_until(lambda: at.line() == f"{line}ü🚀(1)")


def test_tabs_and_wide_characters_stand_where_they_will(scripted: Open) -> None:
    at = asked(scripted, "A世", "\tif")
    at.editor.lua("vim.bo.tabstop = 4")
    at.script.answer("\t界:\n\t\tpass\x01")
    at.sees("    界:\n        pass^A")
    before = [row.rstrip() for row in at.editor.screen().splitlines()[:2]]
    at.type("<Tab>")
    wait_until(lambda: at.editor.lines() == ["\tif世\t界:", "\t\tpass\x01"])
    at.type("<Esc>")
    after = [row.rstrip() for row in at.editor.screen().splitlines()[:2]]
    assert before == after


@pytest.mark.parametrize(
    ("text", "covers", "ghost", "line"),
    [
        ("a, f(b))", 1, "a, f(b)", "call(a, f(b)); x"),
        ("a) + b();", 2, "a) + b(", "call(a) + b(); x"),
        ("a): # 1", 1, "a: # 1", "call(a): # 1; x"),
    ],
)
def test_a_bracket_that_the_editor_closed_is_there_once(
    scripted: Open, text: str, covers: int, ghost: str, line: str
) -> None:
    at = asked(scripted, "0f)i", "call(); x")
    at.script.answer(text, covers=covers)
    at.sees(ghost)
    assert at.screen_row() == line
    at.type("<Tab>")
    wait_until(lambda: at.line() == line)


def test_what_a_suggestion_takes_away_is_struck_out(scripted: Open) -> None:
    at = asked(scripted, "0wi", "call old")
    at.script.answer("new", covers=3)
    at.sees("new")
    assert at.screen_row() == "call newold"
    assert at.editor.lua(STRUCK_OUT) == [[5, 8]]
    at.type("<Tab>")
    wait_until(lambda: at.line() == "call new")


def test_words_are_taken_around_a_bracket_that_stays(scripted: Open) -> None:
    at = asked(scripted, "0f)i", "call()")
    at.script.answer("one, two): # 3", covers=1)
    at.sees("one, two: # 3")
    for line in ("call(one)", "call(one,)", "call(one, two)", "call(one, two):"):
        at.type("<M-Right>")
        wait_until(partial(has_lines, at, [line]))
    at.type("<Tab>")
    wait_until(lambda: at.line() == "call(one, two): # 3")


def test_a_bracket_closed_while_typing_keeps_the_suggestion(scripted: Open) -> None:
    at = asked(scripted, "icall")
    at.editor.lua("vim.keymap.set('i', '(', '()<Left>')")
    at.script.answer("(one, two)")
    at.sees("(one, two)")
    at.type("(")
    at.sees("one, two")
    assert at.screen_row() == "call(one, two)"
    at.type("<Tab>")
    wait_until(lambda: at.line() == "call(one, two)")


def test_what_is_behind_the_cursor_is_shown_behind_the_last_line(scripted: Open) -> None:
    at = asked(scripted, "0ea", "one three")
    at.script.answer(" {\n  two\n}")
    wait_until(at.editor.is_visible)
    rows = [row.rstrip() for row in at.editor.screen().splitlines()[:3]]
    assert rows == ["one {", "  two", "} three"]
    at.type("<Tab>")
    wait_until(lambda: at.editor.lines() == rows)


def test_a_file_with_crlf_line_ends_keeps_them(scripted: Open, tmp_path: Path) -> None:
    at = asked(scripted, "Go", "one\r\ntwo\r\n")
    at.script.answer("three\r\nfour")
    at.sees("three\nfour")
    at.type("<M-Right>")
    at.sees("\nfour")
    part = wait_until(lambda: at.script.heard("textDocument/didPartiallyAcceptCompletion"))[0]
    assert part["acceptedLength"] == len("three")
    at.type("<Tab><Esc>:write<CR>")
    file = tmp_path / "a.txt"
    wait_until(lambda: file.read_bytes() == b"one\r\ntwo\r\nthree\r\nfour\r\n")


# --- keys ----------------------------------------------------------------------------------------------


@both_versions
def test_a_word_a_line_and_the_rest_are_taken_one_by_one(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue = some(1)\nreturn value")
    at.sees("lue = some(1)\nreturn value")
    for key, line, left in (
        ("<M-Right>", "value", " = some(1)\nreturn value"),
        ("<M-Right>", "value =", " some(1)\nreturn value"),
        ("<M-C-Right>", "value = some(1)", "\nreturn value"),
    ):
        at.type(key)
        at.sees(left)
        assert at.line() == line
    lengths = wait_until(lambda: partly(at, 3))
    assert lengths == [len("lue"), len("lue ="), len("lue = some(1)")]
    at.type("<Tab>")
    wait_until(lambda: at.editor.lines() == ["value = some(1)", "return value"])
    told = wait_until(lambda: at.script.heard("workspace/executeCommand"))
    assert told == [{"command": "stardraft.accepted", "arguments": ["id-1"]}]
    assert [shown["item"]["command"]["arguments"] for shown in at.script.heard(SHOWN)] == [["id-1"]]


@pytest.mark.parametrize("encoding", ["utf-8"])
def test_lengths_are_told_in_utf_16(scripted: Open, encoding: str) -> None:
    at = asked(scripted, "iva")
    at.script.answer("🚀 é end")
    at.sees("🚀 é end")
    at.type("<M-Right><M-Right>")
    assert wait_until(lambda: partly(at, 2)) == [2, 4]


def test_what_is_taken_before_the_server_has_said_all_is_told_when_it_has(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.grow("lue = ")
    at.sees("lue = ")
    at.type("<Tab>")
    wait_until(lambda: at.line() == "value = ")
    at.script.grow("lue = 12")
    at.sees("12")
    at.script.answer("lue = 123")
    at.sees("123")
    assert wait_until(lambda: partly(at, 1)) == [len("lue = ")]


BUFFER_MAPPING = """
vim.api.nvim_create_autocmd('InsertEnter', { once = true, callback = function()
  vim.keymap.set('i', '<Tab>', function() return 'buf' end, { expr = true, buffer = true })
end })
"""
TAB_MAPPINGS = {
    "none": ("", "\t"),
    "of the person": ("vim.keymap.set('i', '<Tab>', 'mine')", "mine"),
    "with an expression": ("vim.keymap.set('i', '<Tab>', function() return 'ex' end, { expr = true })", "ex"),
    "of the buffer": (BUFFER_MAPPING, "buf"),
}


@both_versions
@pytest.mark.parametrize("settings", [lua for lua, _ in TAB_MAPPINGS.values()], ids=TAB_MAPPINGS)
def test_without_a_suggestion_tab_does_what_it_did(scripted: Open, settings: str) -> None:
    expected = dict(TAB_MAPPINGS.values())[settings]
    at = asked(scripted, "iva")
    at.type("<Tab>")
    wait_until(lambda: at.line() == f"va{expected}")
    ask_again(at)
    at.script.answer("lue")
    at.sees("lue")
    at.type("<Tab>")
    wait_until(lambda: at.line() == f"va{expected}lue")
    at.sees("")
    at.type("<Tab>")
    wait_until(lambda: at.line() == f"va{expected}lue{expected}")


def test_a_suggestion_that_no_longer_fits_lets_the_key_through(scripted: Open) -> None:
    """A text that was changed by a program, with no event, is not written over."""
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    at.editor.lua("vim.o.eventignore = 'all'; vim.api.nvim_buf_set_lines(0, 0, 1, false, { 'other' })")
    at.editor.lua("vim.api.nvim_win_set_cursor(0, { 1, 5 })")
    at.type("<Tab>")
    wait_until(lambda: at.line() == "other\t")


@pytest.mark.parametrize(
    "settings", ["require('stardraft').setup({ keys = { accept = '<C-y>', dismiss = false } })"]
)
def test_keys_are_the_persons_to_choose(scripted: Open, settings: str) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    at.type("<C-y>")
    wait_until(lambda: at.line() == "value")
    at.type("<Tab>")
    wait_until(lambda: at.line() == "value\t")


def test_a_dismissed_suggestion_stays_away_until_something_is_typed(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    n_questions = at.script.n_questions()
    at.type("<C-]>")
    at.sees("")
    assert at.script.n_questions() == n_questions
    at.type("l")
    at.script.question(n_questions + 1)


@both_versions
def test_candidates_are_cycled_through(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    n_questions = at.script.n_questions()
    at.type("<M-]>")
    question = at.script.question(n_questions + 1)
    assert question["context"]["triggerKind"] == 1
    at.sees("lue")
    at.script.answer("lue", "riable")
    at.sees("riable (2/2)")
    at.type("<M-]>")
    at.sees("lue (1/2)")
    at.type("<M-[>")
    at.sees("riable (2/2)")
    at.type("<Tab>")
    wait_until(lambda: at.line() == "variable")
    told = wait_until(lambda: at.script.heard("workspace/executeCommand"))
    assert told[0]["arguments"] == ["id-2"]


@pytest.mark.parametrize("settings", ["require('stardraft').setup({ auto = false })"])
def test_with_auto_off_only_the_key_asks(scripted: Open, settings: str) -> None:
    at = scripted("")
    at.type("iva")
    wait_until(lambda: at.line() == "va")
    at.type("<M-\\>")
    assert at.script.question(1)["context"]["triggerKind"] == 1
    assert at.script.n_questions() == 1
    at.script.answer("lue")
    at.sees("lue")


@both_versions
def test_an_accepted_suggestion_is_one_step_of_undo(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue\nnext")
    at.sees("lue\nnext")
    at.type("<Tab>")
    wait_until(lambda: at.editor.lines() == ["value", "next"])
    at.type("!<Esc>")
    wait_until(lambda: at.editor.lines() == ["value", "next!"])
    for left in (["value", "next"], ["va"], [""]):
        at.type("u")
        wait_until(partial(has_lines, at, left))


# --- where there are none ------------------------------------------------------------------------------


def test_nothing_is_shown_while_a_menu_is_open(scripted: Open) -> None:
    at = asked(scripted, "ovalue valid<CR>va", "")
    at.script.answer("lue = 2")
    at.sees("lue = 2")
    at.type("<C-n>")
    wait_until(lambda: at.editor.lua("return vim.fn.pumvisible()") == 1)
    at.sees("")
    n_questions = at.script.n_questions()
    at.type("<C-e>")
    at.script.question(n_questions + 1)
    at.script.answer("lue = 2")
    at.sees("lue = 2")


def test_a_macro_is_recorded_and_played_without_suggestions(scripted: Open) -> None:
    at = scripted("")
    at.type("qqiva")
    wait_until(partial(has_lines, at, ["va"]))
    at.type("<Tab>")
    wait_until(partial(has_lines, at, ["va\t"]))
    at.type("<Esc>q@q")
    wait_until(partial(has_lines, at, ["vava\t\t"]))
    at.type("o")
    ask_again(at)
    assert rows_asked_about(at) == {1}


def test_a_visual_block_insert_is_left_alone(scripted: Open) -> None:
    at = scripted("one\ntwo\nthree")
    at.type("<C-v>jjIx")
    wait_until(partial(has_lines, at, ["xone", "two", "three"]))
    at.type("<Tab>")
    wait_until(partial(has_lines, at, ["x\tone", "two", "three"]))
    at.type("<Esc>")
    wait_until(partial(has_lines, at, ["x\tone", "x\ttwo", "x\tthree"]))
    at.type("Go")
    ask_again(at)
    assert rows_asked_about(at) == {3}


@both_versions
def test_terminals_and_prompts_get_no_server(scripted: Open) -> None:
    at = scripted("")
    for make in ("vim.cmd.new(); vim.bo.buftype = 'prompt'", "vim.cmd.terminal('true')"):
        at.editor.lua(make)
        assert at.editor.lua("return #vim.lsp.get_clients({ bufnr = 0, name = 'stardraft' })") == 0
        assert at.editor.lua("return require('stardraft').status()") == ""


@pytest.mark.parametrize("settings", ["require('stardraft').setup({ filetypes = { css = false } })"])
def test_file_types_and_buffers_can_be_off(scripted: Open, settings: str, tmp_path: Path) -> None:
    at = scripted("")
    (tmp_path / "b.css").write_text("x\n", encoding="utf-8")
    at.editor.lua("vim.cmd.edit(...)", str(tmp_path / "b.css"))
    assert at.editor.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0
    at.type(":Stardraft status<CR>")
    wait_until(lambda: 'off for the file type "css"' in at.editor.messages())
    at.editor.lua("vim.cmd.buffer('a.txt')")
    at.type(":Stardraft disable buffer<CR>")
    wait_until(lambda: at.editor.lua("return require('stardraft').status()") == "stardraft off")
    at.type("iva<Esc>")
    wait_until(lambda: at.line() == "va")
    assert at.script.n_questions() == 0
    at.type(":Stardraft enable buffer<CR>A")
    at.script.question(1)


# --- commands, status, and what the server asks --------------------------------------------------------


@both_versions
def test_switching_off_and_resting_are_told_to_the_server(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    at.editor.lua("vim.cmd.Stardraft('disable')")
    at.sees("")
    at.editor.lua("vim.cmd.Stardraft('toggle')")
    at.editor.lua("vim.cmd.Stardraft('snooze', '15')")
    wait_until(lambda: at.script.heard("stardraft/snooze") == [{"minutes": 15}])
    assert at.script.heard("stardraft/switch") == [{"enabled": False}, {"enabled": True}]


def test_the_status_is_what_the_server_says(scripted: Open) -> None:
    at = scripted("")
    assert at.editor.lua("return require('stardraft').status()") == "stardraft ..."
    at.editor.lua("vim.o.laststatus = 2; vim.o.statusline = [[%{%v:lua.require('stardraft').status()%}]]")
    report = {"state": "busy", "message": "", "reason": "", "model": "tiny"}
    at.script.tell("stardraft/status", report)
    wait_until(lambda: "stardraft *" in at.editor.screen())
    assert at.editor.lua("return require('stardraft').report()") == report


def test_words_of_the_command_are_completed(scripted: Open) -> None:
    at = scripted("")
    complete = "return vim.fn.getcompletion(..., 'cmdline')"
    assert at.editor.lua(complete, "Stardraft acc") == ["accept", "accept-line", "accept-word"]
    assert at.editor.lua(complete, "Stardraft model pu") == ["pull"]
    at.type(":Stardraft nonsense<CR>")
    wait_until(lambda: "There is no :Stardraft nonsense. There are: accept," in at.editor.messages())


def test_a_command_of_the_program_runs_in_a_terminal(neovim: PluginNeovim, tmp_path: Path) -> None:
    open_shelf(neovim, tmp_path)
    neovim.keys(":Stardraft model list<CR>")
    wait_until(lambda: "built-in" in neovim.screen(), what="the terminal does not show the models")
    assert neovim.lua("return vim.bo.buftype") == "terminal"


DEFINITIONS = """
vim.lsp.start({ name = 'other', cmd = { ... }, root_dir = vim.fn.getcwd() })
"""


@both_versions
def test_declarations_are_asked_from_the_other_servers(scripted: Open, tmp_path: Path) -> None:
    at = scripted("é = 1\n")
    other = [sys.executable, str(SCRIPTED), str(tmp_path / "other.jsonl"), "utf-8", "definition"]
    at.editor.lua(DEFINITIONS, *other)
    wait_until(lambda: at.editor.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 2)
    wait_until(lambda: at.editor.lua("return vim.lsp.get_clients({ name = 'other' })[1].initialized"))
    uri = (tmp_path / "a.txt").as_uri()
    positions = [{"line": 0, "character": 4}, {"line": 7, "character": 0}]
    at.script.ask("stardraft/declarations", {"textDocument": {"uri": uri}, "positions": positions})
    (answer,) = wait_until(at.script.answers)
    assert answer["result"] == [{"uri": uri, "range": span(0, 0, 1)}, None]


def test_without_other_servers_no_declaration_is_known(scripted: Open, tmp_path: Path) -> None:
    at = scripted("a = 1\n")
    uri = (tmp_path / "a.txt").as_uri()
    position = {"line": 0, "character": 0}
    at.script.ask("stardraft/declarations", {"textDocument": {"uri": uri}, "positions": [position]})
    (answer,) = wait_until(at.script.answers)
    assert answer["result"] == [None]
    capabilities = at.script.heard("initialize")[0]["capabilities"]
    assert capabilities["experimental"] == {"stardraft": {"declarations": True}}
    assert "inlineCompletion" in capabilities["textDocument"]


@both_versions
def test_the_servers_own_settings_reach_it(scripted: Open, version: str) -> None:
    settings = "require('stardraft').setup({ settings = { languages = { css = { enabled = false } } } })"
    at = scripted("", settings=settings)
    item = {"items": [{"section": "stardraft"}]}
    at.script.ask("workspace/configuration", item)
    (answer,) = wait_until(at.script.answers)
    assert answer["result"] == [{"languages": {"css": {"enabled": False}}}]


@both_versions
def test_a_server_that_dies_is_told_and_started_again(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.grow("lue")
    at.sees("lue")
    at.editor.lua("vim.uv.kill(...)", at.script.pid(), "sigkill")
    wait_until(lambda: ":Stardraft restart" in at.editor.messages())
    at.sees("")
    at.type("x<Esc>")
    wait_until(lambda: at.line() == "vax")
    n_started = len(at.script.heard("initialize"))
    at.editor.lua("vim.cmd.Stardraft('restart')")
    wait_until(lambda: len(at.script.heard("initialize")) > n_started, what="the server did not come back")


@pytest.mark.parametrize(
    ("rest", "word", "line"),
    [
        ("lue = some(1)", "lue", "lue = some(1)"),
        (" = some(1)", " =", " = some(1)"),
        ("\n    return x", "\n    return", "\n    return x"),
        ("é_1.x", "é_1", "é_1.x"),
        (")):\n", ")):", ")):"),
        ("名前 = 1", "名前", "名前 = 1"),
        ("   ", "   ", "   "),
        ("a\n\nb", "a", "a"),
        ("\n\nb", "\n\nb", "\n\nb"),
    ],
)
def test_a_word_and_a_line_are_what_a_person_takes_them_for(
    lua: PluginNeovim, rest: str, word: str, line: str
) -> None:
    assert lua.lua("return require('stardraft.text').first_word(...)", rest) == word
    assert lua.lua("return require('stardraft.text').first_line(...)", rest) == line


@pytest.mark.parametrize("text", ["", "abc", "é🚀𝒳a", "\ta世"])
def test_units_and_bytes_are_each_others_inverse(lua: PluginNeovim, text: str) -> None:
    for encoding in ("utf-8", "utf-16", "utf-32"):
        for end in range(len(text) + 1):
            units, n_bytes = n_units(text[:end], encoding), len(text[:end].encode())
            assert lua.lua("return require('stardraft.text').units(...)", text[:end], encoding) == units
            assert lua.lua("return require('stardraft.text').n_bytes(...)", text, units, encoding) == n_bytes


@pytest.mark.parametrize(
    ("replaced", "rest", "n_consumed"),
    [(")", "a)", 0), (")", "a", 1), (");", ";", 1), ("", "x", 0), ("old", "", 3), ("é)", ")", 2)],
)
def test_what_is_covered_goes_as_the_suggestion_passes_it(
    lua: PluginNeovim, replaced: str, rest: str, n_consumed: int
) -> None:
    assert lua.lua("return require('stardraft.text').n_consumed(...)", replaced, rest) == n_consumed


@pytest.fixture(scope="module")
def lua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginNeovim]:
    """An editor for the plugin's pure functions alone."""
    with PluginNeovim(find_neovim(), os.environ, tmp_path_factory.mktemp("lua")) as editor:
        yield editor


# --- where something is missing ------------------------------------------------------------------------


@both_versions
def test_a_missing_program_is_told_once_in_a_sentence(
    home: dict[str, str], tmp_path: Path, version: str
) -> None:
    with PluginNeovim(
        FINDERS[version](), home, tmp_path, "vim.g.stardraft = { cmd = { 'no-such-program' } }"
    ) as editor:
        for name in ("a.py", "b.py"):
            editor.lua("vim.cmd.edit(...)", str(tmp_path / name))
        said = editor.messages()
        assert said.count('there is no "no-such-program" on your PATH') == 1
        assert "traceback" not in said
        editor.lua("vim.cmd.checkhealth('stardraft')")
        assert 'There is no "no-such-program" on the PATH' in "\n".join(editor.lines())


def test_an_old_neovim_is_told_what_to_do(home: dict[str, str], tmp_path: Path) -> None:
    """A Neovim that says of itself that it is older than it is."""
    pretend = "local has = vim.fn.has; vim.fn.has = function(f) return f:match('^nvim%-') and 0 or has(f) end"
    with PluginNeovim(find_neovim(), home, tmp_path, pretend) as editor:
        assert editor.messages().strip() == (
            "stardraft needs Neovim 0.10 or newer: update Neovim, "
            "or take the plugin out of your configuration."
        )
        assert editor.lua("return vim.fn.exists(':Stardraft')") == 0


def test_wrong_settings_are_named(home: dict[str, str], tmp_path: Path) -> None:
    wrong = "require('stardraft').setup({ keys = { acept = '<C-y>' }, auto = 'yes' })"
    with PluginNeovim(find_neovim(), home, tmp_path, wrong) as editor:
        said = editor.messages()
    assert "There is no setting keys.acept of stardraft" in said
    assert 'The setting auto of stardraft cannot be "yes"' in said


def test_the_server_can_be_started_by_neovim_itself(home: dict[str, str], tmp_path: Path) -> None:
    """`vim.lsp.enable('stardraft')` finds lsp/stardraft.lua; nothing starts it twice."""
    settings = "vim.lsp.enable('stardraft')"
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    with PluginNeovim(find_neovim(), home, tmp_path, settings) as editor:
        editor.open_file(tmp_path / "a.txt")
        assert editor.lua("return #vim.lsp.get_clients()") == 1
        enabled = "return vim.lsp.inline_completion.is_enabled({ client_id = vim.lsp.get_clients()[1].id })"
        editor.lua("vim.lsp.inline_completion.enable()")
        assert editor.lua(enabled) is False


@both_versions
def test_loaded_late_it_serves_the_files_that_are_open(
    home: dict[str, str], tmp_path: Path, version: str
) -> None:
    """As a plugin manager does that loads it at some event, or when its command is first typed."""
    log = tmp_path / "messages.jsonl"
    command = ", ".join(f"[[{part}]]" for part in (sys.executable, SCRIPTED, log, "utf-8"))
    settings = f"vim.g.stardraft = {{ cmd = {{ {command} }} }}; vim.g.loaded_stardraft = true"
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    with PluginNeovim(FINDERS[version](), home, tmp_path, settings) as editor:
        editor.lua("vim.cmd.edit(...)", str(tmp_path / "a.txt"))
        assert editor.lua("return package.loaded.stardraft == nil")
        editor.lua("vim.g.loaded_stardraft = nil; vim.cmd.runtime('plugin/stardraft.lua')")
        editor.open_file(tmp_path / "a.txt")
        editor.keys("iva")
        script = Script(editor, log)
        wait_until(lambda: ASKED in script.methods())
        script.answer("lue")
        wait_until(lambda: editor.ghost_text() == "lue")


def test_the_help_has_its_tags(home: dict[str, str], tmp_path: Path) -> None:
    with PluginNeovim(find_neovim(), home, tmp_path) as editor:
        doc = tmp_path / "doc"
        doc.mkdir()
        for file in (PLUGIN / "doc").glob("*.txt"):
            (doc / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
        editor.lua("vim.cmd.helptags(...)", str(doc))
        tags = {line.split("\t")[0] for line in (doc / "tags").read_text(encoding="utf-8").splitlines()}
        words = editor.lua("return vim.fn.getcompletion('Stardraft ', 'cmdline')")
        assert {f":Stardraft-{word}" for word in words} <= tags
        keys = editor.lua("return vim.tbl_keys(require('stardraft.config').defaults)")
        assert {f"stardraft-{key.replace('_', '-')}" for key in keys} <= tags


SHOWN = "textDocument/didShowCompletion"
WATCH_REDRAWS = """
seen = {}
vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace('test'), {
  on_end = function()
    vim.schedule(function()
      local cells = {}
      for column = 1, 20 do cells[column] = vim.fn.screenstring(1, column) end
      seen[#seen + 1] = vim.trim(table.concat(cells))
    end)
  end,
})
"""


STRUCK_OUT = """
local ns, found = vim.api.nvim_get_namespaces()['stardraft.ghost'], {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true })) do
  if mark[4].hl_group == 'StardraftReplaced' then found[#found + 1] = { mark[3], mark[4].end_col } end
end
return found
"""


def asked(scripted: Open, keys: str, text: str = "") -> Scripted:
    """An editor in which these keys were typed, and the server was asked at the end of them."""
    at = scripted(text)
    at.type(keys)
    ask_again(at)
    return at


def ask_again(at: Scripted) -> None:
    """Waits until the server was asked for the place where the cursor is now."""

    def is_asked() -> bool:
        questions = at.script.heard(ASKED)
        row, column = at.editor.cursor()
        before = at.editor.lines()[row].encode()[:column].decode()
        here = {"line": row, "character": n_units(before, at.encoding)}
        return bool(questions) and questions[-1]["position"] == here

    wait_until(is_asked, what="the server was not asked at the cursor")


def rows_asked_about(at: Scripted) -> set[int]:
    return {question["position"]["line"] for question in at.script.heard(ASKED)}


def n_units(text: str, encoding: str) -> int:
    codec, size_bytes = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[
        encoding
    ]
    return len(text.encode(codec)) // size_bytes


def ends_with(at: Scripted, text: str) -> bool:
    return at.line().endswith(text)


def has_lines(at: Scripted, lines: list[str]) -> bool:
    return at.editor.lines() == lines


def partly(at: Scripted, n: int) -> list[int] | None:
    told = [part["acceptedLength"] for part in at.script.heard("textDocument/didPartiallyAcceptCompletion")]
    return told if len(told) >= n else None


def span(line: int, start: int, end: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}
