"""A text in pieces, so that a change costs what it changes, not what the whole text is long.

Editors send thousands of changes in one message (replace all), and lines of hundreds of kilobytes (minified
code). Each piece is known by its length, its units of the session's encoding and its line ends; a place is
found by these numbers, and only the piece that it is in is looked into.

Line ends are LF, CRLF and CR, as the protocol has them: not what Python splits at. Not here: what a change
means to anybody.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, compress, islice

from stardraft_lsp.text.positions import Encoding, index_of_unit, units

_LINE_END = re.compile(r"\r\n|\n|\r")
# Of a piece; a longer one than twice that is cut. Finding a place walks a list of as many numbers as there
# are pieces, and then one piece.
PIECE_CHARS = 2048

# A piece's number, and an index in it.
Place = tuple[int, int]


class Pieces:
    """A text that changes.

    Invariants: the pieces together are the text; there is at least one, none but a lone one is empty, and
    no CRLF is cut. `_units` and `_line_ends` belong to the pieces with their numbers.
    """

    def __init__(self, text: str, encoding: Encoding) -> None:
        self._encoding = encoding
        self._pieces: list[str] = []
        self._units: list[int] = []
        self._line_ends: list[int] = []
        self._text: str | None = None
        self._put(0, 0, text)

    @property
    def text(self) -> str:
        """All of it, put together when it changed."""
        if self._text is None:
            self._text = "".join(self._pieces)
        return self._text

    @property
    def n_lines(self) -> int:
        return sum(self._line_ends) + 1

    def line_start(self, line: int) -> Place | None:
        """Where a line (from 0) begins; None past the last one."""
        if line <= 0:
            return 0, 0
        ends = list(accumulate(self._line_ends))
        if line > ends[-1]:
            return None
        piece = bisect_left(ends, line)
        n_before = ends[piece] - self._line_ends[piece]
        found = next(islice(_LINE_END.finditer(self._pieces[piece]), line - n_before - 1, None))
        return piece, found.end()

    @property
    def end(self) -> Place:
        return len(self._pieces) - 1, len(self._pieces[-1])

    def place(self, line: int, n_units: int) -> Place:
        """The place of a position; past a line's end its end, past the last line the end."""
        start = self.line_start(line)
        if start is None:
            return self.end
        if line < 0:
            return start
        piece, index = start
        text = self._pieces[piece]
        end = _LINE_END.search(text, index)
        width = units(text[index:], self._encoding) if end is None else 0
        if end is None and n_units >= width and piece + 1 < len(self._pieces):
            piece, n_units = self._further(piece + 1, n_units - width)
            text, index = self._pieces[piece], 0
            end = _LINE_END.search(text)
        rest = text[index : end.start() if end is not None else len(text)]
        return piece, index + index_of_unit(rest, n_units, self._encoding)

    def _further(self, first: int, n_units: int) -> tuple[int, int]:
        """The piece that is `n_units` on from a piece's beginning, or the line's last, and what is left."""
        n_pieces = len(self._pieces)
        with_end = compress(range(first, n_pieces), islice(self._line_ends, first, None))
        last = next(with_end, n_pieces - 1)
        passed = list(accumulate(self._units[first:last], initial=0))
        n_whole = bisect_right(passed, n_units) - 1
        return first + n_whole, n_units - passed[n_whole]

    def place_of(self, offset: int) -> Place:
        """The place of an index in the text."""
        starts = list(accumulate(map(len, self._pieces), initial=0))
        piece = min(max(bisect_right(starts, offset) - 1, 0), len(self._pieces) - 1)
        return piece, min(max(offset - starts[piece], 0), len(self._pieces[piece]))

    def offset(self, place: Place) -> int:
        """The index in the text of a place."""
        piece, index = place
        return sum(map(len, self._pieces[:piece])) + index

    def line_of(self, place: Place) -> int:
        """The line that a place is in."""
        piece, index = place
        return sum(self._line_ends[:piece]) + _n_line_ends(self._pieces[piece][:index])

    def position(self, place: Place) -> tuple[int, int]:
        """The line of a place, and the units before it in its line."""
        piece, index = place
        before = self._pieces[piece][:index]
        start = _after_last_line_end(before)
        n_units = units(before[start:], self._encoding)
        if start == 0:
            with_end = compress(range(piece - 1, -1, -1), reversed(self._line_ends[:piece]))
            above = next(with_end, -1)
            n_units += sum(self._units[above + 1 : piece])
            if above >= 0:
                text = self._pieces[above]
                n_units += units(text[_after_last_line_end(text) :], self._encoding)
        return self.line_of(place), n_units

    def between(self, start: Place, end: Place) -> str:
        """The text from one place to a later one."""
        (first, i), (last, j) = start, end
        if first == last:
            return self._pieces[first][i:j]
        return "".join([self._pieces[first][i:], *self._pieces[first + 1 : last], self._pieces[last][:j]])

    def replace(self, start: Place, end: Place, text: str) -> None:
        """`text` takes the place of what stands from one place to a later one."""
        (first, i), (last, j) = start, end
        new = self._pieces[first][:i] + text + self._pieces[last][j:]
        if first > 0 and (len(new) < PIECE_CHARS // 4 or new[0] == "\n"):
            first -= 1  # small ones do not pile up, and its CR may meet an LF
            new = self._pieces[first] + new
        if new.endswith("\r") and last + 1 < len(self._pieces):
            last += 1
            new += self._pieces[last]
        self._put(first, last + 1, new)

    def _put(self, first: int, last: int, text: str) -> None:
        """Puts a text in the place of the pieces from `first` to before `last`."""
        pieces = list(_cut(text))
        if not pieces and last - first == len(self._pieces):
            pieces = [""]
        self._pieces[first:last] = pieces
        self._units[first:last] = [units(piece, self._encoding) for piece in pieces]
        self._line_ends[first:last] = [_n_line_ends(piece) for piece in pieces]
        self._text = None


def _cut(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > 2 * PIECE_CHARS:
        end = start + PIECE_CHARS
        end += text[end - 1 : end + 1] == "\r\n"
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _n_line_ends(text: str) -> int:
    n_line_feeds = text.count("\n")
    return n_line_feeds if "\r" not in text else n_line_feeds + text.count("\r") - text.count("\r\n")


def _after_last_line_end(text: str) -> int:
    return max(text.rfind("\n"), text.rfind("\r")) + 1
