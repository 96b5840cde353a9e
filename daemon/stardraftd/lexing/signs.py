"""What a sign is, by what stands right before and after it: a bracket or a comparison, a value or a quotient.

Each looks at a few characters only.
"""

import re
from typing import Literal

from stardraftd.lexing.rules import Lexis

_VALUE_WORDS = frozenset(
    (
        *("return", "typeof", "case", "in", "of", "do", "else", "void", "delete", "throw", "new", "yield"),
        *("await", "when", "if", "and", "or", "not"),
    )
)
_MODIFIERS = frozenset(
    (
        *("public", "private", "protected", "static", "final", "abstract", "default", "fun", "internal"),
        *("override", "template", "new", "class", "func"),
    )
)
_MAX_REGEX = 400
_REGEX = re.compile(r"/(?![/*])(?:\\[^\n]|\[(?:\\[^\n]|[^\]\\\n]){0,200}\]|[^/\\\[\n]){1,400}/[a-z]{0,8}")


def regex_may_begin(text: str, at: int) -> bool:
    """Whether the slash at `at` begins a regular expression if it is ended, and does not divide."""
    return text[at - 1 : at] != "<" and _value_may_begin(text, at)


def regex_end(text: str, at: int, limit: int) -> int | None:
    """Where the regular expression that begins at `at` ends; None where its line has no end of it."""
    found = _REGEX.match(text, at, limit)
    return found.end() if found is not None else None


def regex_goes_on(text: str, at: int, limit: int) -> bool:
    """Whether the end of the regular expression that begins at `at` may still come: its line has no end."""
    return text.startswith("/", at) and limit - at <= _MAX_REGEX and text.find("\n", at, limit) < 0


def angle_at(text: str, at: int, lexis: Lexis) -> Literal["angle", "tag"] | None:
    """Whether `<` opens type arguments or a tag; None where it compares."""
    before, behind = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if behind in ("=", "<", " ", "-"):
        return None
    if lexis.quotes_in_tags or (lexis.tag_angles and behind == "/"):
        return "tag" if behind.isalpha() or behind in ("", "/", "!", "?") else None
    if lexis.type_angles and _follows_type(text, at, before):
        return "angle"
    if (before and (before.isalnum() or before in "_)]\"'")) or not _value_may_begin(text, at):
        return None
    if lexis.tag_angles:
        return "tag" if behind.isalpha() or behind in ("", "/", ">") else None
    return "angle" if lexis.type_angles and (behind.isalpha() or behind in ("", "'", "_")) else None


def _follows_type(text: str, at: int, before: str) -> bool:
    """Whether a name of a type or of what is generic stands before `<`: `Vec<`, `f::<`, `public static <`."""
    word = word_before(text, at)
    if word[:1].isalpha() or word[:1] == "_" or before == ":":
        return word not in _VALUE_WORDS
    near = text[max(at - 64, 0) : at].rstrip(" \t")
    return before in (" ", "\t") and word_before(near, len(near)) in _MODIFIERS


def word_before(text: str, at: int) -> str:
    """The word that ends at a place, or its last 64 characters."""
    start = at
    while start > max(at - 64, 0) and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:at]


def _value_may_begin(text: str, at: int) -> bool:
    """Whether a value may begin here, and no operator: behind an operator, an opener, some words."""
    near = text[max(at - 64, 0) : at].rstrip(" \t\n")
    if not near:
        return True
    if near[-1].isalnum() or near[-1] == "_":
        return word_before(near, len(near)) in _VALUE_WORDS
    return near[-1] in "(,=:[!&|?{};+-*%~^<>"
