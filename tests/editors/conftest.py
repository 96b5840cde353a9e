"""A Neovim with the plugin, for the tests of it: with the real language server, or with a scripted one."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.editors.neovim_plugin import FINDERS, SCRIPTED, SHOW_ALL, PluginNeovim, Script, Scripted
from tests.support.home import write_config


@pytest.fixture
def version() -> str:
    """Where a test does not ask for both."""
    return "0.12"


@pytest.fixture
def settings() -> str:
    """Lua of the user's init.lua."""
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
