"""A string of several lines is shown whole, or not at all: half of one makes a string of what follows.

What counts are strings that the suggestion itself opens: templates, triple quotes, heredocs, raw strings. A
comment that has begun is no harm, and a string in which the cursor stands is the document's.

A suggestion of one line ends before such a string too. Where common quotes may go over lines (PHP, a shell),
half of a line is shown with one that it leaves open, as in other languages; a whole line is not.
"""

import re

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.brackets import closes_all, opened_by, rest_from
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.scanner import Frame

_BEGINNINGS = "\"'`#[=@$%<~-("
_MAX_BEGINNING = 24
# Beginnings with letters in them: sigils, percent literals, C++'s raw strings.
_NAMED_BEGINNING = re.compile(r"(?:[%~][a-zA-Z]{1,8}|(?<=R)\"[^()\\\s\"]{0,16})\Z")
# One of these is in each beginning of a string; without any, nothing need be read.
_MAY_BEGIN = re.compile(r"[\"'`%~]|<<|\[=*\[|\bq|\{[a-z_]*\|")
_COMMON = ('"', "'")


def whole_strings(draft: Draft, around: Around) -> Draft:
    """The text ends before the line on which it opens a string that it does not end."""
    text = draft.text
    is_line = around.mode == "line"
    if not draft.ended:  # its last signs may begin a string, or be no end of one
        bare = text[: len(text) - _n_begun(text)]
        text = bare if _is_enough(bare, draft, around) else text
    if not _MAY_BEGIN.search(text) and not _MAY_BEGIN.search(around.near_line):
        return draft.held(len(text))
    opened = _opened_string(text, around.rest[draft.replaces :], around)
    if opened is None or (is_line and opened.begin in _COMMON and draft.ended != "whole"):
        return draft.held(len(text))
    at = opened.start if opened.heredoc is None else opened.heredoc.start
    start = min(max(at - len(around.near_line), 0), len(text))
    if not draft.ended:
        return draft.held(start if _is_enough(text[:start], draft, around) else 0)
    return draft.cut(len(text[: text.rfind("\n", 0, start) + 1].rstrip()), "half_word")


def _is_enough(text: str, draft: Draft, around: Around) -> bool:
    """Whether a text that takes the place of closers has them."""
    return not draft.replaces or closes_all(text, around, rest_from(around, around.reading(text).before))


def _n_begun(text: str) -> int:
    """How many signs a text that grows ends with, of those with which strings of several lines begin."""
    bare = text.rstrip(_BEGINNINGS)
    named = _NAMED_BEGINNING.search(bare, max(len(bare) - _MAX_BEGINNING, 0))
    if named is not None:
        bare = bare[: named.start()].rstrip(_BEGINNINGS)
    return min(len(text) - len(bare), _MAX_BEGINNING)


def _opened_string(text: str, rest: str, around: Around) -> Frame | None:
    """The outermost string of several lines that a text opens, and the rest of its line leaves open.

    A heredoc that was announced begins with the next line.
    """
    found = None
    for frame in opened_by(around.reading(f"{text}{rest}\n")):
        if frame.kind == "string" and frame.is_multiline:
            found = frame
    return found
