"""The Neovim plugin, in the oldest and the newest Neovim that it serves: keys go in, the screen is looked at.

Here with the real language server and the built-in model, or with none. Where timing and words are the point
a scripted one runs (`neovim_server`), in the files beside this: the plugin cannot tell them apart.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.editors.neovim import find_neovim
from tests.editors.neovim_plugin import (
    ASKED,
    FINDERS,
    PLUGIN,
    SCRIPTED,
    SHOW_ALL,
    PluginNeovim,
    Script,
    both_versions,
)
from tests.support.home import write_config
from tests.support.waiting import wait_until

SHELF = (PLUGIN.parents[1] / "tests" / "data" / "demo" / "shelf.py").read_text(encoding="utf-8")
BEGINNING = SHELF.splitlines().index("        return") + 1


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


def test_a_command_of_the_program_runs_in_a_terminal(neovim: PluginNeovim, tmp_path: Path) -> None:
    open_shelf(neovim, tmp_path)
    neovim.keys(":Stardraft model list<CR>")
    wait_until(lambda: "built-in" in neovim.screen(), what="the terminal does not show the models")
    assert neovim.lua("return vim.bo.buftype") == "terminal"


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
            "stardraft needs Neovim 0.10: update it, or take the plugin out."
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


def open_shelf(editor: PluginNeovim, folder: Path) -> Path:
    file = folder / "shelf.py"
    file.write_text(SHELF, encoding="utf-8")
    editor.open_file(file)
    return file
