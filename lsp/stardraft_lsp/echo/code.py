"""Texts as code: what is searched, and the lines that it came from.

A `Source` is searched as one string, however many files are in it. An open document is kept line by line:
a key has one line read anew.
"""

import itertools
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from stardraft_lsp.echo.lexemes import LINE_END, Lexicon, indent_sign, indentation
from stardraftd.privacy.content import has_secret

# Lines between two looks at the clock.
_STEP_LINES = 32


@dataclass(frozen=True)
class Origin:
    """Where a line stands; counted from 0."""

    uri: str
    line: int
    text: str


@dataclass(frozen=True)
class Code:
    """The code of lines that follow each other; `outline` is the same without names, equally long.

    uri: of the document or the file.
    """

    uri: str
    lines: Sequence[str]
    code: str
    outline: str
    first_line: int = 0

    @property
    def size(self) -> int:
        """About how many bytes the text has."""
        return sum(map(len, self.lines)) + len(self.lines)

    @classmethod
    def of(cls, lexicon: Lexicon, uri: str, text: str, tick: Callable[[], None] = lambda: None) -> "Code":
        """The code of a whole text with LF line ends. tick: called often."""
        lines = public(text.split("\n"), tick)
        pieces: list[str] = []
        before: int | None = None
        for number, line in enumerate(lines):
            if encoded := lexicon.encode(line):
                indent = indentation(line)
                pieces += (indent_sign(indent, before), encoded, LINE_END)
                before = indent
            if number % _STEP_LINES == 0:
                tick()
        code = "".join(pieces)
        return cls(uri, lines, code, lexicon.without_names(code))

    def origin(self, position: int) -> Origin:
        """The line that a position in `code` is of."""
        number = self.number(position)
        return Origin(self.uri, self.first_line + number, self.lines[number])

    def number(self, position: int) -> int:
        """Which of `lines` a position in `code` is of."""
        return self._numbers[self.code.count(LINE_END, 0, position)]

    @cached_property
    def _numbers(self) -> list[int]:
        """Which of the lines have something on them."""
        return [number for number, line in enumerate(self.lines) if line and not line.isspace()]


@dataclass(frozen=True)
class Source:
    """Code that is searched as one string. weight: how much its word counts."""

    parts: Sequence[Code]
    weight: float
    kind: str
    code: str
    outline: str
    starts: Sequence[int]

    @classmethod
    def of(cls, parts: Iterable[Code], weight: float, kind: str) -> "Source":
        found = tuple(part for part in parts if part.code)
        starts, end = [], 0
        for part in found:
            starts.append(end)
            end += len(part.code)
        return cls(
            found,
            weight,
            kind,
            "".join([part.code for part in found]),
            "".join([part.outline for part in found]),
            starts,
        )

    def origin(self, position: int) -> Origin:
        """The line that a position is of."""
        part = bisect_right(self.starts, position) - 1
        return self.parts[part].origin(position - self.starts[part])

    def around(self, position: int, n_below: int) -> list[str]:
        """The line above that of a position ("" for the first), that line, and at most so many below it."""
        part = bisect_right(self.starts, position) - 1
        code = self.parts[part]
        at = code.number(position - self.starts[part])
        return [code.lines[at - 1] if at else "", *code.lines[at : at + 1 + n_below]]


def public(lines: list[str], tick: Callable[[], None] = lambda: None) -> list[str]:
    """The lines, those with what looks like a secret blanked: nothing of them is proposed anywhere."""
    for first in range(0, len(lines), _STEP_LINES):
        part = lines[first : first + _STEP_LINES]
        tick()
        if has_secret("\n".join(part)):
            lines[first : first + _STEP_LINES] = [
                "" if _has_secret(part, i) else part[i] for i in range(len(part))
            ]
    return lines


def _has_secret(lines: Sequence[str], number: int) -> bool:
    """Whether a line looks like a secret, or its text with one of the lines beside it does."""
    return has_secret(lines[number]) or any(
        has_secret("\n".join(lines[max(0, first) : first + 2])) for first in (number - 1, number)
    )


class LiveCode:
    """The code of an open document, line by line. For the editor's thread.

    Invariant: `lines` are the text's, and what `_codes` and `_outlines` have of a line is that line's, or
    None: it is not read yet. All lines before `_unread` are read.
    """

    def __init__(self, lexicon: Lexicon, uri: str, text: str) -> None:
        self._lexicon = lexicon
        self.uri = uri
        self.lines = text.split("\n")
        self._codes: list[str | None] = [None] * len(self.lines)
        self._outlines: list[str | None] = [None] * len(self.lines)
        self._unread = 0
        self._whole: Code | None = None

    def change(self, edits: Iterable[tuple[int, int, int]], text: str) -> None:
        """Takes over what one message changed. edits: first line, line ends before, line ends after."""
        self._whole = None
        for line, n_old, n_new in edits:
            for kept in (self._codes, self._outlines):
                kept[line : line + n_old + 1] = [None] * (n_new + 1)
            self._unread = min(self._unread, line)
        self.lines = text.split("\n")
        if len(self._codes) != len(self.lines):  # LF and CR are mixed
            self._codes, self._outlines = [None] * len(self.lines), [None] * len(self.lines)
            self._unread = 0

    def read(self, budget_ms: float, besides: int = -1) -> bool:
        """Reads unread lines for so long; whether none is left, but `besides`: a line that is being typed."""
        deadline = time.perf_counter() + budget_ms / 1000
        with suppress(ValueError):  # when there is no None any more
            at = self._unread = self._codes.index(None, self._unread)
            for n_read in itertools.count():
                if at == besides:
                    at = self._codes.index(None, at + 1)
                self._read(at)
                if n_read % _STEP_LINES == 0 and time.perf_counter() > deadline:
                    return False
                at = self._codes.index(None, at)
        if besides < 0:
            self._unread = len(self.lines)
        return True

    def part(self, first: int, end: int) -> Code:
        """The code of some lines, as far as they are read."""
        codes, outlines = self._codes[first:end], self._outlines[first:end]
        # Lines without a code are blank, not read yet, or have a secret.
        lines = [line if code else "" for line, code in zip(self.lines[first:end], codes, strict=True)]
        return Code(
            self.uri,
            lines,
            "".join([code for code in codes if code]),
            "".join([outline for outline in outlines if outline]),
            first,
        )

    def whole(self) -> Code:
        """The code of all lines, as far as they are read: made once, for who types in another document."""
        if self._whole is None:
            self._whole = self.part(0, len(self.lines))
        return self._whole

    def _read(self, number: int) -> None:
        self._whole = None
        line = self.lines[number]
        code = "" if has_secret(line) else self._lexicon.encode(line)
        if code:
            code = f"{indent_sign(indentation(line), self._indent_above(number))}{code}{LINE_END}"
        self._codes[number], self._outlines[number] = code, self._lexicon.without_names(code)

    def _indent_above(self, number: int) -> int | None:
        for above in range(number - 1, max(number - 50, -1), -1):
            line = self.lines[above]
            if line and not line.isspace():
                return indentation(line)
        return None
