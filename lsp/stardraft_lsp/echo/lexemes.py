"""Source lines as strings of lexemes: one character for each, so that C's string search finds what is alike.

A lexeme is a name, a number, a run of operator signs or any other sign; blanks separate and are nothing. A
line's code begins with how it is indented against the line before and ends in LINE_END; a blank line has no
code. No grammar: what is alike is found in any language.
"""

import re
import threading
from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

from stardraftd.lexing.columns import indent_of
from stardraftd.lexing.words import KEYWORDS

# The first characters of the code; words are numbered after them.
LINE_END, DEEPER, SAME, SHALLOWER, NAME = "\x01", "\x02", "\x03", "\x04", "\x05"
INDENTS = frozenset((DEEPER, SAME, SHALLOWER))
FRAME = INDENTS | {LINE_END}
# Characters of a line; what is longer is data, and is not read on.
MAX_LINE = 400
# Numbers are characters, of which there are 0x110000. When they are used up, nothing more is learnt.
_MAX_WORDS = 0x100000
_UNSORTED = 500
# Each alternative begins with a sign of its own kind and gives none back: linear in any text.
_LEXEME = re.compile(r"[^\W\d]\w*|\d[\w.]*|[-+*/%=<>!&|^~]+|[^\w\s]")
_TAB = 4


class Lexeme(NamedTuple):
    """start, end: columns in the line, in characters from 0."""

    text: str
    start: int
    end: int


def lexemes_of(line: str) -> list[Lexeme]:
    """The lexemes of a line's first MAX_LINE characters."""
    return [Lexeme(m.group(), m.start(), m.end()) for m in _LEXEME.finditer(line, 0, MAX_LINE)]


def words_of(line: str) -> list[str]:
    """The lexemes' texts alone, quicker."""
    return _LEXEME.findall(line, 0, MAX_LINE)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with each name that is another one here put in its place. names: what a name there is here."""
    if all(there == here for there, here in names.items()):
        return text
    return _LEXEME.sub(lambda found: names.get(found[0], found[0]), text)


def is_name(word: str) -> bool:
    """Whether a lexeme is a name that somebody chose, and not a keyword of any language."""
    return (word[:1].isalpha() or word[:1] == "_") and word not in KEYWORDS


class Indents:
    """How each of the lines that follow each other is indented against the last one with something on it.

    above: the columns that the line before the first is indented by; None: there is none.
    """

    def __init__(self, above: int | None = None) -> None:
        self._above = above

    def sign(self, line: str) -> str:
        """The sign that the code of the next line begins with; it has something on it."""
        indent, above = indentation(line), self._above
        self._above = indent
        if above is None or indent == above:
            return SAME
        return DEEPER if indent > above else SHALLOWER


def indentation(line: str) -> int:
    """The columns that a line is indented by."""
    return indent_of(line, _TAB)


class Lexicon:
    """Words and the characters that they are numbered with. Two threads may use it."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        self._words: list[str] = [""] * (ord(NAME) + 1)
        self._names: dict[int, str] = {}
        self._sorted: list[str] = []
        self._unsorted: list[str] = []
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def word(self, code: str) -> str:
        """The lexeme that a character stands for; "" for the ones that frame a line."""
        return self._words[ord(code)]

    def number(self, word: str) -> str:
        """The character of a word; a sign that frames a line is its own. "" for what stands nowhere."""
        return self._numbers.get(word) or (word if word in FRAME else "")

    def encode(self, line: str) -> str:
        """A line's words as characters, without its frame; "" for a blank line."""
        words = words_of(line)
        try:
            return "".join([self._numbers[word] for word in words])
        except KeyError:
            return "".join([self._numbers.get(word) or self._add(word) for word in words])

    def line_code(self, line: str, indents: Indents) -> str:
        """A line's code, between the signs that frame it; "" for a blank line."""
        code = self.encode(line)
        return f"{indents.sign(line)}{code}{LINE_END}" if code else ""

    def without_names(self, code: str) -> str:
        """Code with NAME for each name, as long as before."""
        return code.translate(self._names)

    def starting_with(self, beginning: str) -> set[str]:
        """The characters of all words that begin so, that word itself included."""
        if len(self._unsorted) > _UNSORTED:
            self._sort()
        numbers, ordered = self._numbers, self._sorted
        first = bisect_left(ordered, beginning)
        last = bisect_left(ordered, f"{beginning}\U0010ffff", first)
        found = {numbers[word] for word in ordered[first:last]}
        found.update([numbers[word] for word in tuple(self._unsorted) if word.startswith(beginning)])
        return found

    def _add(self, word: str) -> str:
        with self._turn:
            number = self._numbers.get(word, "")
            if number or len(self._words) >= _MAX_WORDS:
                return number
            number = chr(len(self._words))
            self._words.append(word)
            if is_name(word):
                self._names[ord(number)] = NAME
            self._numbers[word] = number
            self._unsorted.append(word)
        return number

    def _sort(self) -> None:
        with self._turn:
            self._sorted = sorted([*self._sorted, *self._unsorted])
            self._unsorted = []
