"""How much is asked for: the rest of a line, a block, or nothing; each with the code of its reason.

A block after what opens one, or on an empty line in a scope, with nothing but closers after the cursor; a
line otherwise. What the model then begins with can change it: see `reconsidered`.
"""

from dataclasses import dataclass
from typing import Literal

from stardraft_lsp.syntax.gates import Gate
from stardraft_lsp.syntax.lexing import lexer_of, opener_of
from stardraft_lsp.syntax.place import Place
from stardraftd.lexing.columns import indent_of
from stardraftd.lexing.lines import unmatched_closers
from stardraftd.lexing.words import words_of

Amount = Literal["line", "block", "nothing"]
Reason = Literal[
    "configured",
    "gate",
    "text_behind",
    "not_code",
    "behind_opener",
    "in_bracket",
    "below_opener",
    "empty_line_in_scope",
    "empty_line_at_top",
    "in_line",
    "first_line_opens",
    "first_line_closes",
    "first_line_leaves",
]

# A suggestion longer than a screen is not read.
DEFAULT_MAX_BLOCK_LINES = 24


@dataclass(frozen=True)
class Wanted:
    """How much, why, and at most how many lines. gate: what said "nothing"; None for the others."""

    amount: Amount
    reason: Reason
    max_lines: int
    gate: Gate | None = None


def amount_at(
    place: Place,
    gate: Gate | None = None,
    *,
    configured: Literal["auto", "line", "block"] = "auto",
    max_block_lines: int = DEFAULT_MAX_BLOCK_LINES,
) -> Wanted:
    """How much is wanted at a place. gate: what `gates.gate_at` said."""
    if gate is not None:
        return Wanted("nothing", "gate", 0, gate)
    if configured != "auto":
        return _wanted(configured, "configured", max_block_lines)
    amount, reason = _judged(place)
    return _wanted(amount, reason, max_block_lines)


def reconsidered(place: Place, wanted: Wanted, first_line: str, max_block_lines: int = 0) -> Wanted:
    """The same after the first line that was generated; what ends before it is not asked.

    first_line: what stands from the cursor to the first line end of the generated text that has any code
    before it, without that line end. max_block_lines: 0 for the default.
    """
    if wanted.reason == "configured" or wanted.amount == "nothing":
        return wanted
    limit = max_block_lines or DEFAULT_MAX_BLOCK_LINES
    whole = place.line_before + first_line
    code = lexer_of(place.language).code_of(whole)
    if wanted.amount == "line":
        can_grow = place.kind == "code" and place.closers_behind
        if can_grow and opener_of(code, place.language, is_whole=True):
            return _wanted("block", "first_line_opens", limit)
        return wanted
    if _closes_scope(place, first_line):
        return _wanted("line", "first_line_closes", limit)
    if _leaves_scope(place, whole, first_line):
        return _wanted("line", "first_line_leaves", limit)
    return wanted


def _wanted(amount: Amount, reason: Reason, max_block_lines: int) -> Wanted:
    return Wanted(amount, reason, max_block_lines if amount == "block" else 1)


def _judged(place: Place) -> tuple[Amount, Reason]:
    if not place.closers_behind:
        return "line", "text_behind"
    if place.kind not in ("code", "unknown"):
        return "line", "not_code"
    return _judged_blank(place) if place.blank_before else _judged_begun(place)


def _judged_begun(place: Place) -> tuple[Amount, Reason]:
    if place.opener in ("(", "["):
        return "line", "in_bracket"
    return ("block", "behind_opener") if place.opener else ("line", "in_line")


def _judged_blank(place: Place) -> tuple[Amount, Reason]:
    # Where indentation is the scope, a cursor that is not indented has left it.
    is_below = place.indent > place.indent_above or not words_of(place.language).is_indented
    if place.opener_above and is_below:
        return "block", "below_opener"
    if place.blank_behind and place.in_scope:
        return "block", "empty_line_in_scope"
    return "line", "empty_line_at_top"


def _closes_scope(place: Place, first_line: str) -> bool:
    """Whether the line closes what it did not open, on a line of its own: the block is over with it."""
    code = lexer_of(place.language).code_of(first_line).strip()
    words = words_of(place.language).closing_words
    return (place.blank_before and code.rstrip(";,") in words) or "}" in unmatched_closers(code)


def _leaves_scope(place: Place, whole: str, first_line: str) -> bool:
    """Whether, where indentation ends a block, the line is not indented as the block's would be."""
    if not words_of(place.language).is_indented or not place.blank_before or not first_line.strip():
        return False
    return place.scope is not None and indent_of(whole, place.tab) <= place.scope.indent
