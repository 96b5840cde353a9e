"""A text without a tree: what a place in it stands in, and what the line around a cursor is.

Code, a comment or a string by the language's lexis (`stardraftd.lexing.scanner` reads; this asks); of the
line, what is before and after the cursor, its indentation, and what it opens. Where there is a tree, the tree
decides first.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from stardraftd.lexing import lines
from stardraftd.lexing.lexis import LEXES
from stardraftd.lexing.lines import depth, unmatched_closers
from stardraftd.lexing.rules import Lexis
from stardraftd.lexing.scanner import Frame, Scanner, open_at_end
from stardraftd.lexing.words import words_of

# How far back a text is read where no tree says how its line begins.
_LOOK_BACK = 16_000
Lexed = Literal["code", "comment", "string"]


@dataclass(frozen=True)
class Token:
    """What an offset stands in: its kind, where that began, and with what. Code begins nowhere."""

    kind: Lexed
    start: int = 0
    begin: str = ""


CODE = Token("code")


class Lexer:
    """Reads the text of one language."""

    def __init__(self, language: str) -> None:
        self._language = language

    def token_at(self, text: str, start: int, offset: int) -> Token:
        """What `offset` stands in when the text from `start` on begins as code. Code in a string is code."""
        return _token_of(Scanner(self._language, text, start).to(offset))

    def code_of(self, line: str) -> str:
        """A line without its comments, and with nothing in its strings. It begins as code."""
        return lines.code_of(line, self._language)


@cache
def lexer_of(language: str) -> Lexer:
    """The lexer of a language as `languages.language_of` names it."""
    return Lexer(language)


def has_lexis(language: str) -> bool:
    """Whether anything is known of how a language writes strings and comments."""
    return LEXES.get(language, Lexis()) != Lexis()


def is_code_in_string(text: str, language: str) -> bool:
    """Whether a text that begins with a string ends in code within it."""
    frame = open_at_end(text, language)
    while frame is not None and not frame.is_text:
        if frame.kind == "hole":
            return True
        frame = frame.outer
    return False


def token_near(text: str, offset: int, language: str) -> Token:
    """What an offset stands in, read from the line that begins 16,000 characters before, as if in code."""
    start = 0
    if offset > _LOOK_BACK:
        start = text.find("\n", offset - _LOOK_BACK, offset) + 1 or offset - _LOOK_BACK
    return lexer_of(language).token_at(text, start, offset)


def _token_of(frame: Frame | None) -> Token:
    if frame is None or frame.kind not in ("string", "comment"):
        return CODE
    return Token("string" if frame.kind == "string" else "comment", frame.start, frame.begin)


# How many lines above are looked at for the last one with code in it.
_LOOK_UP = 50
_CLOSING = frozenset(" \t\r\f\v)]}>\"'`;,")
_CLOSING_PAIRS = ("()", "/>", "*/", '"#')


@dataclass(frozen=True)
class Line:
    """The line of a cursor: `before` and `behind` it, without line ends. `start` is the line's offset."""

    start: int
    before: str
    behind: str

    @property
    def text(self) -> str:
        return self.before + self.behind

    @property
    def indentation(self) -> str:
        """The white space that the line begins with; on a blank line that before the cursor."""
        text = self.text
        return text[: len(text) - len(text.lstrip())] if text.strip() else self.before


def line_at(text: str, offset: int) -> Line:
    """The line around an offset. CRLF, LF and CR end lines."""
    start = text.rfind("\n", 0, offset) + 1
    start = text.rfind("\r", start, offset) + 1 or start
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    behind = text[offset:end]
    if "\r" in behind:
        behind = behind[: behind.index("\r")]
    return Line(start, text[start:offset], behind)


def last_code_line(text: str, start: int, language: str) -> tuple[str, int]:
    """The last line above `start` with code in it, without comments, and its offset; ("", 0): none."""
    lexer = lexer_of(language)
    for _ in range(_LOOK_UP):
        if start == 0:
            break
        line = line_at(text, start - 2 if text[start - 2 : start] == "\r\n" else start - 1)
        code = lexer.code_of(line.text)
        if code.strip():
            return code.rstrip(), line.start
        start = line.start
    return "", 0


def is_only_closers(behind: str) -> bool:
    """Whether the rest of a line is nothing but what editors close by themselves, or a statement's end."""
    rest = behind.rstrip()
    rest = rest.removesuffix(":") if rest.endswith(":") else rest.removesuffix("{")
    at = 0
    while at < len(rest):
        pair = rest[at : at + 2]
        if pair == "</":
            end = rest.find(">", at)
            if end < 0 or not all(_is_in_tag(one) for one in rest[at + 2 : end]):
                return False
            at = end + 1
        elif pair in _CLOSING_PAIRS:
            at += 2
        elif rest[at] in _CLOSING or rest[at].isspace():
            at += 1
        else:
            return False
    return True


def _is_in_tag(character: str) -> bool:
    return character.isalnum() or character in "_.:-"


def opener_of(code: str, language: str, *, is_whole: bool) -> str:
    """What a line ends with that opens a block or a bracket; "" for none. See `stardraftd.lexing.lines`."""
    return lines.opener_of(code, words_of(language), is_whole=is_whole)


def is_word_character(character: str) -> bool:
    """Whether a character goes on with an identifier in most languages (Unicode's XID_Continue, and `$`)."""
    return character == "$" or f"a{character}".isidentifier()


def is_complete(code: str, language: str) -> bool:
    """Whether a line's statement is complete, so that nothing can follow on it."""
    rules = words_of(language)
    code = code.rstrip()
    if not code:
        return False
    if code.strip() in rules.finished_words:
        return True
    if rules.enders and code.endswith(rules.enders):
        return depth(code) <= 0
    closers = unmatched_closers(code)
    return "}" in closers and code.lstrip(" \t})];,") == ""
