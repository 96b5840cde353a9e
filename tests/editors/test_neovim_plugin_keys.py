"""What the keys of the Neovim plugin do, and where there are no suggestions: with a scripted server."""

from functools import partial
from pathlib import Path

import pytest

from tests.editors.neovim_plugin import (
    Open,
    ask_again,
    asked,
    both_versions,
    has_lines,
    partly,
    rows_asked_about,
)
from tests.support.waiting import wait_until

SHOWN = "textDocument/didShowCompletion"


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
    "of the user": ("vim.keymap.set('i', '<Tab>', 'mine')", "mine"),
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
@pytest.mark.parametrize("key", ["<C-]>", "<Esc>"])
def test_what_is_sent_away_is_told_to_the_server(scripted: Open, key: str) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    at.type(key)
    told = wait_until(lambda: at.script.heard("stardraft/didDismiss"), what="the server heard nothing")
    assert [params["item"]["command"]["arguments"] for params in told] == [["id-1"]]


def test_one_command_of_normal_mode_refuses_nothing(scripted: Open) -> None:
    at = asked(scripted, "iva")
    at.script.answer("lue")
    at.sees("lue")
    at.type("<C-o>l")
    at.sees("")
    at.script.ask("workspace/configuration", {"items": []})
    wait_until(at.script.answers)  # what came before it has been heard
    assert at.script.heard("stardraft/didDismiss") == []


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
        served = "vim.lsp.get_clients({ bufnr = 0, name = 'stardraft', _uninitialized = true })"
        assert at.editor.lua(f"return #{served}") == 0
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
