"""Suggestions from the user's own code, in real editors: a project of two files, and no model anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import Neovim, find_neovim
from tests.editors.neovim_plugin import FINDERS, PluginNeovim, both_versions
from tests.editors.test_neovim import CONFIG, type_one_key
from tests.editors.vscode import STARTING_S, Browser, CodeServer, find_extension, find_vscode
from tests.support.waiting import bytes_in, wait_until

WRITTEN = """\
def total_of(rows):
    amount = sum(rows)
    return round(amount, 2)
"""
LINE = 2  # of it, in lines from 1, which is to be suggested
BEGUN = "def total_of(rows):\n"
TYPED, SUGGESTED = "    amount = su", "m(rows)"

# Nothing is drawn any more for so long: no suggestion is on its way.
SETTLED_MS = 600.0
TAKEN = [*BEGUN.splitlines(), TYPED + SUGGESTED]


@pytest.fixture
def own_code(home: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a project where no model is asked. No daemon has come of it in the end."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "prices.py").write_text(WRITTEN, encoding="utf-8")
    (tmp_path / "orders.py").write_text(BEGUN, encoding="utf-8")
    yield {**home, "STARDRAFT_EDITOR_ECHO": "only"}
    assert not Path(home["STARDRAFT_STATE_DIR"], "logs", "daemon.log").exists(), "a daemon was started"


@both_versions
def test_the_other_files_line_is_shown_and_taken_and_its_place_is_told(
    own_code: dict[str, str], tmp_path: Path, version: str
) -> None:
    with PluginNeovim(FINDERS[version](), own_code, tmp_path) as neovim:
        neovim.open_file(tmp_path / "orders.py")
        neovim.keys(":Stardraft origin<CR>")
        wait_until(lambda: neovim.messages() == "There is no suggestion.")
        neovim.keys(f"o<C-u>{TYPED}")  # not as the file type would indent

        def is_suggested() -> bool:  # once the other file is read
            if neovim.ghost_text() == SUGGESTED:
                return True
            neovim.keys(f"<BS>{TYPED[-1]}")
            return False

        wait_until(is_suggested)
        neovim.keys("<Tab>")
        wait_until(lambda: neovim.lines() == TAKEN, what=lambda: f"Tab made {neovim.lines()}")
        neovim.keys("<Esc>:Stardraft origin<CR>")
        said = f"prices.py:{LINE}: {(TYPED + SUGGESTED).strip()}"
        wait_until(lambda: neovim.messages().splitlines()[-1] == said, what=neovim.messages)
        neovim.keys(":Stardraft! origin<CR>")
        wait_until(lambda: neovim.cursor()[0] == LINE - 1 and neovim.lines() == WRITTEN.splitlines())
        neovim.lua("vim.cmd.checkhealth('stardraft')")
        health = "\n".join(neovim.lines())
        assert "Suggestions come from your own code; no model is asked." in health


def test_without_the_plugin_it_is_shown_and_taken_as_well(own_code: dict[str, str], tmp_path: Path) -> None:
    with Neovim(find_neovim(), own_code, tmp_path, CONFIG) as neovim:
        neovim.open(tmp_path / "orders.py")
        neovim.keys(":StardraftStatus<CR>")
        said = "return vim.trim(vim.api.nvim_exec2('messages', { output = true }).output)"
        wait_until(lambda: neovim.lua(said) == "stardraft is ready. Suggestions come from your own code.")
        neovim.keys(f"o<C-u>{TYPED}")

        def is_suggested() -> bool:  # once the other file is read
            neovim.keys("<BS>")
            type_one_key(neovim, TYPED[-1])
            ghost = neovim.ghost()
            return ghost is not None and ghost.text == SUGGESTED

        wait_until(is_suggested)
        neovim.keys("<Tab>")
        wait_until(lambda: neovim.lines() == TAKEN, what=lambda: f"Tab made {neovim.lines()}")


def test_vscode_shows_and_takes_it_and_opens_its_place(
    own_code: dict[str, str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    vscode, apart = find_vscode(), tmp_path_factory.mktemp("vscode")
    here = tmp_path / "orders.py"
    with (
        CodeServer(vscode, find_extension(), own_code, apart, {}) as server,
        Browser(vscode, {**own_code, "HOME": str(apart)}, apart / "driver.log") as browser,
    ):
        window = browser.open(server.folder_url(tmp_path))
        window.open_file(here, 1)
        window.command("stardraft: Where the Suggestion Comes From")
        wait_until(lambda: window.says("stardraft: There is no suggestion."), what=window.status)
        window.press("Enter")
        window.type(TYPED.strip())  # VS Code indents by itself

        def is_suggested() -> bool:  # once the other file is read, and what draws it is loaded
            frame = window.ghost()
            if frame is None and window.unchanged_ms() > SETTLED_MS:
                window.press("Backspace")
                window.type(TYPED[-1])
                window.forget_frames()
            return frame is not None and frame.shown[-1] == TAKEN[-1]

        wait_until(is_suggested, STARTING_S, what=window.why_nothing)
        window.press("Tab")
        window.press("Control+s")
        wait_until(lambda: bytes_in(here).decode().splitlines() == TAKEN)
        window.command("stardraft: Where the Suggestion Comes From")

        def is_opened() -> bool:
            frame = window.now()
            return frame is not None and frame.line == TAKEN[-1] and window.shows_tab("prices.py")

        wait_until(is_opened, what=lambda: f"prices.py was not opened at its line: {window.now()}")
