"""A real Neovim, driven as a user drives it: keys go in, the buffer and the ghost text are looked at.

It runs headless with `--embed`, which is msgpack-RPC over its standard input and output
(https://neovim.io/doc/user/api.html#rpc-connecting). One request is under way at a time and no user
interface is attached, so nothing comes back but the one answer that is waited for.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.processes import exit_status
from tests.support.waiting import wait_until

NEEDED = (0, 12)
REQUEST, RESPONSE = 0, 1

# Where the ghost text stands and what it says: `overlay` is drawn over what is there, `inline` between.
GHOST = """
local ns = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
local mark = ns and vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true })[1]
if not mark then return vim.NIL end
local _, row, column, details = unpack(mark)
local function text(chunks) return table.concat(vim.tbl_map(function(c) return c[1] end, chunks or {})) end
local lines = { text(details.virt_text) }
vim.list_extend(lines, vim.tbl_map(text, details.virt_lines or {}))
return { row = row, column = column, lines = lines, position = details.virt_text_pos }
"""


# Every answer to a request for a suggestion is counted, whatever it says.
COUNT_REPLIES = """
replies = 0
vim.api.nvim_create_autocmd('LspRequest', { callback = function(event)
  local request = event.data.request
  local answered = request.method == 'textDocument/inlineCompletion' and request.type == 'complete'
  replies = replies + (answered and 1 or 0)
end })
"""
SCREEN = """
vim.cmd.redraw()
local rows = {}
for row = 1, vim.o.lines do
  local cells = {}
  for column = 1, vim.o.columns do cells[column] = vim.fn.screenstring(row, column) end
  rows[row] = table.concat(cells)
end
return table.concat(rows, '\\n')
"""
SERVERS = "return #vim.lsp.get_clients({ bufnr = 0, method = 'textDocument/inlineCompletion' })"


class Ghost(msgspec.Struct, frozen=True):
    """What is shown but not there. `row` from 0, `column` in UTF-8 bytes, as in Neovim's own interface."""

    row: int
    column: int
    lines: list[str]
    position: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def over(self, buffer: Sequence[str]) -> list[str]:
        """The lines that a user sees: those of `buffer` with the ghost text among them."""
        line = buffer[self.row].encode()
        before, behind = line[: self.column].decode(), line[self.column :].decode()
        if self.position == "overlay":
            behind = behind[len(self.lines[0]) :]
        shown = [before + self.lines[0], *self.lines[1:]]
        shown[-1] += behind
        return [*buffer[: self.row], *shown, *buffer[self.row + 1 :]]


def find_neovim() -> str:
    """The binary that STARDRAFT_NVIM names, else `nvim` of the PATH. Skips the test where there is none."""
    named = os.environ.get("STARDRAFT_NVIM")
    binary = named or shutil.which("nvim")
    if not binary:
        pytest.skip("no Neovim: neither STARDRAFT_NVIM nor an nvim on the PATH")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"NVIM v(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < NEEDED:
        reason = f"{binary} is not Neovim {NEEDED[0]}.{NEEDED[1]} or newer: {said.splitlines()[0]}"
        # Whoever names one wants this tested.
        pytest.fail(reason) if named else pytest.skip(reason)
    return binary


class Neovim:
    """One editor process. Close it: it is a context manager."""

    def __init__(self, binary: str, environment: Mapping[str, str], folder: Path, config: Path) -> None:
        self._stderr = folder / "nvim-stderr.txt"
        self._next_id = 0
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [binary, "--embed", "--headless", "--clean", "-n", "-S", str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(environment, XDG_STATE_HOME=str(folder / "nvim-state")),
                cwd=folder,
            )

    def __enter__(self) -> "Neovim":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.msgpack.encode([REQUEST, 0, "nvim_command", ["qall!"]]))
        self.process.stdin.close()
        try:
            exit_status(self.process, 10)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            print(self._stderr.read_text(errors="replace"))

    def call(self, method: str, *parameters: Any) -> Any:
        """One function of Neovim's interface. AssertionError with Neovim's own words when it fails."""
        assert self.process.stdin is not None
        self._next_id += 1
        self.process.stdin.write(msgspec.msgpack.encode([REQUEST, self._next_id, method, parameters]))
        self.process.stdin.flush()
        kind, number, error, result = self._read()
        assert (kind, number) == (RESPONSE, self._next_id)
        assert error is None, f"{method}: {error}"
        return result

    def _read(self) -> Any:
        assert self.process.stdout is not None
        received = b""
        while True:
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            assert piece, f"Neovim ended: {self._stderr.read_text(errors='replace')}"
            received += piece
            try:
                return msgspec.msgpack.decode(received)
            except msgspec.DecodeError:
                continue  # the rest of the answer is still in the pipe

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.call("nvim_exec_lua", code, list(arguments))

    def open(self, file: Path) -> None:
        """Edits `file`, and waits until the language server has said what it can do."""
        self.lua(COUNT_REPLIES)
        self.lua("vim.cmd.edit(vim.fn.fnameescape(...))", str(file))
        wait_until(lambda: self.lua(SERVERS), what="no language server offered inline completion")

    def replies(self) -> int:
        """Answers of the language server to requests for a suggestion so far."""
        return int(self.lua("return replies"))

    def keys(self, keys: str) -> None:
        """Types. `<Esc>` and the like are keys; a literal `<` is `<lt>`."""
        self.call("nvim_input", keys)

    def lines(self) -> list[str]:
        return msgspec.convert(self.call("nvim_buf_get_lines", 0, 0, -1, True), list[str])

    def cursor(self) -> tuple[int, int]:
        """Row from 0, column in UTF-8 bytes."""
        row, column = self.call("nvim_win_get_cursor", 0)
        return row - 1, column

    def screen(self) -> str:
        """What stands in the window, as a user would read it."""
        return str(self.lua(SCREEN))

    def ghost(self) -> Ghost | None:
        """The suggestion that is shown now; an empty one is none."""
        found = self.lua(GHOST)
        ghost = None if found is None else msgspec.convert(found, Ghost)
        return ghost if ghost is not None and ghost.text else None
