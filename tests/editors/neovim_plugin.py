"""A real Neovim with the plugin of packaging/neovim, in two versions, and what a user sees in it.

It is loaded as a package manager loads it: its folder is on the 'runtimepath' before Neovim starts.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.editors.neovim import Neovim, find_neovim
from tests.support.processes import is_gone
from tests.support.waiting import wait_until

PLUGIN = Path(__file__).resolve().parents[2] / "packaging" / "neovim"

SCRIPTED = Path(__file__).with_name("neovim_server.py")
ASKED = "textDocument/inlineCompletion"
SAY = """
local client = vim.lsp.get_clients({ bufnr = 0, name = 'stardraft' })[1]
if vim.fn.has('nvim-0.11') == 1 then client:notify(...) else client.notify(...) end
"""
VISIBLE = "return require('stardraft').is_visible()"
ATTACHED = """
local client = vim.lsp.get_clients({ bufnr = 0, name = 'stardraft' })[1]
return client ~= nil and client.initialized == true
"""
FLOATING = """
local found = {}
for _, window in ipairs(vim.api.nvim_list_wins()) do
  if vim.api.nvim_win_get_config(window).relative ~= '' then
    vim.list_extend(found, vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false))
  end
end
return found
"""
IS_SETTLED = """
for _, client in ipairs(vim.lsp.get_clients({ bufnr = 0, name = 'stardraft' })) do
  for _, request in pairs(client.requests) do
    if request.method == 'textDocument/inlineCompletion' then return false end
  end
end
return require('stardraft').is_visible()
"""
GHOST = """
local ns = vim.api.nvim_get_namespaces()['stardraft.ghost']
local marks = ns and vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true }) or {}
local function text(chunks) return table.concat(vim.tbl_map(function(c) return c[1] end, chunks or {})) end
local said = {}
for _, mark in ipairs(marks) do
  if mark[4].virt_text then said[#said + 1] = text(mark[4].virt_text) end
  for _, line in ipairs(mark[4].virt_lines or {}) do said[#said + 1] = '\\n' .. text(line) end
end
return table.concat(said)
"""


def find_old_neovim() -> str:
    """Neovim 0.10, which STARDRAFT_NVIM_0_10 names. Skips the test where it is not set."""
    binary = os.environ.get("STARDRAFT_NVIM_0_10")
    if not binary:
        pytest.skip("no Neovim 0.10: STARDRAFT_NVIM_0_10 is not set")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    if not re.match(r"NVIM v0\.10\.", said):
        pytest.fail(f"{binary} is not Neovim 0.10: {said.splitlines()[0]}")
    return binary


FINDERS = {"0.12": find_neovim, "0.10": find_old_neovim}
both_versions = pytest.mark.parametrize("version", FINDERS)

# A configuration in which no suggestion is held back.
SHOW_ALL = "[editor]\nconfidence = false\n"


class PluginNeovim(Neovim):
    """One editor with the plugin. `settings` is Lua of its init.lua, which runs before the plugin is read."""

    def __init__(self, binary: str, environment: Mapping[str, str], folder: Path, settings: str = "") -> None:
        init = folder / "init.lua"
        init.write_text(f"vim.opt.runtimepath:prepend([[{PLUGIN}]])\n{settings}\n", encoding="utf-8")
        self._stderr = folder / "nvim-stderr.txt"
        self._next_id = 0
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [binary, "--embed", "--headless", "--clean", "-n", "-u", str(init)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(environment, XDG_STATE_HOME=str(folder / "nvim-state")),
                cwd=folder,
            )

    def __enter__(self) -> "PluginNeovim":
        return self

    def __exit__(self, *problem: object) -> None:
        """Ends when the language servers have ended as well, so that nobody need look for them."""
        servers = psutil.Process(self.process.pid).children()
        super().__exit__(*problem)
        wait_until(lambda: all(is_gone(server.pid) for server in servers), what="a language server is left")

    def open_file(self, file: Path) -> None:
        """Edits `file`, and waits until the plugin's language server is there."""
        self.lua("vim.cmd.edit(vim.fn.fnameescape(...))", str(file))
        wait_until(lambda: self.lua(ATTACHED), what="the plugin started no language server")

    def is_visible(self) -> bool:
        return bool(self.lua(VISIBLE))

    def ghost_text(self) -> str:
        """What is drawn and not there, all pieces in their order; "" when nothing is."""
        return str(self.lua(GHOST))

    def see_ghost(self) -> str:
        """The suggestion, once it is shown."""
        return wait_until(lambda: self.ghost_text() or None, what="no suggestion appeared")

    def see_whole_ghost(self) -> str:
        """The suggestion, once the server has said all of it."""
        wait_until(lambda: self.lua(IS_SETTLED), what="no suggestion was answered in full")
        return self.ghost_text()

    def messages(self) -> str:
        """What Neovim has told the user so far."""
        return str(self.lua("return vim.api.nvim_exec2('messages', { output = true }).output"))


class Script:
    """The scripted server of one editor: what the test has it say, and what it has heard."""

    def __init__(self, editor: PluginNeovim, log: Path) -> None:
        self._editor = editor
        self._log = log

    def heard(self, method: str) -> list[Any]:
        """The parameters of all messages of a kind so far."""
        return [message["params"] for message in self._messages() if message.get("method") == method]

    def methods(self) -> list[str]:
        """What has come, in its order."""
        return [message["method"] for message in self._messages() if "method" in message]

    def answers(self) -> list[Any]:
        """What the client has answered to `ask`."""
        return [message for message in self._messages() if str(message.get("id", "")).startswith("ask-")]

    def _messages(self) -> list[Any]:
        if not self._log.exists():
            return []
        whole = self._log.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def question(self, number: int) -> Any:
        """The parameters of the request with this number, counted from 1, once it was asked."""
        what = f"request {number} for a suggestion never came"
        wait_until(lambda: len(self.heard(ASKED)) >= number, what=what)
        return self.heard(ASKED)[number - 1]

    def pid(self) -> int:
        """The process of the server that was started last."""
        return int(self.heard("test/pid")[-1])

    def n_questions(self) -> int:
        return len(self.heard(ASKED))

    def grow(self, text: str, **wanted: Any) -> None:
        """The newest suggestion is this so far."""
        self._say("test/grow", {"text": text, **wanted})

    def answer(self, *texts: str, **wanted: Any) -> None:
        """Answers the newest question with these candidates, named "id-1" and so on."""
        items = [{"text": text, "id": f"id-{i}", **wanted} for i, text in enumerate(texts, 1)]
        self._say("test/answer", {"items": items})

    def supersede(self) -> None:
        self._say("test/answer", {"items": None})

    def ask(self, method: str, params: Any) -> None:
        self._say("test/ask", {"method": method, "params": params})

    def result(self, method: str, result: Any) -> None:
        """What requests of a kind are answered from now on."""
        self._say("test/result", {"method": method, "result": result})

    def tell(self, method: str, params: Any) -> None:
        self._say("test/tell", {"method": method, "params": params})

    def _say(self, method: str, params: Any) -> None:
        self._editor.lua(SAY, method, params)


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


Open = Callable[..., Scripted]


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
