"""Where a suggestion ends: with its block, with a whole string, at something whole.

scope           leaves what the cursor stands in: the block by its text alone, and the lines allowed
BlockEnd        the same by the document's syntax: after the first line the amount is reconsidered (a block
                whose first line closes or leaves its scope is that line); then it ends with its scope, by
                indentation at each line, and by the tree when a line is whole
whole_strings   a string of several lines is shown whole or not at all, for half of one makes a string of
                what follows. Only strings count that the suggestion itself opens: templates, triple quotes,
                heredocs, raw strings. A suggestion of one line ends before such a string too. Where common
                quotes may go over lines (PHP, shells), half a line may leave one open; a whole line not
half_word ...   at the end of a generation only: no half word, no white space, and worth a key
"""

import re
from collections.abc import Callable

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.brackets import closes_all, opened_by, rest_from
from stardraft_lsp.filters.draft import Draft
from stardraft_lsp.syntax.amount import Wanted, reconsidered
from stardraft_lsp.syntax.place import Place
from stardraft_lsp.syntax.scope_end import block_at, end_so_far, scope_end
from stardraft_lsp.syntax.trees import Snapshot
from stardraftd.lexing.block_place import BlockPlace
from stardraftd.lexing.blocks import block_end
from stardraftd.lexing.columns import leading
from stardraftd.lexing.lines import last_word
from stardraftd.lexing.scanner import Frame
from stardraftd.patterns import linear

MIN_VISIBLE = 2  # accepting costs one key: a single character is typed as quickly
_JOINS = "([{,=+*/<>&|.:!-"  # what cannot be a text's end
_ENDS = "_)]}\"'`;"  # what a whole part of a line may end with, but for words
# With these an end was taken off that stands after the cursor.
_TAKEN_OFF = frozenset(("repeats_rest", "covers_rest"))
_OPENING_WORDS = ("do", "then")
_STATEMENT = linear(
    r"\s*(?:if|for|while|with|def|class|else|elif|try|switch|match|fn|func|function|impl|struct|enum|unless|until|case"
    r"|catch|except|finally|do|begin|async|public|private|protected|static|interface|namespace|module|describe|it)\b"
)


def half_word(draft: Draft, _around: Around) -> Draft:
    """What was ended in the middle goes back to its last whole line; a single line to its last whole word."""
    if draft.ended != "cut" or not draft.text:
        return draft
    text = draft.text
    end = text.rfind("\n")
    if end >= 0 and text[:end].strip():
        return draft.trimmed(len(text[:end].rstrip()), "half_word")
    kept = text.rstrip()
    whole = kept.rstrip(_JOINS) if kept[-1:] in _JOINS else _without_word(kept)
    return draft.trimmed(len(whole.rstrip()), "half_word") if len(whole) < len(kept) else draft


def _without_word(text: str) -> str:
    """A text without its last word, and without what joined that to the one before: `foo` of `foo.ba`."""
    before = text[: len(text) - _n_word_characters(text)]
    if before == text:
        return text
    joined = before.rstrip()
    start = len(joined)
    while start > 0 and not (
        joined[start - 1].isalnum() or joined[start - 1].isspace() or joined[start - 1] in _ENDS
    ):
        start -= 1
    return joined[:start] if start < len(joined) and joined[:start].strip() else before


def _n_word_characters(text: str) -> int:
    n = 0
    while n < len(text) and (text[-1 - n].isalnum() or text[-1 - n] == "_"):
        n += 1
    return n


def dangling(draft: Draft, around: Around) -> Draft:
    """Without a last line that opens a statement of which nothing follows."""
    text = draft.text
    if not draft.ended or "\n" not in text.strip():
        return draft
    kept = text.rstrip()
    while "\n" in kept:
        start = kept.rfind("\n") + 1
        last = kept[start:]
        if not _is_opened(last) or not (_STATEMENT.match(last) or last.rstrip().endswith("{")):
            break
        below = around.below[0] if around.below else ""
        if around.columns(leading(below)) > around.columns(leading(last)):
            break  # the file goes on inside of it
        above = kept[: start - 1].rstrip()
        if not above.strip():
            break
        kept = above
    return draft if kept == text.rstrip() else draft.trimmed(len(kept), "dangling")


def _is_opened(line: str) -> bool:
    """Whether a line ends with what opens a block."""
    code = line.rstrip()
    return code.endswith(("{", "(", "[", ":", "=>", "->")) or last_word(code) in _OPENING_WORDS


def trailing_space(draft: Draft, around: Around) -> Draft:
    """No white space at the end of a line, nor of the text unless code follows at once."""
    text = draft.text
    kept = text.rstrip()
    n_spaces = len(text) - len(kept)
    if not n_spaces:
        return _inner_space(draft)
    white = text[len(kept) :]
    if not draft.ended:
        return _inner_space(draft.held(len(kept)))
    is_before_rest = around.rest and not around.rest[0].isspace() and not draft.replaces
    if is_before_rest and ("\n" not in white or _TAKEN_OFF & {*draft.why}):
        return _inner_space(draft)  # `a + ` before `b`; and a closer on a line of its own, which stands there
    return _inner_space(draft.trimmed(len(kept), "trailing_space"))


def _inner_space(draft: Draft) -> Draft:
    text = draft.text
    if " \n" not in text and "\t\n" not in text:
        return draft
    lines = text.split("\n")
    bare = "\n".join([*(line.rstrip(" \t") for line in lines[:-1]), lines[-1]])
    return draft.changed(bare, "trailing_space")


def worth_a_key(draft: Draft, _around: Around, min_visible: int = MIN_VISIBLE) -> Draft:
    """Nothing that is blank, or has fewer characters than this besides white space."""
    text = draft.text
    if not text.strip():
        return draft.rejected("blank") if draft.ended and not _is_rejected(draft) else draft.held(0)
    if n_visible(text) >= min_visible:
        return draft
    return draft.rejected("too_short") if draft.ended else draft.held(0)


def n_visible(text: str) -> int:
    """How many characters a text has besides white space."""
    return len("".join(text.split()))


def _is_rejected(draft: Draft) -> bool:
    return draft.is_final and not draft.text and bool(draft.why)


def scope(draft: Draft, around: Around) -> Draft:
    """The block ends before the first line that stands further out than it does."""
    if around.mode != "block" or not draft.text:
        return draft
    found = block_end(around.block, draft.text, is_whole=bool(draft.ended))
    if found.is_final:
        is_cut = bool(draft.text[found.n_characters :].strip())
        return draft.cut(found.n_characters, "scope") if is_cut else draft
    return draft.held(found.n_characters)


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


# For one parse of the document with the lines that came; there is one for each of them.
TREE_MS = 2.0


class BlockEnd:
    """The filter of one generation: a function of what came so far, which remembers what the trees said.

    place, wanted: where the block is to stand, and how much was asked for.
    snapshot: gives the document's tree as it was then; without one indentation alone decides.
    """

    def __init__(
        self, place: Place, wanted: Wanted, snapshot: Callable[[], Snapshot | None] = lambda: None
    ) -> None:
        self._place = place
        self._wanted = wanted
        self._find_snapshot = snapshot
        self._block: BlockPlace | None = None
        self._found: Snapshot | None = None
        self._seen: tuple[str, int | None] = ("", None)

    def __call__(self, draft: Draft, around: Around) -> Draft:
        """The draft up to its end. What could still turn out to be behind it is held back."""
        if self._wanted.amount != "block" or not draft.text:
            return draft
        first = _first_line(draft.text, is_whole=bool(draft.ended))
        if first and reconsidered(self._place, self._wanted, first).amount == "line":
            return draft.cut(len(first), "scope") if len(first) < len(draft.text) else draft
        if draft.ended:
            kept = scope_end(self._place, draft.text, around.suffix, self._snapshot(), TREE_MS)
            return draft.cut(kept, "scope") if draft.text[kept:].strip() else draft
        return self._so_far(draft, around)

    def _so_far(self, draft: Draft, around: Around) -> Draft:
        if self._block is None:
            self._block = block_at(self._place, around.suffix)
        found = block_end(self._block, draft.text, is_whole=False)
        n_whole = draft.text.rfind("\n") + 1
        by_syntax = self._by_tree(draft.text[:n_whole]) if n_whole else None
        if by_syntax is not None and draft.text[by_syntax:n_whole].strip():
            return draft.cut(min(by_syntax, found.n_characters), "scope")
        if found.is_final:
            return draft.cut(found.n_characters, "scope")
        return draft.held(found.n_characters)  # its last line may be the first one after the block

    def _by_tree(self, lines: str) -> int | None:
        if self._seen[0] != lines:
            snapshot = self._snapshot()
            found = end_so_far(self._place, lines, snapshot, TREE_MS) if snapshot is not None else None
            self._seen = (lines, found)
        return self._seen[1]

    def _snapshot(self) -> Snapshot | None:
        """The tree of the text that was asked about: it may be ready only now, and soon be another text's."""
        if self._found is None:
            self._found = self._find_snapshot()
        return self._found


def _first_line(text: str, *, is_whole: bool) -> str:
    """The text up to the first line end that has something before it; "" when that has not come."""
    end = text.find("\n", len(text) - len(text.lstrip()))
    if end >= 0:
        return text[:end]
    return text if is_whole and text.strip() else ""


_BEGINNINGS = "\"'`#[=@$%<~-("
_MAX_BEGINNING = 24
# Beginnings with letters in them: sigils, percent literals, C++'s raw strings.
_NAMED_BEGINNING = re.compile(r"(?:[%~][a-zA-Z]{1,8}|(?<=R)\"[^()\\\s\"]{0,16})\Z")
# One of these is in each beginning of a string; without any, nothing need be read.
_MAY_BEGIN = re.compile(r"[\"'`%~]|<<|\[=*\[|\bq|\{[a-z_]*\|")
_COMMON = ('"', "'")


def whole_strings(draft: Draft, around: Around) -> Draft:
    """The text ends before the line on which it opens a string that it does not end."""
    text = draft.text
    is_line = around.mode == "line"
    if not draft.ended:  # its last signs may begin a string, or be no end of one
        bare = text[: len(text) - _n_begun(text)]
        text = bare if _is_enough(bare, draft, around) else text
    if not _MAY_BEGIN.search(text) and not _MAY_BEGIN.search(around.near_line):
        return draft.held(len(text))
    opened = _opened_string(text, around.rest[draft.replaces :], around)
    if opened is None or (is_line and opened.begin in _COMMON and draft.ended != "whole"):
        return draft.held(len(text))
    at = opened.start if opened.heredoc is None else opened.heredoc.start
    start = min(max(at - len(around.near_line), 0), len(text))
    if not draft.ended:
        return draft.held(start if _is_enough(text[:start], draft, around) else 0)
    return draft.cut(len(text[: text.rfind("\n", 0, start) + 1].rstrip()), "half_word")


def _is_enough(text: str, draft: Draft, around: Around) -> bool:
    """Whether a text that takes the place of closers has them."""
    return not draft.replaces or closes_all(text, around, rest_from(around, around.reading(text).before))


def _n_begun(text: str) -> int:
    """How many signs a text that grows ends with, of those with which strings of several lines begin."""
    bare = text.rstrip(_BEGINNINGS)
    named = _NAMED_BEGINNING.search(bare, max(len(bare) - _MAX_BEGINNING, 0))
    if named is not None:
        bare = bare[: named.start()].rstrip(_BEGINNINGS)
    return min(len(text) - len(bare), _MAX_BEGINNING)


def _opened_string(text: str, rest: str, around: Around) -> Frame | None:
    """The outermost string of several lines that a text opens, and the rest of its line leaves open.

    A heredoc that was announced begins with the next line.
    """
    found = None
    for frame in opened_by(around.reading(f"{text}{rest}\n")):
        if frame.kind == "string" and frame.is_multiline:
            found = frame
    return found
