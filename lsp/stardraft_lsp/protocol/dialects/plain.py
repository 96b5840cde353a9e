"""What stands in a message's JSON, whatever was expected there; and why a request cannot be answered."""

from typing import Any


class BadParams(Exception):  # noqa: N818 - becomes an InvalidParams answer
    """What of the parameters cannot be used, in a sentence."""


def object_of(raw: Any) -> dict[str, Any]:
    """An object, or an empty one for anything else."""
    return raw if isinstance(raw, dict) else {}


def list_of(raw: Any) -> list[Any]:
    """An array, or an empty one for anything else."""
    return raw if isinstance(raw, list) else []


def text_of(raw: Any) -> str:
    """A text, or "" for anything else."""
    return raw if isinstance(raw, str) else ""


def count_of(raw: Any) -> int | None:
    """A whole number from 0 up, also when it was written as 3.0; None for anything else."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0 else None


def within(raw: Any, *path: str) -> Any:
    """What stands at a path of keys; None where it ends before."""
    for key in path:
        raw = object_of(raw).get(key)
    return raw
