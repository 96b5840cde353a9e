"""A text in three measures at once: code points, bytes of UTF-8, and tree-sitter's rows and byte columns.

While a text is ASCII, an offset is the same in the first two, and nothing is computed. Otherwise an offset is
found from the last one that was found: what follows each other is close together.
"""

from dataclasses import dataclass

_UTF8 = "utf-8"
_ERRORS = "surrogatepass"  # half a surrogate pair can come in JSON; three bytes stand for it
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Known:
    """A place known in characters, bytes and rows."""

    offset: int = 0
    byte: int = 0
    row: int = 0


class Measure:
    """A text and its bytes. Invariants: `source` is `text` in UTF-8; `_known` is a true place in both."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.source = text.encode(_UTF8, _ERRORS)
        self._known = _Known()

    @property
    def size_bytes(self) -> int:
        return len(self.source)

    def copy(self) -> "Measure":
        """Another one of the same text; nothing of it is copied until one of them changes."""
        other = Measure.__new__(Measure)
        other.text, other.source, other._known = self.text, self.source, self._known
        return other

    def byte(self, offset: int) -> int:
        """The byte at which the character at `offset` begins."""
        if len(self.source) == len(self.text):
            return offset
        return self._at(offset).byte

    def offset(self, byte: int) -> int:
        """The offset of the character that begins at `byte`."""
        if len(self.source) == len(self.text):
            return byte
        known = self._known
        if byte >= known.byte:
            offset = known.offset + _n_characters(self.source[known.byte : byte])
        elif byte > known.byte // 2:
            offset = known.offset - _n_characters(self.source[byte : known.byte])
        else:
            offset = _n_characters(self.source[:byte])
        return offset

    def point(self, offset: int) -> Point:
        """Row, and bytes within it. Rows end with LF only, as tree-sitter counts them."""
        known = self._at(offset)
        return known.row, known.byte - (self.source.rfind(b"\n", 0, known.byte) + 1)

    def splice(self, start: int, end: int, text: str) -> tuple[int, int, int, Point, Point, Point]:
        """`text` takes the place of `start` to `end`. Returns what tree-sitter's `edit` takes."""
        start_point = self.point(start)
        begun = self._known
        old_end_point = self.point(end) if end > start else start_point
        old_end_byte = self._known.byte
        new = text.encode(_UTF8, _ERRORS)
        n_rows = new.count(b"\n")
        column = len(new) - new.rfind(b"\n") - 1 if n_rows else start_point[1] + len(new)
        new_end_point = (start_point[0] + n_rows, column)
        self.text = self.text[:start] + text + self.text[end:]
        self.source = self.source[: begun.byte] + new + self.source[old_end_byte:]
        self._known = _Known(start + len(text), begun.byte + len(new), begun.row + n_rows)
        return begun.byte, old_end_byte, begun.byte + len(new), start_point, old_end_point, new_end_point

    def _at(self, offset: int) -> _Known:
        """The place of an offset, found from the last one, which it then is."""
        known = self._known
        if offset < known.offset // 2:
            known = _Known()
        if offset > known.offset:
            part = self.text[known.offset : offset]
            n_bytes = len(part) if part.isascii() else len(part.encode(_UTF8, _ERRORS))
            known = _Known(offset, known.byte + n_bytes, known.row + part.count("\n"))
        elif offset < known.offset:
            part = self.text[offset : known.offset]
            n_bytes = len(part) if part.isascii() else len(part.encode(_UTF8, _ERRORS))
            known = _Known(offset, known.byte - n_bytes, known.row - part.count("\n"))
        self._known = known
        return known


def _n_characters(source: bytes) -> int:
    return len(source) if source.isascii() else len(source.decode(_UTF8, _ERRORS))
