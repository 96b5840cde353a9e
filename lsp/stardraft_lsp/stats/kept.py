"""How much of an accepted text is still there: where it stands after edits, and how alike the two are.

The measure: both texts are cut into tokens (a word, or one mark; blanks count for nothing, so a formatter
that only moves lines takes nothing away). The kept share is the length of the longest common subsequence of
the two rows of tokens, over the number of tokens that were accepted: 1 is all of it, 0 nothing.
"""

import re
from collections.abc import Sequence

from stardraft_lsp.stats.edits import Edit

# When an accepted text is looked at, in seconds after it was accepted.
LOOKS_S: tuple[int, ...] = (30, 120, 600)
MAX_TOKENS = 4000
_TOKEN = re.compile(r"\w+|[^\w\s]")


class Kept:
    """The place of an accepted text in its document, through all edits since.

    Invariant: 0 <= start <= end. What is typed at either edge is not part of it; what replaces a part of it
    is, so that a formatter's rewrite is compared with what it rewrote.
    """

    def __init__(self, text: str, start: int, end: int | None = None) -> None:
        self.text = text
        self.start = start
        self.end = start + len(text) if end is None else end

    def edited(self, start: int, end: int, new_length: int) -> None:
        """`new_length` characters took the place of those from `start` to `end`."""
        delta = new_length - (end - start)
        if self.start == self.end and start <= self.start <= end:
            self.start, self.end = start, start + new_length  # all of it had gone; an undo brings it back
        elif end <= self.start:
            self.start += delta
            self.end += delta
        elif start < self.end:
            self.end = start + new_length if end >= self.end else self.end + delta
            self.start = min(self.start, start)

    def apply(self, edit: Edit) -> None:
        self.edited(edit.start, edit.end, len(edit.text))

    def text_now(self, document: str) -> str:
        """What stands in its place."""
        return document[self.start : self.end]


def kept_share(accepted: str, now: str) -> float:
    """The kept share, 0 to 1. Of each text the first MAX_TOKENS tokens count; of blank text all is kept."""
    before = _TOKEN.findall(accepted)[:MAX_TOKENS]
    if not before:
        return 1.0
    if accepted == now:
        return 1.0
    return common_length(before, _TOKEN.findall(now)[:MAX_TOKENS]) / len(before)


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence.

    Bit-parallel (Crochemore and others 2001; Hyyrö 2004): a zero at bit i of `row` says that one more token
    is common once the first i + 1 are looked at. Each token of `second` costs a few operations on one number.
    """
    places: dict[str, int] = {}
    for index, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << index
    every = (1 << len(first)) - 1
    row = every
    for token in second:
        matches = row & places.get(token, 0)
        row = (row + matches | row - matches) & every
    return len(first) - row.bit_count()
