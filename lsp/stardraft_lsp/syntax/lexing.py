"""Comments and strings in a text without a tree: a small lexer by `rules`, as good as a line needs it.

It knows no grammar: a regular expression literal with a quote in it, or a language's odd quoting, misleads
it until the line's end. Where there is a tree, the tree decides first.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from stardraft_lsp.syntax.rules import LanguageRules, Quote, rules_of

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


@dataclass(frozen=True)
class _Delimited:
    """What a beginning begins, and how it ends."""

    kind: Lexed
    end: re.Pattern[str]


class Lexer:
    """The beginnings and ends of a language's comments and strings, compiled."""

    def __init__(self, rules: LanguageRules) -> None:
        self._ends: dict[str, _Delimited] = {}
        for begin in rules.line_comments:
            self._ends[begin] = _Delimited("comment", re.compile(r"(?=[\r\n])"))
        for begin, end in rules.block_comments:
            self._ends[begin] = _Delimited("comment", re.compile(re.escape(end)))
        for quote in rules.quotes:
            self._ends[quote.begin] = _Delimited("string", _end_of(quote))
        self._begin = _beginnings(list(self._ends), rules)

    def token_at(self, text: str, start: int, offset: int) -> Token:
        """What `offset` stands in when the text from `start` on begins as code."""
        at = start
        while self._begin is not None and (found := self._begin.search(text, at, offset)):
            begin = found.group()
            delimited = self._ends[begin]
            end = _closing(delimited, text, found.end(), offset)
            if end is None:
                return Token(delimited.kind, found.start(), begin)
            at = end
        return CODE

    def code_of(self, line: str) -> str:
        """A line without its comments, and with nothing in its strings. It begins as code."""
        parts = []
        at = 0
        while self._begin is not None and (found := self._begin.search(line, at)):
            delimited = self._ends[found.group()]
            end = _closing(delimited, line, found.end(), len(line))
            parts.append(line[at : found.start()])
            at = len(line) if end is None else end
            if delimited.kind == "string":
                parts.append('""')
        return "".join((*parts, line[at:]))


@cache
def lexer_of(language: str) -> Lexer:
    """The lexer of a language as `languages.language_of` names it."""
    return Lexer(rules_of(language))


def token_near(text: str, offset: int, language: str) -> Token:
    """What an offset stands in, read from the line that begins 16,000 characters before, as if in code."""
    start = 0
    if offset > _LOOK_BACK:
        start = text.find("\n", offset - _LOOK_BACK, offset) + 1 or offset - _LOOK_BACK
    return lexer_of(language).token_at(text, start, offset)


def _closing(delimited: _Delimited, text: str, at: int, limit: int) -> int | None:
    """Where what was begun before `at` has ended; None when that is behind `limit`."""
    while found := delimited.end.search(text, at, limit):
        if not found.group().startswith("\\"):
            return found.end()
        at = found.end()
    return None


def _end_of(quote: Quote) -> re.Pattern[str]:
    ends = [re.escape(quote.end)]
    if quote.has_escapes:
        ends.insert(0, r"\\.")
    if not quote.is_multiline:
        ends.append(r"(?=[\r\n])")
    return re.compile("|".join(ends), re.DOTALL)


def _beginnings(begins: list[str], rules: LanguageRules) -> re.Pattern[str] | None:
    if not begins:
        return None
    return re.compile(
        "|".join(_beginning(begin, rules) for begin in sorted(begins, key=len, reverse=True)), re.MULTILINE
    )


def _beginning(begin: str, rules: LanguageRules) -> str:
    if begin == "=begin":  # Ruby's, at a line's beginning only
        return "^=begin"
    if begin == "#" and rules.comment_needs_space:
        return r"(?<![^\s;|&(])#"
    if begin == "#" and "//" in rules.line_comments:
        return r"#(?!\[)"  # PHP's attributes
    return re.escape(begin)
