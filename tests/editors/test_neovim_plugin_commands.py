"""The Neovim plugin beside suggestions: `:Stardraft`, status, what the server asks; words and units."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import find_neovim
from tests.editors.neovim_plugin import (
    FLOATING,
    SCRIPTED,
    Open,
    PluginNeovim,
    asked,
    both_versions,
    n_units,
    span,
)
from tests.support.waiting import wait_until

ON = (
    r"stardraft is (ready|starting)\..*|.*The next suggestion brings the model back\..*|"
    r"A suggestion is being made\..*|.*is loading.*"
)
READY = {"state": "ready", "message": "", "reason": "", "model": "tiny", "warning": ""}


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


@both_versions
def test_switches_are_seen_at_once_and_their_second_use_takes_the_first_back(scripted: Open) -> None:
    at = scripted("")
    status = "return require('stardraft').status()"
    wait_until(lambda: at.script.heard("textDocument/didOpen"))
    at.script.tell("stardraft/status", READY)
    wait_until(lambda: at.editor.lua(status) == "stardraft")
    at.editor.lua("vim.cmd.Stardraft('toggle', 'buffer')")
    assert at.editor.lua(status) == "stardraft off"
    at.editor.lua("vim.cmd.Stardraft('toggle', 'buffer')")
    assert at.editor.lua(status) == "stardraft"
    assert at.editor.lua("return vim.b.stardraft") is None
    at.editor.lua("vim.cmd.Stardraft('snooze', '15')")
    snoozed = {"state": "off", "reason": "snoozed", "message": "Suggestions are snoozed for 15 more minutes."}
    at.script.tell("stardraft/status", {**READY, **snoozed})
    wait_until(lambda: at.editor.lua(status) == "stardraft zz 15m")
    at.editor.lua("vim.cmd.checkhealth('stardraft')")
    health = "\n".join(at.editor.lines())
    assert "WARNING Suggestions are snoozed for 15 more minutes." in health
    at.editor.lua("vim.cmd.bdelete()")
    at.editor.lua("vim.cmd.Stardraft('toggle')")  # back on, whatever put them off
    wait_until(lambda: at.script.heard("stardraft/switch") == [{"enabled": True}])


def test_what_a_switch_says_is_what_the_server_does_then(neovim: PluginNeovim, tmp_path: Path) -> None:
    """Not what it did before: asked while the switch is on its way, its last report is of before."""
    (tmp_path / "a.py").write_text("import os\n")
    neovim.open_file(tmp_path / "a.py")
    for words, said in (
        ("toggle", r"Suggestions are switched off in this Neovim\."),
        ("toggle", ON),
        ("snooze 15", r"Suggestions are snoozed for 15 more minutes\."),
        ("status", r"Suggestions are snoozed for 15 more minutes\."),
        ("snooze 0", ON),
        ("toggle buffer", r"Suggestions are switched off in this buffer\."),
        ("toggle buffer", ON),
        ("toggle", r"Suggestions are switched off in this Neovim\."),
        ("enable", ON),
    ):
        neovim.lua("vim.cmd.messages('clear'); vim.cmd('Stardraft ' .. ...)", words)
        told = wait_until(neovim.messages, what=f":Stardraft {words} said nothing")
        assert re.fullmatch(said, told), words


def test_a_server_that_comes_later_rests_as_the_others_do(scripted: Open) -> None:
    at = scripted("")
    at.editor.lua("vim.cmd.Stardraft('snooze', '15')")
    wait_until(lambda: at.script.heard("stardraft/snooze"))
    n_started = len(at.script.heard("initialize"))
    at.editor.lua("vim.cmd.Stardraft('restart')")
    wait_until(lambda: len(at.script.heard("initialize")) > n_started, what="the server did not come back")
    told = wait_until(lambda: at.script.heard("stardraft/snooze")[1:], what="it was not told")
    assert 14 < told[0]["minutes"] <= 15


def test_the_server_hears_where_the_user_is(scripted: Open, tmp_path: Path) -> None:
    at = scripted("")
    other = tmp_path / "b.txt"
    other.touch()
    at.editor.open_file(other)
    at.editor.lua("vim.cmd.edit('#')")

    def is_told() -> bool:
        focused = at.script.heard("textDocument/didFocus")
        return bool(focused) and focused[-1]["textDocument"]["uri"].endswith("/a.txt")

    wait_until(is_told)


def test_the_status_is_what_the_server_says(scripted: Open) -> None:
    at = scripted("")
    assert at.editor.lua("return require('stardraft').status()") == "stardraft ..."
    at.editor.lua("vim.o.laststatus = 2; vim.o.statusline = [[%{%v:lua.require('stardraft').status()%}]]")
    report = {"state": "busy", "message": "", "reason": "", "model": "tiny"}
    at.script.tell("stardraft/status", report)
    wait_until(lambda: "stardraft *" in at.editor.screen())
    assert at.editor.lua("return require('stardraft').report()") == report


@both_versions
def test_where_a_suggestion_comes_from_is_told_and_asks_for_no_enter(scripted: Open, tmp_path: Path) -> None:
    at = scripted("")

    def says(sentence: str) -> None:
        at.editor.lua("vim.cmd.messages('clear')")
        at.type(":Stardraft origin<CR>")
        wait_until(lambda: at.editor.messages() == sentence, what=at.editor.messages)
        assert at.editor.lua("return vim.api.nvim_get_mode()") == {"mode": "n", "blocking": False}

    says("There is no suggestion.")
    at.script.result("stardraft/origin", {"source": "model"})
    says("The model wrote it.")
    origin = {
        "source": "echo",
        "uri": (tmp_path / "b c.txt").as_uri(),
        "line": 6,
        "text": "\t\tx = [\t" + "1, " * 90,
    }
    at.script.result("stardraft/origin", origin)
    at.editor.lua("vim.o.columns = 40")
    at.type(":Stardraft origin<CR>")
    told = f"b c.txt:7: x = [ {'1, ' * 90}".strip()
    wait_until(lambda: "".join(at.editor.lua(FLOATING)).strip() == told, what=at.editor.messages)
    assert at.editor.lua("return vim.api.nvim_get_mode()") == {"mode": "n", "blocking": False}
    assert at.script.heard("stardraft/origin")[-1] == {"textDocument": {"uri": (tmp_path / "a.txt").as_uri()}}


@both_versions
def test_the_line_that_a_suggestion_was_taken_from_is_opened_in_a_split(
    scripted: Open, tmp_path: Path
) -> None:
    at = scripted("")
    other = tmp_path / "b c.txt"
    origin = {"source": "echo", "uri": other.as_uri(), "line": 1, "text": "two"}
    at.script.result("stardraft/origin", origin)
    at.type(":Stardraft! origin<CR>")
    wait_until(lambda: at.editor.messages() == "stardraft: b c.txt is not there any more.")
    other.write_text("one\n  two\nthree\n")
    at.type(":Stardraft! origin<CR>")
    wait_until(lambda: at.editor.lua("return vim.api.nvim_buf_get_name(0)") == str(other))
    assert at.editor.cursor() == (1, 2)
    assert at.editor.lua("return vim.fn.winlayout()[1]") == "col"


@pytest.mark.parametrize(
    ("echo", "sentence"),
    [
        ("auto", "Suggestions come from your own code until a real model has something to say."),
        (
            "off",
            'Suggestions come from the model alone, none from your own code (the setting `echo` is "off").',
        ),
    ],
)
def test_checkhealth_says_whether_suggestions_come_from_own_code(
    scripted: Open, echo: str, sentence: str
) -> None:
    at = scripted("")
    at.script.result("stardraft/status", {**READY, "echo": echo})
    at.editor.lua("vim.cmd.checkhealth('stardraft')")
    assert sentence in "\n".join(at.editor.lines())


def test_words_of_the_command_are_completed(scripted: Open) -> None:
    at = scripted("")
    complete = "return vim.fn.getcompletion(..., 'cmdline')"
    assert at.editor.lua(complete, "Stardraft acc") == ["accept", "accept-line", "accept-word"]
    assert at.editor.lua(complete, "Stardraft model pu") == ["pull"]
    assert at.editor.lua(complete, "Stardraft! or") == ["origin"]
    at.type(":Stardraft nonsense<CR>")
    # All of it, without Enter: it is longer than a line, so it stands in a window.
    wait_until(
        lambda: "There is no :Stardraft nonsense. There are: accept," in "".join(at.editor.lua(FLOATING))
    )
    assert at.editor.call("nvim_get_mode")["blocking"] is False


@both_versions
def test_a_message_that_was_cut_is_whole_in_the_status(scripted: Open) -> None:
    """One line at once, which asks for no Enter, and says once who says it; the rest can be asked for."""
    at = scripted("")
    at.script.tell("window/showMessage", {"type": 2, "message": "stardraft: " + "long " * 40 + "the end."})
    wait_until(lambda: "stardraft: long" in at.editor.messages())
    assert at.editor.call("nvim_get_mode")["blocking"] is False
    assert "stardraft: stardraft" not in at.editor.messages()
    assert "the end." not in at.editor.messages()
    at.type(":Stardraft status<CR>")
    wait_until(
        lambda: (
            "It said: stardraft: long" in (told := "".join(at.editor.lua(FLOATING))) and "the end." in told
        )
    )
    assert at.editor.call("nvim_get_mode")["blocking"] is False


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
    assert capabilities["experimental"] == {"stardraft": {"declarations": True, "warnings": True}}
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
