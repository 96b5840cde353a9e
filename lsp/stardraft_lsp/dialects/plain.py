"""Parameters of any make as plain JSON values: dictionaries, lists, texts, numbers.

pygls hands the parameters of a message that it does not know over as nested named tuples; others come as
attrs classes of lsprotocol, or as namespaces. What none of these is becomes None.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import attrs

MAX_DEPTH = 32


def plain(raw: Any, depth: int = 0) -> Any:
    """`raw` as JSON values. What lies deeper than MAX_DEPTH is None."""
    if raw is None or isinstance(raw, str | bool | int | float):
        return raw
    if depth >= MAX_DEPTH:
        return None
    if isinstance(raw, Mapping):
        return {str(key): plain(value, depth + 1) for key, value in raw.items()}
    fields = _fields(raw)
    if fields is not None:
        return {name: plain(value, depth + 1) for name, value in fields.items()}
    if isinstance(raw, list | tuple):
        return [plain(value, depth + 1) for value in raw]
    return None


def plain_object(raw: Any) -> dict[str, Any]:
    """`raw` as a dictionary; an empty one when it is none."""
    found = plain(raw)
    return found if isinstance(found, dict) else {}


def text_of(raw: Any) -> str:
    """A text, or "" for anything else."""
    return raw if isinstance(raw, str) else ""


def count_of(raw: Any) -> int | None:
    """A whole number from 0 up, also when it was written as 3.0; None for anything else."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0 else None


def _fields(raw: Any) -> dict[str, Any] | None:
    if isinstance(raw, SimpleNamespace):
        return vars(raw)
    if attrs.has(type(raw)):
        return {_camel(field.name): getattr(raw, field.name) for field in attrs.fields(type(raw))}
    names = getattr(raw, "_fields", None)
    if isinstance(raw, tuple) and names is not None:
        return dict(zip(names, raw, strict=True))
    return None


def _camel(name: str) -> str:
    """lsprotocol's `text_document` is the protocol's `textDocument`."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)
