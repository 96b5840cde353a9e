"""Patterns for paths, safe to match whoever wrote them: `tests/**`, `*.md`, `src/*/gen`.

    *   anything within one name        **  any number of folders, also none
    ?   one character                   [ab], [!ab]  one of these, none of these

Two dialects share the matcher, which takes steps in proportion to the path times the pattern, at most:

- `glob`, for this program's own settings. A pattern without a slash fits a name at any depth; any other
  begins at the folder where it is written. One that fits a folder fits all that is in it. Upper and lower
  case differ.
- the lines of ignore files (context/access/ignore_lines.py), with escapes and classes such as `[[:alpha:]]`.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from msgspec import Struct

from stardraftd.patterns import linear

MAX_PATTERN_CHARS = 200

# Whether a name of a path fits one part of a pattern.
Fits = Callable[[str], bool]
# One for each folder and the name; None for `**`.
Parts = tuple[Fits | None, ...]

_POSIX_NAMES = "alnum alpha ascii blank cntrl digit graph lower print punct space upper xdigit"
_POSIX = frozenset(_POSIX_NAMES.split())
_WILD = frozenset("*?[\\")


class Glob(Struct, frozen=True):
    """A pattern of the settings, taken apart."""

    pattern: str
    parts: Parts

    def matches(self, path: str) -> bool:
        """Whether it fits a path with `/`, or a folder above it."""
        return fits(self.parts, path.split("/"), within=True)


def glob(pattern: str) -> Glob:
    """Raises ValueError, with the end of a sentence, for what is no pattern."""
    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"a pattern has 1 to {MAX_PATTERN_CHARS} characters")
    names = [name for name in pattern.strip("/").split("/") if name not in ("", ".")]
    if ".." in names or not names:
        raise ValueError("a pattern names what is below its folder")
    if "/" not in pattern.rstrip("/"):
        names = ["**", *names]
    return Glob(pattern, tuple(None if name == "**" else part(name) for name in single_stars(names)))


def single_stars(names: Sequence[str]) -> list[str]:
    """With one `**` where several follow each other: they mean the same."""
    return [name for at, name in enumerate(names) if name != "**" or at == 0 or names[at - 1] != "**"]


def fits(parts: Parts, names: Sequence[str], *, within: bool = False) -> bool:
    """Whether a pattern fits a path, or with `within` a folder above it."""
    reached = _skipped(parts, {0})
    for name in names:
        if within and len(parts) in reached:
            return True
        after = set()
        for place in reached:
            if place < len(parts):
                one = parts[place]
                if one is None:
                    after.add(place)
                elif one(name):
                    after.add(place + 1)
        reached = _skipped(parts, after)
        if not reached:
            return False
    return len(parts) in reached


def _skipped(parts: Parts, reached: set[int]) -> set[int]:
    """With all places that `**` lets be reached by no name at all."""
    found = set(reached)
    for place in reached:
        after = place
        while after < len(parts) and parts[after] is None:
            after += 1
            found.add(after)
    return found


@lru_cache(maxsize=4096)
def part(text: str, *, has_escapes: bool = False, ignore_case: bool = False) -> Fits:
    """One name of a pattern, ready to match. Most are plain, or have one star at an end.

    has_escapes: a backslash takes the next character as it is. ignore_case: of ASCII's letters, as Git does.
    Raises ValueError for a class without an end.
    """
    if ignore_case:
        text = _in_small_letters(text)
    wild = [character for character in text if character in _WILD and (has_escapes or character != "\\")]
    if not wild:
        plain = _Plain(text, "", "")
    elif wild == ["*"]:
        before, _, after = text.partition("*")
        plain = _Plain("", before, after)
    else:
        pattern = linear(_pattern_of(text, has_escapes=has_escapes), dot_all=True)
        found: Fits = lambda name: pattern.fullmatch(name) is not None  # noqa: E731
        return (lambda name: found(_in_small_letters(name))) if ignore_case else found
    return (lambda name: plain.fits(_in_small_letters(name))) if ignore_case else plain.fits


_CAPITALS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _in_small_letters(text: str) -> str:
    return text.translate(_CAPITALS)


class _Plain(Struct, frozen=True):
    """A name as it is, or what it begins and ends with."""

    whole: str
    begin: str
    end: str

    def fits(self, name: str) -> bool:
        if self.whole:
            return name == self.whole
        return (
            len(name) >= len(self.begin) + len(self.end)
            and name.startswith(self.begin)
            and name.endswith(self.end)
        )


def _pattern_of(text: str, *, has_escapes: bool) -> str:
    found: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "*":
            if found[-1:] != [".*"]:
                found.append(".*")
        elif character == "?":
            found.append(".")
        elif character == "[":
            end = class_end(text, at, has_escapes=has_escapes)
            if end < 0:
                if has_escapes:
                    raise ValueError("a class without an end")
                found.append(r"\[")
                continue
            found.append(_class(text[at:end], has_escapes=has_escapes))
            at = end + 1
        elif character == "\\" and has_escapes:
            if at >= len(text):
                raise ValueError("a backslash at the end")
            found.append(re.escape(text[at]))
            at += 1
        else:
            found.append(re.escape(character))
    return "".join(found)


def class_end(text: str, at: int, *, has_escapes: bool) -> int:
    """Where the "]" of a class stands; -1: it has none. One at its beginning is one of its characters."""
    if text[at : at + 1] in ("!", "^"):
        at += 1
    if text[at : at + 1] == "]":
        at += 1
    while at < len(text) and text[at] != "]":
        if text[at] == "\\" and has_escapes:
            at += 1
        elif text.startswith("[:", at) and (end := text.find(":]", at)) >= 0:
            at = end + 1
        at += 1
    return at if at < len(text) else -1


def _class(inside: str, *, has_escapes: bool) -> str:
    is_not = inside[:1] in ("!", "^")
    inside = inside[1:] if is_not else inside
    characters: list[str] = []
    ranges: list[str] = []
    at = 0
    while at < len(inside):
        if inside.startswith("[:", at) and (end := inside.find(":]", at)) >= 0:
            name = inside[at + 2 : end]
            if name not in _POSIX:
                raise ValueError(f"there is no class [:{name}:]")
            ranges.append(f"[:{name}:]")
            at = end + 2
            continue
        first, at = _one(inside, at, has_escapes=has_escapes)
        if inside[at : at + 1] == "-" and at + 1 < len(inside):
            last, at = _one(inside, at + 1, has_escapes=has_escapes)
            if first <= last:  # an empty range fits nothing
                ranges.append(f"{_escaped(first)}-{_escaped(last)}")
        else:
            characters.append(_escaped(first))
    body = "".join((*characters, *ranges))
    if not body:
        return "." if is_not else r"[^\x00-\x{10FFFF}]"
    return f"[{'^' if is_not else ''}{body}]"


def _one(inside: str, at: int, *, has_escapes: bool) -> tuple[str, int]:
    if inside[at] == "\\" and has_escapes and at + 1 < len(inside):
        return inside[at + 1], at + 2
    return inside[at], at + 1


def _escaped(character: str) -> str:
    return f"\\{character}" if character in "\\[]^-" else character
