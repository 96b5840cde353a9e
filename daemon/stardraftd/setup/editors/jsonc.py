"""JSON with comments and trailing commas, as editors have it, with one entry put in and nothing else touched.

Such a file is an expression of JavaScript, so that language's grammar finds the places; a document model that
is printed again would lose the user's comments and layout.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stardraftd.errors import ConfigError
from stardraftd.paths import tilde

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

INDENT = 2
_AROUND = ("program", "expression_statement", "parenthesized_expression")


def keys(text: str, inside: tuple[str, ...], file: Path) -> list[str]:
    """The keys of the object that the keys `inside` lead to; none if it is not there. Raises ConfigError."""
    found: Node | None = _object(text, file)
    for key in inside:
        found = None if found is None else _value(found, key, file)
    return [] if found is None else [name for name, _node in _pairs(found)]


def insert(text: str, inside: tuple[str, ...], key: str, value: object, file: Path) -> str:
    """`text` with a new last entry in the object that `inside` leads to, made if need be. Raises ConfigError.

    key: one that is not there yet.
    """
    found = _object(text, file)
    missing = list(inside)
    while missing and (deeper := _value(found, missing[0], file)) is not None:
        found = deeper
        missing.pop(0)
    for outer in reversed([*missing, key][1:]):
        value = {outer: value}
    return _with_entry(text, found, [*missing, key][0], value)


def _with_entry(text: str, target: "Node", key: str, value: object) -> str:
    """`text` with the entry behind the last one of `target`, and behind the remarks that stand there."""
    source = _padded(text)
    new_line = b"\r\n" if b"\r\n" in source else b"\n"
    pairs = _pairs(target)
    brace = target.end_byte - 1
    comma = next((child for child in reversed(target.children) if child.type == ","), None)
    if not pairs:
        left, rest, trailing = source[: target.start_byte + 1], source[target.start_byte + 1 : brace], b""
    elif comma is not None and comma.start_byte >= pairs[-1][1].end_byte:
        left, rest, trailing = source[: comma.end_byte], source[comma.end_byte : brace], b","
    else:
        at = pairs[-1][1].end_byte
        left, rest, trailing = source[:at] + b",", source[at:brace], b""
    kept = rest.rstrip()
    closing = rest[len(kept) :] if b"\n" in rest[len(kept) :] else new_line + b" " * (INDENT * _depth(target))
    indent = _indent(source, pairs[-1][1]) if pairs else None
    pad = indent if indent is not None else b" " * (INDENT * (_depth(target) + 1))
    entry = msgspec.json.encode(key) + b": " + msgspec.json.format(msgspec.json.encode(value), indent=INDENT)
    entry = entry.replace(b"\n", new_line + pad)
    return _unpadded(left + kept + new_line + pad + entry + trailing + closing + source[brace:])


def _indent(source: bytes, value: "Node") -> bytes | None:
    """What the line of an entry begins with; None when something else stands before the entry."""
    entry = value.parent
    if entry is None:
        return None
    line = source[source.rfind(b"\n", 0, entry.start_byte) + 1 : entry.start_byte]
    return line if not line.strip() else None


def _object(text: str, file: Path) -> "Node":
    root = _parser().parse(_padded(text)).root_node
    node: Node | None = root
    while node is not None and node.type in _AROUND:
        inner = [child for child in node.named_children if child.type != "comment"]
        node = inner[0] if len(inner) == 1 else None
    if root.has_error or node is None or node.type != "object":
        raise ConfigError(
            f"{tilde(file)} is not an object of JSON, with or without comments, so it is not changed.",
            "Mend it, then run this again; or use --print, and add it yourself.",
        )
    return node


def _value(node: "Node", key: str, file: Path) -> "Node | None":
    found = next((value for name, value in _pairs(node) if name == key), None)
    if found is not None and found.type != "object":
        raise ConfigError(
            f'In {tilde(file)}, "{key}" is not an object, so the file is not changed.',
            "Mend it, then run this again; or use --print, and add it yourself.",
        )
    return found


def _pairs(node: "Node") -> list[tuple[str, "Node"]]:
    pairs = []
    for child in node.named_children:
        name, value = child.child_by_field_name("key"), child.child_by_field_name("value")
        if name is not None and value is not None and name.text is not None:
            pairs.append((name.text.decode().strip("\"'"), value))
    return pairs


def _depth(node: "Node") -> int:
    depth = 0
    parent = node.parent
    while parent is not None:
        depth += parent.type == "object"
        parent = parent.parent
    return depth


def _padded(text: str) -> bytes:
    # In parentheses an object is an expression; alone its brace would begin a block.
    return b"(" + (text.encode() if text.strip() else b"{}\n") + b"\n)"


def _unpadded(source: bytes) -> str:
    return source[1:-2].decode()


@cache
def _parser() -> "Parser":
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_javascript.language()))
