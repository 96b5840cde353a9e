"""White space as columns. Every indentation that is compared anywhere is measured here.

A tab reaches the next multiple of a width, and the text itself says which: an editor's own mark in it
(`vim: ts=4`, `tab-width: 4`), or lines with tabs beside lines with spaces. Where all lines have tabs, any
width does: only which of two lines is further in counts.
"""

import re
from typing import NamedTuple

DEFAULT_TAB = 8  # what terminals, diffs and GNU mean by a tab
_WIDTHS = (8, 4, 2, 3)
_MARK = re.compile(r"\b(?:ts|tabstop|tab-width)\s{0,4}[=:]\s{0,4}(\d{1,2})\b")
_MARK_REACH = 400  # characters at both ends of a file in which editors look for their marks
_HEADERS = frozenset(["if", "else if", "} else if", "for", "while", "else", "} else", "do", "switch"])
_OPENS = ("{", "(", "[", ":", " do", " then", "=>", "->")


def leading(line: str) -> str:
    """The spaces and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def columns(white: str, tab: int = DEFAULT_TAB) -> int:
    """How wide a line's leading white space is, in columns."""
    return len(white.expandtabs(tab)) if "\t" in white else len(white)


def indent_of(line: str, tab: int = DEFAULT_TAB) -> int:
    """How far a line is indented, in columns."""
    return columns(leading(line), tab)


def told_tab(text: str) -> int | None:
    """The width of a tab that the text's marks for editors or its own lines show; None where nothing does."""
    if "\t" not in text:
        return None
    for part in (text[:_MARK_REACH], text[-_MARK_REACH:]):
        found = _MARK.search(part)
        if found is not None and 1 <= int(found.group(1)) <= 16:
            return int(found.group(1))
    return _by_lines(text)


def tab_width(text: str) -> int:
    """As `told_tab`, with the default where the text does not tell."""
    return told_tab(text) or DEFAULT_TAB


class _Pair(NamedTuple):
    """Two lines that follow each other, one of them indented with tabs: white space, and what they are."""

    before: str
    white: str
    opens: bool
    is_header: bool
    both_close: bool


def _by_lines(text: str) -> int | None:
    """The width with which lines of tabs and lines of spaces fit each other best; None if none touch."""
    pairs: list[_Pair] = []
    steps: dict[int, int] = {}
    previous, code_before = "", ""
    for line in text.split("\n"):
        code = line.strip()
        if not code:
            continue
        white = leading(line)
        if ("\t" in white) != ("\t" in previous) and white and previous:
            is_header = code_before.split("(", 1)[0].strip() in _HEADERS and not code_before.endswith(
                (";", "{")
            )
            both_close = code[0] == "}" and code_before[0] == "}"
            pairs.append(_Pair(previous, white, code_before.endswith(_OPENS), is_header, both_close))
        elif "\t" not in white and len(white) > len(previous):
            step = len(white) - len(previous)
            steps[step] = steps.get(step, 0) + 1
        previous, code_before = white, code
    if not pairs:
        return None
    step = max(steps, key=lambda one: steps[one]) if steps else 4
    return min(_WIDTHS, key=lambda width: sum(_misfit(pair, width, step) for pair in pairs))


def _misfit(pair: _Pair, tab: int, step: int) -> int:
    """How badly two lines fit at a width: neighbours are as far in, a level apart, or end some levels."""
    moved = columns(pair.white, tab) - columns(pair.before, tab)
    if pair.opens:
        return abs(moved - step) + (8 if moved <= 0 else 0)
    if pair.is_header:
        return min(abs(moved), abs(moved - step))
    if pair.both_close:
        return min(abs(moved + step), abs(moved + 2 * step)) + (8 if moved >= 0 else 0)
    return min(abs(moved), abs(moved + step), abs(moved + 2 * step), abs(moved - step) + 1)


def fitting_tab(white: str, before: int, *, is_deeper: bool, step: int) -> int:
    """The width of a tab in a line that follows one indented by `before`, in a text that has none so far.

    is_deeper: the line before opens a block, so this one is further in. step: columns of one level.
    """
    expected = before + step if is_deeper else before
    widths = dict.fromkeys((step, 4, 8, 2, 3))
    fit = [width for width in widths if not is_deeper or columns(white, width) > before]
    return min(fit or [DEFAULT_TAB], key=lambda width: abs(columns(white, width) - expected))


def level_of(text: str) -> int:
    """Columns of one level, by the steps inwards of lines with spaces; 4 where there are none."""
    steps: dict[int, int] = {}
    previous = 0
    for line in text.split("\n"):
        white = leading(line)
        if line.strip() and "\t" not in white:
            step = len(white) - previous
            previous = len(white)
            if step in (2, 3, 4, 8):
                steps[step] = steps.get(step, 0) + 1
    return max(steps, key=lambda step: steps[step]) if steps else 4
