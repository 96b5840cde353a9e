"""Positions, ranges and trigger kinds in the shapes that clients really send.

Clients on vscode-languageclient 9 count trigger kinds from 0 (0 invoked, 1 automatic) where LSP 3.18 counts
from 1 (1 invoked, 2 automatic), and write a range as an array of two positions. A client that has once sent
0 counts from 0 for good: 1 alone is ambiguous.
"""

from typing import Any

from stardraft_lsp.dialects.plain import count_of, plain, plain_object
from stardraft_lsp.documents import Position


def read_position(raw: Any) -> Position | None:
    """{line, character}; None when it is no position."""
    found = plain(raw)
    if not isinstance(found, dict):
        return None
    line, character = count_of(found.get("line")), count_of(found.get("character"))
    return None if line is None or character is None else Position(line, character)


def read_range(raw: Any) -> tuple[Position, Position] | None:
    """{start, end} or [start, end], in order; None when it is neither."""
    found = plain(raw)
    if isinstance(found, list) and len(found) == 2:
        start, end = read_position(found[0]), read_position(found[1])
    elif isinstance(found, dict):
        start, end = read_position(found.get("start")), read_position(found.get("end"))
    else:
        return None
    if start is None or end is None:
        return None
    turned = (end.line, end.character) < (start.line, start.character)
    return (end, start) if turned else (start, end)


def has_extension(capabilities: Any, name: str) -> bool:
    """Whether a client's capabilities have `experimental.stardraft.<name>` set to true.

    declarations: it answers `stardraft/declarations`. warnings: it shows the status's warning to the user.
    """
    experimental = plain_object(plain_object(capabilities).get("experimental"))
    return plain_object(experimental.get("stardraft")).get(name) is True


def read_invoked(context: Any, *, counts_from_zero: bool) -> tuple[bool, bool]:
    """Whether a person asked, from a request's `context`; and whether this client counts kinds from 0."""
    found = plain(context)
    kind = found.get("triggerKind") if isinstance(found, dict) else None
    if isinstance(kind, str):  # some name it
        return kind.lower() in ("invoked", "invoke", "explicit"), counts_from_zero
    number = count_of(kind)
    counts_from_zero = counts_from_zero or number == 0
    return number == (0 if counts_from_zero else 1), counts_from_zero
