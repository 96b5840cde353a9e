"""Texts as code: what is searched, and the lines that it came from.

A `Source` is searched as one string, however many files are in it. An open document is kept line by line:
a key has one line read anew.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, count
from operator import not_

from stardraft_lsp.echo.lexemes import LINE_END, Indents, Lexicon, indentation
from stardraftd.privacy.content import holds_key, secret_spans

# Lines between two looks at the clock.
_STEP_LINES = 32
# Lines above and below that may make a secret of a line: the name that a value is given to.
_SECRET_REACH = 1


@dataclass(frozen=True)
class Origin:
    """Where a line stands; counted from 0."""

    uri: str
    line: int
    text: str


@dataclass(frozen=True)
class Code:
    """The code of lines that follow each other; `outline` is the same without names, equally long.

    uri: of the document or the file. lines: "" for each that has no code.
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
        lines = text.split("\n")
        indents, kept, pieces = Indents(), list[str](), list[str]()
        for first in range(0, len(lines), _STEP_LINES):
            tick()
            end = min(first + _STEP_LINES, len(lines))
            codes = codes_of(lexicon, lines, first, end, indents)
            # A line without code is kept blank, so that code and lines stay in step.
            kept += [line if code else "" for line, code in zip(lines[first:end], codes, strict=True)]
            pieces += codes
        code = "".join(pieces)
        return cls(uri, kept, code, lexicon.without_names(code))

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
        return list(compress(count(), self.lines))


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


def codes_of(lexicon: Lexicon, lines: Sequence[str], first: int, end: int, indents: Indents) -> list[str]:
    """The codes of the lines [first, end); "" for a blank one, and for one that looks like a secret, alone or
    with the line beside it: nothing of that is proposed anywhere."""
    secret = _secret_lines(lines, first, end)
    return ["" if n in secret else lexicon.line_code(lines[n], indents) for n in range(first, end)]


def _secret_lines(lines: Sequence[str], first: int, end: int) -> Collection[int]:
    start = max(0, first - _SECRET_REACH)
    around = "\n".join(lines[start : end + _SECRET_REACH])
    if holds_key(around):
        return range(first, end)
    found: set[int] = set()
    for span in secret_spans(around):
        top, bottom = (start + around.count("\n", 0, at) for at in span)
        found.update(range(top, bottom + 1))
    return found


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
            # The lines beside it, too: by them a line is a secret, and indented more or less.
            above, below = max(0, line - _SECRET_REACH), line + n_old + _SECRET_REACH
            n_below = max(0, min(below, len(self._codes) - 1) - line - n_old)
            for kept in (self._codes, self._outlines):
                kept[above : below + 1] = [None] * (line - above + n_new + 1 + n_below)
            self._unread = min(self._unread, above)
        self.lines = text.split("\n")
        if len(self._codes) != len(self.lines):  # LF and CR are mixed
            self._codes, self._outlines = [None] * len(self.lines), [None] * len(self.lines)
            self._unread = 0

    def read(self, budget_ms: float, besides: int = -1) -> bool:
        """Reads unread lines for so long; whether none is left, but `besides`: a line that is being typed."""
        deadline = time.perf_counter() + budget_ms / 1000
        self._unread = at = self._first_unread(self._unread)
        while at < len(self.lines):
            if at == besides:
                at += 1
            else:
                at = self._read(at, besides)
                if time.perf_counter() > deadline:
                    return self._first_unread(at) == len(self.lines)
            at = self._first_unread(at)
        return True

    def part(self, first: int, end: int) -> Code:
        """The code of some lines, as far as they are read."""
        lines, codes, outlines = self.lines[first:end], self._codes[first:end], self._outlines[first:end]
        for number in compress(count(), map(not_, codes)):
            lines[number] = ""
        return Code(self.uri, lines, "".join(filter(None, codes)), "".join(filter(None, outlines)), first)

    def around(self, at: int, n_above: int, n_below: int) -> tuple[list[str], list[str]]:
        """Codes and outlines of the lines above and below one, of those that are read and have any."""
        above, below = slice(max(0, at - n_above), at), slice(at + 1, at + 1 + n_below)
        codes, outlines = (
            list(filter(None, kept[above] + kept[below])) for kept in (self._codes, self._outlines)
        )
        return codes, outlines

    def whole(self) -> Code:
        """The code of all lines, as far as they are read: made once, for who types in another document."""
        if self._whole is None:
            self._whole = self.part(0, len(self.lines))
        return self._whole

    def _first_unread(self, at: int) -> int:
        """The first unread line from `at` on; the number of lines when all are read."""
        try:
            return self._codes.index(None, at)
        except ValueError:
            return len(self.lines)

    def _read(self, first: int, besides: int) -> int:
        """Reads unread lines from `first` on, not `besides`; where it stopped."""
        end = first + 1
        while end < min(first + _STEP_LINES, len(self.lines)) and end != besides and self._codes[end] is None:
            end += 1
        codes = codes_of(self._lexicon, self.lines, first, end, Indents(self._indent_above(first)))
        self._codes[first:end] = codes
        self._outlines[first:end] = map(self._lexicon.without_names, codes)
        self._whole = None
        return end

    def _indent_above(self, number: int) -> int | None:
        for above in range(number - 1, max(number - 50, -1), -1):
            line = self.lines[above]
            if line and not line.isspace():
                return indentation(line)
        return None
