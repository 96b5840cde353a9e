"""One line of a text, seen from a cursor in it: what is before and behind, its indentation, what it opens.

Text only, and the rules of a language; no tree.
"""

import re
from dataclasses import dataclass

from stardraft_lsp.syntax.lexing import lexer_of
from stardraft_lsp.syntax.rules import LanguageRules, rules_of
from stardraftd.patterns import linear

TAB_COLUMNS = 4
# How many lines above are looked at for the last one with code in it.
_LOOK_UP = 50
_CLOSERS = linear(r"""(?:[\s)\]}>"'`;,]|\(\)|</[\w.:-]*>|/>|\*/|"#)*[:{]?\s*""")
_FIRST_WORD = re.compile(r"[^\W\d]\w*")
_LAST_WORD = re.compile(r"(?<![\w.])[^\W\d]\w*$")
_RUBY_BLOCK = linear(r"(?:\bdo|\{)\s*\|[^|]*\|$")
_FUNCTION = linear(r"\bfunction\b[^()]*\([^()]*\)$")
_PAIRS = {")": "(", "]": "[", "}": "{"}


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


def columns(indentation: str) -> int:
    """How wide a line's beginning is, in columns; a tab reaches the next multiple of four."""
    return len(indentation.expandtabs(TAB_COLUMNS)) if "\t" in indentation else len(indentation)


def indent_of(line: str) -> int:
    """How far a line is indented, in columns."""
    return columns(line[: len(line) - len(line.lstrip())])


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


def opener_of(code: str, language: str, *, is_whole: bool) -> str:
    """What a line ends with that opens a block or a bracket; "" for none.

    code: the line without comments, as `lexing.Lexer.code_of` gives it. is_whole: the cursor is on another
    line, so nothing more will come on this one.
    """
    code = code.rstrip()
    if not code:
        return ""
    rules = rules_of(language)
    if code[-1] in "([{":
        return code[-1]
    arrow = next((arrow for arrow in rules.arrows if code.endswith(arrow)), "")
    return arrow or _colon(code, rules) or _word(code, rules, is_whole=is_whole)


def _colon(code: str, rules: LanguageRules) -> str:
    if not code.endswith(":") or not rules.header_words or rules.opens_by_header:
        return ""
    first = _FIRST_WORD.match(code.strip())
    is_header = first is not None and first.group() in rules.header_words
    # The end of a header over several lines.
    is_end = rules.is_indented and code.lstrip()[0] in ")]}"
    return ":" if (is_header and depth(code) <= 0) or is_end else ""


def _word(code: str, rules: LanguageRules, *, is_whole: bool) -> str:
    last = _LAST_WORD.search(code)
    if last is not None and last.group() in rules.block_words:
        return last.group()
    if "end" not in rules.closing_words:
        return ""
    if _RUBY_BLOCK.search(code):
        return "do"
    if "function" in rules.header_words and _FUNCTION.search(code):
        return "function"
    first = _FIRST_WORD.match(code.strip())
    if rules.opens_by_header and is_whole and first is not None and first.group() in rules.header_words:
        return first.group() if not (last is not None and last.group() == "end") else ""
    return ""


def depth(code: str) -> int:
    """How many brackets a line leaves open; below 0 when it closes more than it opens."""
    return sum(code.count(opener) for opener in "([{") - sum(code.count(closer) for closer in ")]}")


def unmatched_closers(code: str) -> str:
    """The closers of a line that have no opener on it, in order."""
    open_ones: list[str] = []
    unmatched = []
    for character in code:
        if character in "([{":
            open_ones.append(character)
        elif character in _PAIRS:
            if open_ones and open_ones[-1] == _PAIRS[character]:
                open_ones.pop()
            else:
                unmatched.append(character)
    return "".join(unmatched)


def is_only_closers(behind: str) -> bool:
    """Whether the rest of a line is nothing but what editors close by themselves, or a statement's end."""
    return _CLOSERS.fullmatch(behind) is not None


def is_word_character(character: str) -> bool:
    """Whether a character goes on with an identifier in most languages (Unicode's XID_Continue, and `$`)."""
    return character == "$" or f"a{character}".isidentifier()


def is_complete(code: str, language: str) -> bool:
    """Whether a line's statement is complete, so that nothing can follow on it."""
    rules = rules_of(language)
    code = code.rstrip()
    if not code:
        return False
    if code.strip() in rules.finished_words:
        return True
    if rules.enders and code.endswith(rules.enders):
        return depth(code) <= 0
    closers = unmatched_closers(code)
    return "}" in closers and code.lstrip(" \t})];,") == ""
