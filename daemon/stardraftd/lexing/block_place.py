"""Where a block is to stand: what the document says around the cursor, found once for a question.

`blocks` goes on from here with what is generated.
"""

from dataclasses import dataclass

from stardraftd.lexing.columns import columns, leading, level_of, told_tab
from stardraftd.lexing.lines import code_of, depth, first_word, opener_of, unmatched_closers
from stardraftd.lexing.scanner import Frame, line_frame
from stardraftd.lexing.words import UNKNOWN, WORDS, Words

SEEN_CHARACTERS = 4000  # of the text on either side of the cursor
_N_ABOVE = 50  # lines that are looked at for the last one with code on it
_CLOSERS = ")]}"
# With these a line goes on with the statement of the line above, or leaves it to be gone on with.
_GO_ON = (":", ",", ".", "?", "&&", "||", "+", "->", "=>", "|")
_GO_ON_WORDS = frozenset(["throws", "extends", "implements", "where", "permits", "noexcept", "and", "or"])
_TO_BE_GONE_ON_WITH = ("=", "&&", "||", "+", "?", " and", " or")


@dataclass(frozen=True)
class BlockPlace:
    """The place of a block, found once. white: the indentation of the cursor's line.

    above: the last line of code above, when the cursor's line is blank before it. header: the line whose
    block it is, where a brace has a line of its own below it. statement_white: the indentation with which the
    statement begins that ends with the cursor's line or the one above. frame: what is open where the cursor's
    line begins. closer, closer_white: what closes the block in the document already, and where.
    tab: columns of a tab, None where the document does not show it; step: columns of a level.
    """

    language: str
    line_before: str
    white: str
    above: str
    header: str
    statement_white: str
    frame: Frame | None
    closer: str
    closer_white: str
    tab: int | None
    step: int


def block_place(prefix: str, suffix: str, language: str) -> BlockPlace:
    """Where a block is to stand. Of the texts on both sides the nearest 4,000 characters count."""
    line_start = prefix.rfind("\n") + 1
    line = prefix[line_start:]
    near_start = max(line_start - SEEN_CHARACTERS, 0)
    near_start = prefix.find("\n", near_start, line_start) + 1 if near_start else 0
    near = prefix[near_start:line_start]
    behind = suffix[:SEEN_CHARACTERS]
    above, _, above_start = _code_above(near, len(near), language)
    header = above
    if not line.strip() and above.strip() == "{":
        header, _, _ = _code_above(near, above_start, language)
    is_begun = bool(line.strip())
    closer, closer_white = _closer_behind(behind, leading(line), language)
    if is_begun:
        statement_white = _statement_white(near, code_of(line, language), len(near), language)
    else:
        statement_white = _statement_white(near, above, above_start, language)
    return BlockPlace(
        language,
        line[-SEEN_CHARACTERS:],
        leading(line),
        "" if is_begun else above,
        "" if is_begun and line.strip() != "{" else header,
        statement_white,
        line_frame(prefix, line_start, language),
        closer,
        closer_white,
        told_tab(near + line[:SEEN_CHARACTERS] + behind),
        level_of(near),
    )


def _code_above(near: str, end: int, language: str) -> tuple[str, str, int]:
    """The last line with code above a line's start, its indentation, and where it begins."""
    for _ in range(_N_ABOVE):
        if end <= 0:
            break
        start = near.rfind("\n", 0, end - 1) + 1
        line = near[start : end - 1]
        code = code_of(line, language).rstrip() if line.strip() else ""
        if code.strip():
            return code, leading(line), start
        end = start
    return "", "", 0


def _statement_white(near: str, code: str, start: int, language: str) -> str:
    """The indentation of the line on which a statement begins, of which the line at `start` is the last.

    It goes on with the line above if it closes a bracket of that one's, or where signs and words say so.
    """
    white = found = leading(code)
    words = WORDS.get(language, UNKNOWN)
    n_open = _n_closed(code)
    for _ in range(_N_ABOVE):
        above, above_white, above_start = _code_above(near, start, language)
        is_going_on = n_open > 0 or _goes_on(above, above_white, code, white, words)
        if not above or not is_going_on or (n_open <= 0 and opener_of(above, words, is_whole=True) == "{"):
            break
        n_open = n_open - depth(above) if n_open > 0 else _n_closed(above)
        code, white, start = above, above_white, above_start
        found = min(found, white, key=columns)
    return found


def _n_closed(code: str) -> int:
    """How many brackets of a list or a call a line closes that it does not open."""
    closers = unmatched_closers(code)
    return len(closers) if "}" not in closers else 0


def _goes_on(above: str, above_white: str, code: str, white: str, words: Words) -> bool:
    """Whether a line goes on with the statement of the line above."""
    if above.endswith("\\"):
        return True
    if words.is_indented or above.endswith((";", "{", "}")):
        return False
    begin = code.lstrip()
    if begin.startswith(_GO_ON) or first_word(begin) in _GO_ON_WORDS:
        return True
    is_deeper = columns(white) > columns(above_white)
    return above.endswith(",") or (is_deeper and above.endswith(_TO_BE_GONE_ON_WITH))


def _closer_behind(behind: str, white: str, language: str) -> tuple[str, str]:
    """The closer that stands after the cursor next, and how far its line is indented; "" for none."""
    code = behind.lstrip()
    if not code:
        return "", ""
    line_start = behind.rfind("\n", 0, len(behind) - len(code)) + 1
    closer_white = leading(behind[line_start:]) if line_start else white
    if code[0] in _CLOSERS:
        return code[0], closer_white
    word = first_word(code[:40])
    words = WORDS.get(language, UNKNOWN)
    return (word, closer_white) if word in words.closing_words | words.continuing_words else ("", "")
