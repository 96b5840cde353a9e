"""The lines below the cursor, said again: there the model has caught up with the file, and the text ends.

Lines are compared without white space, with one kind of quote and without a last comma or semicolon, so that
another formatting of the same line is the same line.
"""

import re

from stardraft_lsp.filters.around import Around, squeezed
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.columns import leading

# Of a line that ends a suggestion by itself: visible characters. Shorter ones (`else:`) recur in honest code.
MIN_LINE = 6
MIN_FAR_LINE = 20  # the same of a line that is not the next one
N_FAR = 4
_CLOSING = re.compile(r"[)\]}>;,]+|end|fi|done|esac|</.*>")


def repeats_below(draft: Draft, around: Around) -> Draft:
    """The text ends before the first line that says what the next lines say."""
    below = around.below
    if not below or not draft.text:
        return draft
    text = draft.text
    lines = text.split("\n")
    n_whole = len(lines) if draft.ended else len(lines) - 1
    start = 0
    for i, line in enumerate(lines):
        is_first = i == 0
        whole = around.line_before + line if is_first else line
        if not line.strip() or (is_first and around.rest):
            start += len(line) + 1
            continue
        if i < n_whole:
            if _stands_below(lines, i, n_whole, whole, around):
                return draft.cut(len(text[:start].rstrip()), "repeats_below")
            if not draft.ended and i + 1 == n_whole and _may_stand_below(whole, lines[n_whole], around):
                return draft.held(max(start - 1, 0))
        elif _begins_line_below(whole, around, is_first=not any(map(str.strip, lines[:i]))):
            return draft.held(max(start - 1, 0))
        start += len(line) + 1
    return draft


def _stands_below(lines: list[str], i: int, n_whole: int, whole: str, around: Around) -> bool:
    below = around.below
    said = squeezed(whole)
    if said == squeezed(below[0]) and (i == 0 or not _is_further_in(whole, below[0], around)):
        if len(said) >= MIN_LINE or _is_closing(whole, below[0]):
            return True
        return i + 1 < n_whole and len(below) > 1 and squeezed(lines[i + 1]) == squeezed(below[1])
    # Further below only where the text has run on: a first line may well be said again there.
    return (
        len(said) >= MIN_FAR_LINE
        and any(previous.strip() for previous in lines[:i])
        and any(said == squeezed(line) and leading(whole) == leading(line) for line in below[1:N_FAR])
        and not around.recurs_above(said)
    )


def _is_further_in(line: str, below: str, around: Around) -> bool:
    """Whether the line belongs to a block of the suggestion's own: then it may well be said again below."""
    return around.columns(leading(line)) > around.columns(leading(below))


def _is_closing(line: str, below: str) -> bool:
    """Whether it is the closer that stands there: the same one, as far in."""
    return _CLOSING.fullmatch(line.strip()) is not None and leading(line) == leading(below)


def _may_stand_below(whole: str, growing: str, around: Around) -> bool:
    """A short line that is the next one, while the line after it still grows."""
    below = around.below
    if len(below) < 2 or squeezed(whole) != squeezed(below[0]):
        return False
    return squeezed(below[1]).startswith(squeezed(growing))


def _begins_line_below(whole: str, around: Around, *, is_first: bool) -> bool:
    """Whether a line that still grows may become one of the next."""
    said = "".join(whole.split()).replace("'", '"')
    said = said.rstrip(",;") or said
    if not said:
        return False
    if squeezed(around.below[0]).startswith(said):
        return True
    return not is_first and any(
        len(line) >= MIN_FAR_LINE and line.startswith(said) and not around.recurs_above(line)
        for line in map(squeezed, around.below[1:N_FAR])
    )
