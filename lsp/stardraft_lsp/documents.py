"""The documents that the editor has open, kept equal to its own text change by change.

pygls's text document is not used: it splits lines as Python does, also at form feeds and at U+2028, where
LSP and editors do not, and every position after such a character would be off.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from stardraft_lsp.positions import Encoding, index_of_unit, units

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Position:
    """A line, and units of the session's encoding within it; both from 0."""

    line: int
    character: int


@dataclass(frozen=True)
class Change:
    """`text` in place of what stands from `start` to `end`; of everything, when these are None."""

    text: str
    start: Position | None = None
    end: Position | None = None


class Document:
    """An open text document.

    Invariant: `_starts` holds the offset of every line's beginning in `text`, in order; the first is 0.
    """

    def __init__(self, uri: str, language: str, version: int, text: str, encoding: Encoding) -> None:
        self.uri = uri
        self.language = language
        self.version = version
        self.text = text
        self._encoding = encoding
        self._starts = _line_starts(text)

    @property
    def n_lines(self) -> int:
        return len(self._starts)

    def line(self, number: int) -> str:
        """A line without its line end; "" past the last one."""
        if not 0 <= number < len(self._starts):
            return ""
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.text)
        return self.text[self._starts[number] : end].rstrip("\r\n")

    def offset(self, position: Position) -> int:
        """The index in `text` of a position; one past a line's end is its end, past the last line the end."""
        if position.line >= len(self._starts):
            return len(self.text)
        if position.line < 0:
            return 0
        line = self.line(position.line)
        return self._starts[position.line] + index_of_unit(line, position.character, self._encoding)

    def position(self, offset: int) -> Position:
        """The position of an index in `text`."""
        line = bisect_right(self._starts, offset) - 1
        return Position(line, units(self.text[self._starts[line] : offset], self._encoding))

    def line_end(self) -> str:
        """The line end that this document uses: that of its first line, LF in a document of one line."""
        found = _LINE_END.search(self.text)
        return found.group() if found else "\n"

    def apply(self, change: Change) -> int | None:
        """Takes over one change of the editor's. The offset behind its text; None for a new whole text."""
        if change.start is None or change.end is None:
            self.text = change.text
            self._starts = _line_starts(change.text)
            return None
        start, end = sorted((self.offset(change.start), self.offset(change.end)))
        first = max(bisect_right(self._starts, start) - 2, 0)  # the line before: its CR may meet an LF
        last = bisect_right(self._starts, end) - 1
        after = self._starts[last + 1] if last + 1 < len(self._starts) else len(self.text)
        delta = len(change.text) - (end - start)
        self.text = self.text[:start] + change.text + self.text[end:]
        base = self._starts[first]
        between = [base + offset for offset in _line_starts(self.text[base : after + delta])]
        if last + 1 < len(self._starts) and between[-1] == after + delta:
            between.pop()  # the line after the changed ones begins there; it is in the rest
        self._starts[first:] = between + [offset + delta for offset in self._starts[last + 1 :]]
        return start + len(change.text)


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in _LINE_END.finditer(text))]
