"""How a set-up is carried out before a user's eyes: shown as a diff, asked about, done, and told.

Used for editors and for services alike; what is to be done is decided elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.cli.output.terminal import out, write
from stardraftd.console.asking import confirm
from stardraftd.console.printable import tell
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from stardraftd.setup.changes import Change

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}

Print = Annotated[
    bool, typer.Option("--print", help="Only show what would be done, as a diff; change and ask nothing.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take back exactly what was written.")]


@dataclass(frozen=True)
class Manner:
    """How it is done: print_only shows and stops there, yes does not ask."""

    print_only: bool = False
    yes: bool = False


def carry_out(
    name: str, changes: Sequence["Change"], manner: Manner, *, done: Sequence[str] = (), question: str = ""
) -> bool:
    """Shows what changes, asks, makes it and remembers it under `name`. Whether it was made.

    Raises a StardraftError when it cannot be made, and typer.Exit when the user says no.
    """
    from stardraftd.paths import tilde
    from stardraftd.setup import record

    needed = [one for one in changes if one.is_needed]
    show_diff(needed)
    if not manner.print_only:
        for one in needed:
            one.check()
    if not agreed(manner, question or _question(needed)):
        return False
    kept = record.apply(name, needed, done)
    for one in needed:
        tell(f"Written: {tilde(one.path)}" if one.after is not None else f"Removed: {tilde(one.path)}")
    for place in kept:
        tell(f"The file as it was is kept: {tilde(place)}")
    return True


def take_back(name: str, manner: Manner, path: Path | None = None) -> bool:
    """Takes back what the record of `name` has, or that of one file. Whether it was done.

    Raises a StardraftError when the user has changed a file since, and typer.Exit when they say no.
    """
    from stardraftd.paths import tilde
    from stardraftd.setup import record

    changes = record.undoing(name, path)
    show_diff(changes)
    if not agreed(manner, _question([one for one in changes if one.is_needed])):
        return False
    record.undo(name, changes, path)
    for one in changes:
        tell(f"Removed: {tilde(one.path)}" if one.after is None else f"As it was: {tilde(one.path)}")
    return True


def show_diff(changes: Sequence["Change"]) -> None:
    """The changes as a diff, in color on a terminal."""
    for one in changes:
        for line in one.diff().splitlines():
            write(out(), line, _COLOURS.get(line[:1], ""))


def agreed(manner: Manner, question: str) -> bool:
    """Whether to go on. Raises RequestError where nobody can be asked, typer.Exit when the user says no."""
    if manner.print_only:
        return False
    if manner.yes:
        return True
    confirm(question)
    return True


def _question(changes: Sequence["Change"]) -> str:
    from stardraftd.paths import tilde

    if not changes:
        return "Go on?"
    if len(changes) == 1:
        verb = "Remove" if changes[0].after is None else "Write"
        return f"{verb} {tilde(changes[0].path)}?"
    return f"Change these {counted(len(changes), 'file')}?"
