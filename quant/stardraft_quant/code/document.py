"""A source file as a document, and which documents are held out from training and used for measuring."""

import hashlib

from msgspec import Struct

HELD_OUT_ONE_IN = 50


class Document(Struct, frozen=True):
    """One file. `path` is the path to import it by, `text` is UTF-8 with "\\n" line ends."""

    path: str
    package: str
    license: str
    sha256: str
    held_out: bool
    text: str


def is_held_out(path: str) -> bool:
    """Whether a file is kept for evaluation: one in fifty, decided by its path alone, so forever."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % HELD_OUT_ONE_IN == 0
