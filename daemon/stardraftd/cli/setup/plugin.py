"""`stardraft setup nvim --plugin`: a folder of files that are all ours, so their names are shown.

With --print every line of them is shown, as for the others. What is to be done is decided in
setup/editors/neovim_plugin.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stardraftd.cli.setup.asking import Manner, agreed, show_diff
from stardraftd.console.printable import tell
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from stardraftd.setup.changes import Change


def set_up_plugin(manner: Manner) -> None:
    """Puts the plugin in, or renews it. Raises a StardraftError, and typer.Exit when the user says no."""
    from stardraftd.paths import tilde
    from stardraftd.setup import record
    from stardraftd.setup.editors import Place, editor, find_command, find_program
    from stardraftd.setup.editors.neovim_plugin import NAME, folder, plan

    place = Place(find_program(editor("nvim")), find_command(is_desktop=False), None, NAME)
    if place.program is None:
        tell("Neovim was not found (nvim on the PATH); it can be set up all the same.", to_stderr=True)
    planned = plan(place)
    needed = [one for one in planned.changes if one.is_needed]
    if planned.already:
        tell(f"Neovim's plugin is already set up: {planned.already}.")
        return
    if not needed:
        tell(f"Neovim's plugin is already set up, in {tilde(folder())}.")
        return
    _show(needed, manner)
    if not manner.print_only:
        for one in needed:
            one.check()
    if not agreed(manner, f"Write {_counted(needed)} into {tilde(folder())}?"):
        return
    if not _is_anything_left():
        record.forget(NAME)  # the user has removed all of it: it begins anew
    record.apply(NAME, needed)
    tell(f"Written: {_counted(needed)} in {tilde(folder())}")
    tell()
    for line in planned.after:
        tell(line, fit=not line.startswith("  "))  # code to copy stays in one line
    tell("To take it back: stardraft setup nvim --plugin --undo")


def take_plugin_back(manner: Manner) -> bool:
    """Removes what `set_up_plugin` has put in. False when that was nothing.

    Raises a StardraftError when the user has changed a file since, and typer.Exit when they say no.
    """
    from stardraftd.paths import tilde
    from stardraftd.setup import record
    from stardraftd.setup.changes import change
    from stardraftd.setup.editors.neovim_plugin import NAME, TAGS, folder

    if NAME not in record.names():
        return False
    if not _is_anything_left():
        record.forget(NAME)
        tell(f"The plugin for Neovim is gone already from {tilde(folder())}.")
        return True
    changes = [one for one in record.undoing(NAME) if one.is_needed]
    # Tags that Neovim made later are not in the record, and of nothing but our help.
    if (folder() / TAGS) not in [one.path for one in changes]:
        changes += [one for one in [change(folder() / TAGS, None)] if one.is_needed]
    _show(changes, manner)
    if not agreed(manner, f"Take {_counted(changes)} out of {tilde(folder())}?"):
        return True
    record.undo(NAME, changes)
    tell(f"Removed: {_counted(changes)} in {tilde(folder())}")
    tell("Neovim is as it was.")
    return True


def _is_anything_left() -> bool:
    from stardraftd.setup import record
    from stardraftd.setup.editors.neovim_plugin import NAME

    return any(Path(entry.path).exists() for entry in record.load(NAME).entries)


def _show(changes: "Sequence[Change]", manner: Manner) -> None:
    from stardraftd.setup.editors.neovim_plugin import folder

    if manner.print_only:
        show_diff(changes)
        return
    for one in changes:
        what = "new" if one.before is None else "removed" if one.after is None else "renewed"
        name = one.path.relative_to(folder()) if one.path.is_relative_to(folder()) else one.path
        tell(f"  {what:8} {name}")
    if not manner.yes:
        tell("With --print you see every line of them.")


def _counted(changes: "Sequence[Change]") -> str:
    return counted(len(changes), "file")
