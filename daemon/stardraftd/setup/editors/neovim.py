"""Neovim 0.12 or newer, without a plugin: one file in the folder that it loads by itself.

Also where a Neovim has its folders, and what of stardraft is in them already; the plugin is neovim_plugin.py.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stardraftd.errors import StardraftError
from stardraftd.paths import tilde
from stardraftd.setup.editors.editor import (
    Editor,
    Place,
    Plan,
    config_home,
    own_file,
    quoted,
    with_command,
)
from stardraftd.setup.shipped import content

NEEDED = (0, 12)
NEEDED_BY_PLUGIN = (0, 10)
VERSION_TIMEOUT_S = 10.0
MAX_FILE_BYTES = 1_000_000
# Neovim makes its log, with its folders, even for --version.
WRITES_NO_LOG = {"NVIM_LOG_FILE": os.devnull}
# What starts the server and Neovim's own inline completion, in a file of ours or one that a user wrote so.
_STARTS_SERVER = re.compile(rb"""vim\.lsp\.(config|enable)\W+stardraft\b""")
_SHOWS_IT = b"inline_completion"


def config_folder() -> Path:
    """Where Neovim reads its configuration: NVIM_APPNAME and XDG_CONFIG_HOME count, as they do for Neovim."""
    name = os.environ.get("NVIM_APPNAME") or "nvim"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    return config_home() / name


def data_folder() -> Path:
    """What Neovim calls stdpath('data'): NVIM_APPNAME and XDG_DATA_HOME count, as they do for Neovim."""
    name = os.environ.get("NVIM_APPNAME") or "nvim"
    home = os.environ.get("XDG_DATA_HOME")
    if os.name == "nt":
        return Path(home or os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / f"{name}-data"
    return Path(home or Path.home() / ".local" / "share") / name


def packages() -> list[Path]:
    """The folders in which the plugin lies as a package of Vim's own, whoever put it there."""
    sites = (data_folder() / "site", config_folder())
    found = (file for site in sites for file in sorted(site.glob("pack/*/*/*/plugin/stardraft.lua")))
    return [file.parents[1] for file in found]


def files_without_plugin() -> list[Path]:
    """Files of the configuration that set stardraft up with Neovim's own inline completion."""
    return [
        file
        for file, said in _configuration()
        if _STARTS_SERVER.search(said) is not None and _SHOWS_IT in said
    ]


def speaking_of(text: bytes) -> list[Path]:
    """Files of the configuration that have this in them."""
    return [file for file, said in _configuration() if text in said]


def version(program: str) -> tuple[int, ...] | None:
    """What the program says of its version; None when it says nothing that can be read."""
    try:
        said = subprocess.run(
            [program, "--version"],
            env=os.environ | WRITES_NO_LOG,
            capture_output=True,
            timeout=VERSION_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"NVIM v(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else None


def written(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _plan(place: Place) -> Plan:
    if place.path is None:
        _refuse_beside_plugin()
    found = version(place.program) if place.program else None
    if found is not None and found < NEEDED:
        raise StardraftError(
            f"{place.program} is Neovim {written(found)}: it has no inline completion, "
            f"which came with {written(NEEDED)}.",
            "The plugin needs none: stardraft setup nvim --plugin"
            if found >= NEEDED_BY_PLUGIN
            else f"Update Neovim: from {written(NEEDED_BY_PLUGIN)} on there is the plugin, "
            "stardraft setup nvim --plugin",
        )
    path = place.path or config_folder() / "plugin" / "stardraft.lua"
    if place.path is None and (other := _other_file(path)):
        return Plan(already=f"{tilde(other)} speaks of stardraft already")
    lua = with_command(
        content("neovim/stardraft.lua"), "{ 'stardraft', 'lsp' }", f"{{ {quoted(place.command)} }}"
    )
    if place.command == ("stardraft", "lsp"):
        lua = content("neovim/stardraft.lua")
    planned, already = own_file(place, path, lua, "--")
    return Plan(
        changes=(planned,),
        already=already,
        after=("Start Neovim, open a file and type: the suggestion appears in gray, and Tab takes it.",),
    )


def _refuse_beside_plugin() -> None:
    """Raises StardraftError when the plugin is there: both would show every suggestion and map Tab."""
    if there := packages():
        raise StardraftError(
            f"The plugin is set up already, in {tilde(there[0])}, and does what this file would do.",
            "Leave it so. Or, for the file in its place: stardraft setup nvim --plugin --undo\n"
            "(if that knows nothing of it, remove that folder), then: stardraft setup nvim",
        )


def _other_file(own: Path) -> Path | None:
    """A file of the user's configuration, other than ours, that speaks of stardraft."""
    return next((file for file in speaking_of(b"stardraft") if file != own), None)


def _configuration() -> Iterator[tuple[Path, bytes]]:
    """The files of the user's configuration with what is in them; not those that cannot be read."""
    for pattern in ("*.lua", "*.vim"):
        for file in sorted(config_folder().rglob(pattern)):
            try:
                said = file.read_bytes() if file.stat().st_size <= MAX_FILE_BYTES else b""
            except OSError:
                continue
            yield file, said


EDITOR = Editor("nvim", "Neovim", ("nvim",), _plan, "~/.config/nvim/plugin/stardraft.lua")
