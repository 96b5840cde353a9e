"""Neovim's plugin as a package of Vim's own: a folder that Neovim 0.10 or newer loads by itself.

The files are those of packaging/neovim, which the wheel carries. Those that are there and are neither as we
wrote them nor as they are to be are the user's, and are refused.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from stardraftd.errors import PathError, StardraftError
from stardraftd.paths import tilde
from stardraftd.setup import record
from stardraftd.setup.changes import Change, change, read
from stardraftd.setup.editors.editor import Place, Plan, quoted, with_command
from stardraftd.setup.editors.neovim import (
    NEEDED_BY_PLUGIN,
    VERSION_TIMEOUT_S,
    WRITES_NO_LOG,
    data_folder,
    files_without_plugin,
    packages,
    speaking_of,
    version,
    written,
)
from stardraftd.setup.shipped import shipped

# The record's own name: it and the file without the plugin are taken back one without the other.
NAME = "nvim-plugin"
PARTS = ("plugin", "lua", "lsp", "doc")
TAGS = "doc/tags"
_BARE = ("--headless", "-n", "-u", "NONE", "-i", "NONE")  # a Neovim that reads and writes nothing of its own


def folder() -> Path:
    """Where the package goes: Neovim loads what is in pack/*/start by itself."""
    return data_folder() / "site" / "pack" / "stardraft" / "start" / "stardraft"


def source() -> Path:
    """The folder that has the plugin. Raises StardraftError where this installation has none."""
    return shipped("neovim/plugin/stardraft.lua", "the plugin for Neovim").parents[1]


def files(place: Place) -> dict[str, bytes]:
    """What the package is to have, by its path in it. Raises StardraftError."""
    top = source()
    found = {
        file.relative_to(top).as_posix(): file.read_bytes()
        for part in PARTS
        for file in sorted((top / part).rglob("*"))
        if file.suffix in {".lua", ".txt"}
    }
    if place.command != ("stardraft", "lsp"):
        name = "lua/stardraft/config.lua"
        text = with_command(
            found[name].decode(), "cmd = { 'stardraft', 'lsp' }", f"cmd = {{ {quoted(place.command)} }}"
        )
        found[name] = text.encode()
    if place.program is not None and (tags := _tags(place.program, found)) is not None:
        found[TAGS] = tags
    return found


def _tags(program: str, found: dict[str, bytes]) -> bytes | None:
    """What Neovim itself makes of the help for `:help` to find it; None when it does not."""
    with tempfile.TemporaryDirectory() as place:
        doc = Path(place, "doc")
        doc.mkdir()
        for name, text in found.items():
            if name.startswith("doc/"):
                (doc / Path(name).name).write_bytes(text)
        try:
            subprocess.run(
                [program, *_BARE, "-c", "helptags doc", "-c", "qall!"],
                cwd=place,
                env=os.environ | WRITES_NO_LOG | {"XDG_STATE_HOME": place},
                capture_output=True,
                timeout=VERSION_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                check=True,
            )
            return (doc / "tags").read_bytes()
        except (OSError, subprocess.SubprocessError):
            return None


def plan(place: Place) -> Plan:
    """What puts the plugin in, or renews it. Raises StardraftError where it cannot be."""
    found = version(place.program) if place.program else None
    if found is not None and found < NEEDED_BY_PLUGIN:
        raise StardraftError(
            f"{place.program} is Neovim {written(found)}; the plugin needs {written(NEEDED_BY_PLUGIN)}.",
            "Update Neovim; distributions often have an old one.",
        )
    target = folder()
    _refuse_beside_file()
    if already := _by_hand(target):
        return Plan(already=already)
    wanted = {target / name: text for name, text in files(place).items()}
    return Plan(
        changes=tuple(_changes(wanted)),
        after=(
            "Start Neovim, open a file and type: the suggestion grows in gray, and Tab takes it.",
            ":checkhealth stardraft says what is missing, :help stardraft has all the rest.",
            *_for_lazy(target),
        ),
    )


def _refuse_beside_file() -> None:
    """Raises StardraftError when it is set up without the plugin: both would show all, and map Tab."""
    for file in files_without_plugin():
        is_ours = any(Path(entry.path) == file for entry in record.load("nvim").entries)
        what = "Take it back: stardraft setup nvim --undo" if is_ours else "Take that out of the file."
        raise StardraftError(
            f"{tilde(file)} sets stardraft up without the plugin; with both, Tab would be mapped twice.",
            f"{what}\nThen: stardraft setup nvim --plugin",
        )


def _by_hand(target: Path) -> str:
    """How the user has the plugin already, in a way of their own; "" if they have not."""
    if target.is_symlink():
        if not (target / "plugin" / "stardraft.lua").is_file():
            raise PathError(
                f"{tilde(target)} is a link to {target.readlink()}, where the plugin is not.",
                "Remove the link.",
            )
        return f"{tilde(target)} is a link to {target.readlink()}"
    if other := [place for place in packages() if place != target]:
        return f"the plugin is in {tilde(other[0])}"
    if named := speaking_of(b"packaging/neovim"):
        return f"{tilde(named[0])} names the folder of the plugin"
    return ""


def _changes(wanted: dict[Path, bytes]) -> list[Change]:
    """New files, older ones of ours renewed, and those of ours removed that the plugin has no more.

    Raises PathError for a file that the user has changed, or put there.
    """
    recorded = [Path(entry.path) for entry in record.load(NAME).entries]
    # Another NVIM_APPNAME has a folder of its own, which stays as it is.
    recorded = [path for path in recorded if path.is_relative_to(folder())]
    planned = []
    for path in (*wanted, *dict.fromkeys(path for path in recorded if path not in wanted)):
        there, after = read(path), wanted.get(path)
        is_tags = path.name == "tags"  # which Neovim makes anew at `:helptags ALL`, as it likes
        if path not in wanted and is_tags:
            continue  # there is no Neovim to make them now
        is_ours = there is None or is_tags or record.wrote(NAME, path, there.decode("utf-8", "replace"))
        if there != after and not is_ours:
            raise _not_ours(path, was_ours=path in recorded)
        planned.append(change(path, after))
    return planned


def _not_ours(path: Path, *, was_ours: bool) -> PathError:
    if was_ours:
        return PathError(
            f"{tilde(path)} has been changed since the plugin was put there, so all of it is left as it is.",
            "Settings belong into init.lua (:help stardraft-settings). To have this file as it should be: "
            "remove it, and run the command again.",
        )
    return PathError(
        f"{tilde(path)} was not put there by this command and is of another version, so it is left as it is.",
        f"To have the plugin of this version: remove {tilde(folder())}, and run the command again.",
    )


def _for_lazy(target: Path) -> tuple[str, ...]:
    """lazy.nvim switches Vim's own packages off, and loads what its list names."""
    if not (data_folder() / "lazy" / "lazy.nvim").is_dir() or speaking_of(b"pack/stardraft"):
        return ()
    return (
        "lazy.nvim loads only what its list names. Put into it:",
        f"  {{ dir = '{tilde(target)}', event = 'VeryLazy', opts = {{}} }},",
    )
