"""Why an editor got no suggestion the last time, kept for `stardraft status`: the language server writes it.

It says nothing of the document: a reason, its sentence, the editor's name and the time.
"""

import time
from pathlib import Path

import msgspec
from msgspec import Struct

from stardraftd.errors import PathError
from stardraftd.files import atomic
from stardraftd.paths import state_dir

FILE = "last-silence.json"
MAX_BYTES = 10_000


class LastSilence(Struct, frozen=True):
    """reason: one of docs/troubleshooting.md; sentence: what the editor says of it. at_s: since 1970."""

    reason: str
    sentence: str
    editor: str
    at_s: float

    @property
    def age_s(self) -> float:
        return max(0.0, time.time() - self.at_s)


def keep(found: LastSilence, folder: Path) -> None:
    """Takes the place of the one before. Raises OSError."""
    atomic.write_whole(folder / FILE, msgspec.json.encode(found))


def last() -> LastSilence | None:
    """The last one; None where there is none, or it cannot be read."""
    try:
        return msgspec.json.decode(atomic.read(state_dir() / FILE, MAX_BYTES, own=True), type=LastSilence)
    except (OSError, ValueError, PathError):
        return None
