"""`stardraft uninstall`: everything that stardraft put on this computer, listed, then removed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.output.errors import FAILED, show, show_warning
from stardraftd.console.asking import confirm
from stardraftd.console.printable import tell
from stardraftd.errors import StardraftError

if TYPE_CHECKING:
    from stardraftd.setup.uninstall import Part

EXAMPLES = examples(
    "stardraft uninstall                lists what it would remove, and asks",
    "stardraft uninstall --purge        the models and the configuration, too",
    "stardraft uninstall --purge --yes  without asking",
)


def uninstall(
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove the models and the configuration as well.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove what stardraft has put on this computer.

    Everything is listed first, with its size, and you are asked: the service, what was set up in editors,
    the daemon's socket, what was saved of open files, logs, statistics and shell completions; with --purge
    also the models and the configuration. Files that are not stardraft's are left, and named. The package
    itself is removed by what installed it: the command for that is the last line.
    """
    from stardraftd.setup import installation

    if not _list(purge=purge):
        tell("There is nothing of stardraft on this computer but its package.")
    else:
        if not yes:
            confirm(
                "\nRemove all of this? Editors that are open should be closed first",
                otherwise="Nothing was removed",
            )
        if not _remove(purge=purge):
            raise typer.Exit(FAILED)
    tell(f"\nThe package itself goes with: {installation.removal()}", fit=False)


def _list(*, purge: bool) -> bool:
    """Shows what would be removed, and what would stay. Whether there is anything to remove."""
    from stardraftd.cli.output.wording import size
    from stardraftd.paths import tilde
    from stardraftd.setup import uninstall
    from stardraftd.setup.service import manager

    rows: list[tuple[str, str, str]] = []
    if (found := manager()) is not None:
        rows += [("", f"the service of {found.title}", tilde(path)) for path in _service_files()]
    rows += [("", "set up in an editor", name) for name in uninstall.set_ups()]
    parts = uninstall.parts(purge=purge)
    rows += [
        (size(part.size_bytes) if part.files else "", part.title, tilde(part.place))
        for part in parts
        if part.files or part.folders or part.lines
    ]
    for amount, title, place in rows:
        tell(f"{amount:>9}  {title}: {place}")
    for path in _staying(parts):
        tell(f"{'stays':>9}  not stardraft's: {tilde(path)}")
    if rows and not purge and (kept := uninstall.stays()):
        tell(f"{'stays':>9}  with --purge it goes, too: {' and '.join(kept)}")
    return bool(rows)


def _remove(*, purge: bool) -> bool:
    """Removes it, in the order in which nothing comes back. Whether nothing of it is left."""
    import asyncio

    from stardraftd.cli.daemon import stop_and_wait
    from stardraftd.cli.output.wording import size
    from stardraftd.cli.setup.asking import Manner
    from stardraftd.cli.setup.service import take_service_back
    from stardraftd.paths import tilde
    from stardraftd.setup import uninstall
    from stardraftd.setup.service import manager

    is_whole = True
    if (found := manager()) is not None and _service_files():
        take_service_back(found, Manner(yes=True))
    pid = asyncio.run(stop_and_wait(drain=False))
    if pid is not None:
        tell(f"The daemon has stopped (pid {pid}).")
    for name in uninstall.set_ups():
        is_whole = _take_editor_back(name) and is_whole
    kept = set(uninstall.set_ups())
    freed = 0
    for part in uninstall.parts(purge=purge):
        if kept and part.title == uninstall.RECORDS:
            continue  # what could not be taken back is still written there
        removed = uninstall.remove(part)
        freed += removed.size_bytes
        for path, reason in removed.failed:
            is_whole = False
            show_warning(f"{tilde(path)} cannot be removed: {reason}.")
    tell(f"Removed; {size(freed)} are free again.")
    return is_whole


def _take_editor_back(name: str) -> bool:
    """Whether it was; if not, why is said."""
    from stardraftd.cli.setup.asking import Manner
    from stardraftd.cli.setup.commands import take_back_editor

    try:
        take_back_editor(name, Manner(yes=True))
    except StardraftError as error:
        show(error)
        return False
    return True


def _service_files() -> list[Path]:
    from stardraftd.cli.setup.service import undoing
    from stardraftd.setup.service import manager

    found = manager()
    return [] if found is None else [one.path for one in undoing(found)]


def _staying(parts: "list[Part]") -> list[Path]:
    return [path for part in parts for path in part.foreign]
