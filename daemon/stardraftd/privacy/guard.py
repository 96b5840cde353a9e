"""Whether a completion may be asked for at all: the rules of this package, applied to a request.

The daemon asks this for every front end: an editor, the command line, a program of somebody's own. Ignore
rules are not asked here: which folders are open, and what their ignore files say, the language server knows
alone.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from stardraftd.errors import SecretError
from stardraftd.privacy.content import has_secret, holds_private_key
from stardraftd.privacy.names import is_secret_name, is_suspicious_name
from stardraftd.privacy.uris import paths_in

_HINT = (
    "Files such as .env and id_rsa, private keys, passwords and tokens count as secrets. Nothing was sent to "
    "the model."
)


class Chunk(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def text(self) -> str: ...


def refuse_document(address: str, path: str, text: str) -> None:
    """Raises SecretError when a document may not be completed.

    address: as the front end calls it, an address or a path; path: as the model would be told. text: all of
    it that would be shown.
    """
    for name in (*paths_in(address), path):
        if is_secret_name(name):
            raise SecretError(
                f"{_shown(name)} is a file for secrets by its name; it is not completed.", _HINT
            )
    if holds_private_key(text):
        raise SecretError(f"{_shown(path or address)} has a private key in it; it is not completed.", _HINT)


def refuse_chunks(chunks: Iterable[Chunk]) -> None:
    """Raises SecretError when one of the other files' pieces may not be shown."""
    for chunk in chunks:
        refuse_context(chunk.path, chunk.text)


def may_be_shown(text: str) -> bool:
    """Whether there is no secret in a text that is left out if there is."""
    return not _has_secret(text)


def refuse_context(path: str, text: str) -> None:
    """Raises SecretError when a piece of another file may not be shown."""
    if any(is_secret_name(name) or is_suspicious_name(name) for name in paths_in(path)):
        raise SecretError(
            f"{_shown(path)} is a file for secrets by its name; it is not shown to the model.", _HINT
        )
    if _has_secret(text):
        raise SecretError(f"There is a secret in {_shown(path)}; it is not shown to the model.", _HINT)


# The same pieces come with every key.
_has_secret = lru_cache(maxsize=256)(has_secret)


def _shown(name: str) -> str:
    kept = "".join(character if character.isprintable() else "?" for character in name)
    return kept if len(kept) <= 200 else f"...{kept[-200:]}"
