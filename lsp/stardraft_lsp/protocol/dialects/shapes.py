"""Positions, ranges and trigger kinds in the shapes that clients really send.

Clients on vscode-languageclient 9 count trigger kinds from 0 (0 invoked, 1 automatic) where LSP 3.18 counts
from 1 (1 invoked, 2 automatic), and write a range as an array of two positions. A client that has once sent
0 counts from 0 for good: 1 alone is ambiguous.
"""

from typing import Any

from stardraft_lsp.protocol.dialects.plain import count_of, object_of
from stardraft_lsp.text.documents import Position


def read_position(raw: Any) -> Position | None:
    """{line, character}; None when it is no position. What is left out is 0: some leave zeros out."""
    if not isinstance(raw, dict):
        return None
    line, character = (count_of(0 if raw.get(key) is None else raw[key]) for key in ("line", "character"))
    return None if line is None or character is None else Position(line, character)


def read_range(raw: Any) -> tuple[Position, Position] | None:
    """{start, end} or [start, end], in order; None when it is neither."""
    if isinstance(raw, list) and len(raw) == 2:
        start, end = read_position(raw[0]), read_position(raw[1])
    elif isinstance(raw, dict):
        start, end = read_position(raw.get("start")), read_position(raw.get("end"))
    else:
        return None
    if start is None or end is None:
        return None
    turned = (end.line, end.character) < (start.line, start.character)
    return (end, start) if turned else (start, end)


def read_invoked(context: Any, *, counts_from_zero: bool) -> tuple[bool, bool]:
    """Whether a user asked, from a request's `context`; and whether this client counts kinds from 0."""
    kind = object_of(context).get("triggerKind")
    if isinstance(kind, str):  # some name it
        return kind.lower() in ("invoked", "invoke", "explicit"), counts_from_zero
    number = count_of(kind)
    counts_from_zero = counts_from_zero or number == 0
    return number == (0 if counts_from_zero else 1), counts_from_zero
