"""Neovim 0.12 or newer, without a plugin: one file in the folder that it loads by itself."""

import os
import re
import subprocess
from pathlib import Path

from stardraftd.errors import StardraftError
from stardraftd.paths import tilde
from stardraftd.setup.editors.editor import (
    Editor,
    Place,
    Plan,
    config_home,
    content,
    own_file,
    quoted,
    with_command,
)

NEEDED = (0, 12)
VERSION_TIMEOUT_S = 10.0
MAX_FILE_BYTES = 1_000_000


def config_folder() -> Path:
    """Where Neovim reads its configuration: NVIM_APPNAME and XDG_CONFIG_HOME count, as they do for Neovim."""
    name = os.environ.get("NVIM_APPNAME") or "nvim"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    return config_home() / name


def version(program: str) -> tuple[int, ...] | None:
    """What the program says of its version; None when it says nothing that can be read."""
    try:
        said = subprocess.run(
            [program, "--version"],
            capture_output=True,
            timeout=VERSION_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"NVIM v(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else None


def _plan(place: Place) -> Plan:
    found = version(place.program) if place.program else None
    if found is not None and found < NEEDED:
        raise StardraftError(
            f"{place.program} is Neovim {'.'.join(map(str, found))}: it has no inline completion, "
            f"which came with {'.'.join(map(str, NEEDED))}.",
            "Use the plugin in packaging/neovim, which is for 0.10 and newer, or a newer Neovim.",
        )
    path = place.path or config_folder() / "plugin" / "stardraft.lua"
    if place.path is None and (other := _other_file(path)):
        return Plan(already=f"{tilde(other)} speaks of stardraft already")
    lua = with_command(content("neovim.lua"), "{ 'stardraft', 'lsp' }", f"{{ {quoted(place.command)} }}")
    if place.command == ("stardraft", "lsp"):
        lua = content("neovim.lua")
    planned, already = own_file(place, path, lua, "--")
    return Plan(
        changes=(planned,),
        already=already,
        after=("Start Neovim, open a file and type: the suggestion appears in grey, and Tab takes it.",),
    )


def _other_file(own: Path) -> Path | None:
    """A file of the person's configuration, other than ours, that speaks of stardraft."""
    folder = config_folder()
    files = (file for pattern in ("*.lua", "*.vim") for file in sorted(folder.rglob(pattern)))
    return next((file for file in files if file != own and _mentions(file)), None)


def _mentions(file: Path) -> bool:
    try:
        return file.stat().st_size <= MAX_FILE_BYTES and b"stardraft" in file.read_bytes()
    except OSError:
        return False


EDITOR = Editor("nvim", "Neovim", ("nvim",), _plan, "~/.config/nvim/plugin/stardraft.lua")
