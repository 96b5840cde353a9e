"""A string of several lines is shown whole, or not at all: half of one makes a string of what follows.

What counts are strings that the suggestion itself opens: templates, triple quotes, heredocs, raw strings. A
comment that has begun is no harm, and a string in which the cursor stands is the document's.
"""

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.scanner import Frame, frames

_BEGINNINGS = "\"'`#[=@$%<~-("
_MAX_BEGINNING = 24


def whole_strings(draft: Draft, around: Around) -> Draft:
    """The text ends before the line on which it opens a string that it does not end."""
    text = draft.text
    if around.mode == "line":  # a line that begins one is a line's beginning, as any other
        return draft
    if not draft.ended:  # its last signs may be the beginning of a string, or no end of one
        text = text[: len(text) - _n_begun(text)]
    opened = _opened_string(text, around)
    if opened is None:
        return draft.held(len(text))
    start = max(opened.start - len(around.near_line), 0)
    if opened.heredoc is not None:  # it was announced on the line above
        start = max(start - 1, 0)
    if not draft.ended:
        return draft.held(start)
    return draft.cut(len(text[: text.rfind("\n", 0, start) + 1].rstrip()), "half_word")


def _n_begun(text: str) -> int:
    """How many signs a text that grows ends with, of those with which strings of several lines begin."""
    return min(len(text) - len(text.rstrip(_BEGINNINGS)), _MAX_BEGINNING)


def _opened_string(text: str, around: Around) -> Frame | None:
    """The outermost string of several lines that a text opens, and the rest of its line leaves open."""
    scanner = around.scanner(text + around.rest)
    known = {id(frame) for frame in frames(around.frame)}
    open_now = frames(scanner.to(len(around.near_line) + len(text) + len(around.rest)))
    found = None
    for frame in open_now:
        if frame.kind == "string" and frame.is_multiline and id(frame) not in known:
            found = frame
    return found
