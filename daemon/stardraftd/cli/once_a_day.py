"""What is worth saying once a day, and not at every call: when it was last said is kept with the state."""

import datetime
from pathlib import Path

from stardraftd.files import atomic


def is_due(what: str, today: datetime.date | None = None) -> bool:
    """Whether `what` was not said today, by the local calendar; from now on it was.

    Where that cannot be kept, it is said again: nothing depends on it.
    """
    from stardraftd.errors import PathError
    from stardraftd.paths import state_dir

    day = (today or datetime.datetime.now().astimezone().date()).isoformat().encode()
    try:
        file = state_dir() / f"said-{what}"
        if _said(file) == day:
            return False
        atomic.write_whole(file, day)
    except (OSError, PathError):
        return True
    return True


def _said(file: Path) -> bytes:
    try:
        return atomic.read(file, 100, own=True)
    except FileNotFoundError:
        return b""
