"""The documents that the editor has open, kept equal to its own text change by change.

pygls's text document is not used: it splits lines as Python does, also at form feeds and at U+2028, where
LSP and editors do not, and every position after such a character would be off.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stardraft_lsp.stats.edits import Edit, edit_between
from stardraft_lsp.text.pieces import Pieces
from stardraft_lsp.text.positions import Encoding

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


@dataclass(frozen=True)
class Applied:
    """A change as it was carried out: the edit, the line where it begins, and how many LFs it took out."""

    edit: Edit
    line: int
    n_line_feeds: int
    is_whole: bool = False

    @property
    def cursor(self) -> int | None:
        """Where the cursor probably is: behind the new text; None when all of the text is new."""
        return None if self.is_whole else self.edit.start + len(self.edit.text)


class Document:
    """An open text document.

    version: counts its changes from the editor's first number; clients leave theirs out, or repeat it.
    answered_version: the one that was there when a completion list was asked for that has been answered;
    the first, when none has.
    """

    def __init__(self, uri: str, language: str, version: int, text: str, encoding: Encoding) -> None:
        self.uri = uri
        self.language = language
        self.version = self.answered_version = version
        self._encoding = encoding
        self._pieces = Pieces(text, encoding)

    @property
    def text(self) -> str:
        return self._pieces.text

    @property
    def n_lines(self) -> int:
        return self._pieces.n_lines

    def offset(self, position: Position) -> int:
        """The index in `text` of a position; one past a line's end is its end, past the last line the end."""
        return self._pieces.offset(self._pieces.place(position.line, position.character))

    def position(self, offset: int) -> Position:
        """The position of an index in `text`."""
        return Position(*self._pieces.position(self._pieces.place_of(offset)))

    def line_end(self) -> str:
        """The line end that this document uses: that of its first line, LF in a document of one line."""
        found = _LINE_END.search(self.text)
        return found.group() if found else "\n"

    def apply(self, changes: Sequence[Change]) -> list[Applied]:
        """Takes over changes of the editor's, in their order; each is about the text after those before.

        What stands before a whole new text is left out: nothing of it remains.
        """
        self.version += 1
        whole = [i for i, change in enumerate(changes) if change.start is None or change.end is None]
        return [self._apply(change) for change in changes[whole[-1] if whole else 0 :]]

    def _apply(self, change: Change) -> Applied:
        pieces = self._pieces
        if change.start is None or change.end is None:
            edit = edit_between(pieces.text, change.text)
            start, end = pieces.place_of(edit.start), pieces.place_of(edit.end)
            applied = Applied(
                edit, pieces.line_of(start), pieces.between(start, end).count("\n"), is_whole=True
            )
            self._pieces = Pieces(change.text, self._encoding)
            return applied
        start, end = sorted(
            pieces.place(position.line, position.character) for position in (change.start, change.end)
        )
        removed = pieces.between(start, end)
        offset = pieces.offset(start)
        applied = Applied(
            Edit(offset, offset + len(removed), change.text), pieces.line_of(start), removed.count("\n")
        )
        pieces.replace(start, end, change.text)
        return applied
