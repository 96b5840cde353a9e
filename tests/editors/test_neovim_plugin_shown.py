"""What the Neovim plugin shows of a suggestion, and when: with a scripted server."""

from functools import partial
from pathlib import Path

import pytest

from tests.editors.neovim_plugin import (
    Open,
    asked,
    both_versions,
    ends_with,
    has_lines,
    n_units,
    span,
)
from tests.support.waiting import bytes_in, wait_until

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
    wait_until(lambda: bytes_in(file) == b"one\r\ntwo\r\nthree\r\nfour\r\n")
