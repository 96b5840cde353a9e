"""What a place in a text without a tree stands in: code, a comment or a string, by the language's lexis.

`stardraftd.lexing.scanner` reads; this asks. Where there is a tree, the tree decides first.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from stardraftd.lexing import lines
from stardraftd.lexing.lexis import LEXES
from stardraftd.lexing.rules import Lexis
from stardraftd.lexing.scanner import Frame, Scanner, open_at_end

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
