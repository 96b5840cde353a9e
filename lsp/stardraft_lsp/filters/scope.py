"""Where a suggestion leaves what the cursor stands in: the block by its indentation, and the lines allowed.

A block is what is indented deeper than the line that opens it, or, on a blank line, as deep as its own first
line. One line of closers may stand further out, and what goes on with the same statement (`else:`).
"""

import re

from stardraft_lsp.filters.around import Around, leading
from stardraft_lsp.filters.draft import Draft

# Words that close a block, and words with which its statement goes on.
_ENDING = ("end", "fi", "done", "esac")
_GOING_ON = (
    *("else", "elif", "elsif", "elseif", "except", "finally", "rescue", "ensure", "catch"),
    *("when", "case", "default", "then", "do", "while"),
)
_CLOSER = re.compile(rf"[)\]}}]|(?:{'|'.join(_ENDING)})\b|</|\*/|\"\"\"|{chr(39) * 3}")
_GOES_ON = re.compile(rf"(?:{'|'.join(_GOING_ON)})\b")
_OPENS = (":", "{", "(", "[", " do", " then", "=>", "->")
_TRIPLE = re.compile(r"\"\"\"|'''")
_DIRECTIVES = frozenset(["c", "cpp", "csharp", "objective-c"])


def scope(draft: Draft, around: Around) -> Draft:
    """The block ends before the first line that stands further out than it does."""
    text = draft.text
    line_end = text.find("\n")
    if around.mode != "block" or line_end < 0:
        return draft
    walk = _Walk(around, text[:line_end])
    start = line_end + 1
    while start <= len(text):
        end = text.find("\n", start)
        line = text[start:] if end < 0 else text[start:end]
        verdict = walk.line(line, is_whole=end >= 0 or bool(draft.ended))
        if verdict == "out":
            return draft.cut(_end_of_text(text, start), "scope")
        if verdict == "unknown":
            return draft.held(start - 1)
        if end < 0:
            break
        start = end + 1
    return draft


def _end_of_text(text: str, start: int) -> int:
    """The end of the last line with something on it before `start`."""
    return len(text[:start].rstrip())


class _Walk:
    """Goes through the lines of a suggestion. `_base`: columns of the block; None before its first line."""

    def __init__(self, around: Around, first: str) -> None:
        self._around = around
        self._opener = None if around.is_on_blank_line else around.indent
        self._base: int | None = None
        self._closed = False
        self._in_string = len(_TRIPLE.findall(around.line_before + first)) % 2 == 1
        self._blank_before = False
        self._n_lines = 1 if first.strip() else 0
        self._opens = (around.line_before + first).rstrip().endswith(_OPENS)
        if around.is_on_blank_line and first.strip():
            self._base = around.columns(around.line_before + leading(first))

    def line(self, line: str, *, is_whole: bool) -> str:
        """ "in", "out", or "unknown" for a line of which too little is there."""
        code = line.lstrip(" \t")
        if not code:
            self._blank_before = self._blank_before or is_whole
            return "in"
        if self._in_string:
            self._note(line)
            return "in"
        width = self._around.columns(leading(line))
        verdict = self._place(code, width, is_whole=is_whole)
        if verdict == "in":
            self._note(line)
        return verdict

    def _note(self, line: str) -> None:
        self._in_string ^= len(_TRIPLE.findall(line)) % 2 == 1
        self._blank_before = False
        self._n_lines += 1
        self._opens = line.rstrip().endswith(_OPENS)

    def _place(self, code: str, width: int, *, is_whole: bool) -> str:
        if self._closed:
            return "out"
        if code.startswith("#") and width == 0 and self._around.language in _DIRECTIVES:
            return "in"
        if self._base is None:
            return self._first(code, width, is_whole=is_whole)
        if width > self._base or (width == self._base and not self._ends_top_level(code)):
            return "in"
        if width == self._base:
            return "out"
        return self._further_out(code, width, is_whole=is_whole)

    def _first(self, code: str, width: int, *, is_whole: bool) -> str:
        """The first line of the block that the cursor's line opens, or of what follows a blank one."""
        if self._opener is None or width > self._opener:
            self._base = width
            return "in"
        return self._further_out(code, width, is_whole=is_whole)

    def _further_out(self, code: str, width: int, *, is_whole: bool) -> str:
        if width != self._opener if self._opener is not None else self._n_lines == 0:
            return "out"
        if not is_whole and any(word.startswith(code) for word in (*_ENDING, *_GOING_ON)):
            return "unknown"
        if code.startswith("{"):
            return "in"  # the brace on a line of its own
        if _CLOSER.match(code):
            self._closed = is_whole and not code.rstrip().endswith(_OPENS)
            return "in"
        # `else` belongs to what the cursor's line began; around a blank line it belongs to others.
        return "in" if self._opener is not None and _GOES_ON.match(code) else "out"

    def _ends_top_level(self, code: str) -> bool:
        """At the file's left edge a blank line is the end; anywhere else only the edge is."""
        at_edge = self._base == 0 and self._opener is None and self._blank_before and self._n_lines > 0
        return at_edge and not _CLOSER.match(code)


def max_lines(draft: Draft, around: Around) -> Draft:
    """At most so many lines with something on them."""
    if not around.max_lines:
        return draft
    n, start = 0, 0
    text = draft.text
    while start < len(text):
        end = text.find("\n", start)
        if end < 0:
            return draft
        n += bool(text[start:end].strip())
        if n >= around.max_lines:
            return draft.cut(end, "max_lines")
        start = end + 1
    return draft


def one_line(draft: Draft, around: Around) -> Draft:
    """In line mode, and before code on the cursor's own line, the text is one line with something on it."""
    if around.mode == "free" or (around.mode == "block" and around.rest_is_dust):
        return draft
    text = draft.text
    end = text.find("\n")
    if not around.rest:
        while 0 <= end < len(text) and not text[:end].strip():
            end = text.find("\n", end + 1)
    return draft if end < 0 else draft.cut(end, "one_line")
