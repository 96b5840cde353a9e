"""llm.nvim as it is, in a real Neovim, with `stardraft lsp` in the place of its llm-ls binary.

STARDRAFT_LLM_NVIM names the folder of huggingface/llm.nvim, which is not fetched here. It calls functions of
Neovim's that newer versions have taken away; where they are missing they are put back as they were.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import stardraft
from tests.editors.neovim import Ghost, Neovim, find_neovim
from tests.support.home import write_config
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SHELF = (ROOT / "tests" / "data" / "demo" / "shelf.py").read_text(encoding="utf-8")
BEGINNING = SHELF.splitlines().index("        return") + 1

# What llm.nvim says to a client and to Neovim, in the words of Neovim 0.10, for which it was written.
INIT = """
vim.opt.runtimepath:append({plugin})
local position_params = vim.lsp.util.make_position_params
vim.lsp.util.make_position_params = function(window, encoding)
  return position_params(window or 0, encoding or 'utf-16')
end
vim.lsp.start_client = function(config) return vim.lsp.start(config, {{ attach = false }}) end
local by_id = vim.lsp.get_client_by_id
vim.lsp.get_client_by_id = function(id)
  local client = by_id(id)
  return client and setmetatable({{
    request = function(...) return client:request(...) end,
    cancel_request = function(...) return client:cancel_request(...) end,
  }}, {{ __index = client }})
end
require('llm').setup({{
  lsp = {{ bin_path = {server} }}, backend = 'ollama', model = 'any', url = 'http://127.0.0.1:1',
  debounce_ms = 50, api_token = 'none',
}})
"""
GHOST = """
local ns = vim.api.nvim_get_namespaces()['llm.suggestion']
local mark = ns and vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true })[1]
if not mark then return vim.NIL end
local function text(chunks) return table.concat(vim.tbl_map(function(c) return c[1] end, chunks or {})) end
local lines = { text(mark[4].virt_text) }
vim.list_extend(lines, vim.tbl_map(text, mark[4].virt_lines or {}))
return { row = mark[2], column = mark[3], lines = lines, position = 'inline' }
"""


@pytest.fixture
def home_of_all(home: dict[str, str]) -> dict[str, str]:
    write_config(home, "[editor]\nconfidence = false\n")
    return home


@pytest.fixture
def neovim(home_of_all: dict[str, str], tmp_path: Path) -> Iterator[Neovim]:
    plugin = os.environ.get("STARDRAFT_LLM_NVIM")
    if not plugin:
        pytest.skip("STARDRAFT_LLM_NVIM names no folder of llm.nvim")
    binary = find_neovim()
    (tmp_path / ".git").mkdir()
    server = tmp_path / "llm-ls"  # it takes one word for its binary, without arguments
    server.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stardraftd lsp "$@"\n')
    server.chmod(0o755)
    init = tmp_path / "init.lua"
    init.write_text(INIT.format(plugin=json.dumps(plugin), server=json.dumps(str(server))))
    with Neovim(binary, {**home_of_all, "PYTHONPATH": str(ROOT)}, tmp_path, init) as editor:
        yield editor


def open_shelf(editor: Neovim, folder: Path) -> None:
    file = folder / "shelf.py"
    file.write_text(SHELF, encoding="utf-8")
    editor.lua("vim.cmd.edit(vim.fn.fnameescape(...))", str(file))
    attached = "return #vim.lsp.get_clients({ bufnr = 0, name = 'llm-ls' })"
    wait_until(lambda: editor.lua(attached), what="llm.nvim did not attach its server")


def ghost(editor: Neovim) -> Ghost | None:
    found = editor.lua(GHOST)
    shown = None if found is None else Ghost(**found)
    return shown if shown is not None and shown.text.strip() else None


def see_ghost(editor: Neovim) -> Ghost:
    return wait_until(
        lambda: ghost(editor), what=lambda: f"llm.nvim shows nothing: {editor.lua('return vim.v.errmsg')}"
    )


def counted(home: dict[str, str]) -> dict[str, int]:
    shown: dict[str, int] = json.loads(stardraft(home, "stats", "--json").stdout)["all"]
    return shown


def test_what_it_shows_can_be_accepted_and_is_counted(
    neovim: Neovim, home_of_all: dict[str, str], tmp_path: Path
) -> None:
    open_shelf(neovim, tmp_path)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    shown = see_ghost(neovim)
    before = neovim.lines()
    neovim.keys("<Tab>")
    wait_until(lambda: neovim.lines() != before, what="the suggestion was not accepted")
    assert neovim.lines() == shown.over(before)
    wait_until(lambda: counted(home_of_all)["accepted"] == 1, what="the acceptance was not counted")


def test_what_the_person_leaves_is_counted_as_rejected(
    neovim: Neovim, home_of_all: dict[str, str], tmp_path: Path
) -> None:
    open_shelf(neovim, tmp_path)
    neovim.keys(f"{BEGINNING}GA<BS>n")
    see_ghost(neovim)
    neovim.keys("<Esc>")
    wait_until(lambda: ghost(neovim) is None, what="the suggestion stayed")
    wait_until(lambda: counted(home_of_all)["rejected"] == 1, what="the rejection was not counted")
