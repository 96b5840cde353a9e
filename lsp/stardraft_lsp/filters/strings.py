"""A string of several lines is shown whole, or not at all: half of one turns the rest of the file into a string.

What counts are strings that the suggestion itself opens: templates, triple quotes, heredocs, raw strings. A
comment that has begun is no harm, and a string in which the cursor stands is the document's.
"""

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.scanner import Frame, frames


def whole_strings(draft: Draft, around: Around) -> Draft:
    """The text ends before the line on which it opens a string that it does not end."""
    text = draft.text
    if around.mode == "line":  # a line that begins one is a line's beginning, as any other
        return draft
    opened = _opened_string(text, around)
    if opened is None:
        return draft if draft.ended else draft.held(len(text) - _n_quotes_begun(text))
    start = max(opened.start - len(around.near_line), 0)
    if opened.heredoc is not None:  # it was announced on the line above
        start = max(start - 1, 0)
    if not draft.ended:
        return draft.held(start)
    return draft.cut(len(text[: text.rfind("\n", 0, start) + 1].rstrip()), "half_word")


def _n_quotes_begun(text: str) -> int:
    """How many quotes a text that grows ends with, if there may be three."""
    n = len(text) - len(text.rstrip(text[-1:])) if text[-1:] in ("'", '"') else 0
    return n if n < 3 else 0


def _opened_string(text: str, around: Around) -> Frame | None:
    """The outermost string of several lines that a text opens and leaves open, with what follows on its line."""
    scanner = around.scanner(text + around.rest)
    known = {id(frame) for frame in frames(around.frame)}
    open_now = frames(scanner.to(len(around.near_line) + len(text) + len(around.rest)))
    found = None
    for frame in open_now:
        if frame.kind == "string" and frame.is_multiline and id(frame) not in known:
            found = frame
    return found
