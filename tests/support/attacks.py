"""Texts that make a backtracking matcher slow, made from a pattern's own parse tree.

A matcher backtracks where a repeat can end in several places and what follows fails. So for every repeat of a
pattern there is: what leads to it, its characters many times over, and an end that nothing fits. The ways are
those of `re`'s own parser, so nothing is guessed about a pattern's spelling.
"""

import re
from collections.abc import Callable, Iterator
from re import _constants as op  # type: ignore[attr-defined]  # the parser of `re` has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

# Characters that classes are asked about, the odd last ones so that a text ends in what nothing fits.
_ALPHABET = "aA0 \t_-.\"'`/:=()<>{}[]|*#\\é\n\x01"
_ENDS = ("\x01", "\n\x01", "!", "")


def texts(pattern: str | bytes, flags: int, n_characters: int) -> Iterator[str]:
    """Texts of about `n_characters`, each once, that a matcher of this pattern may find hard."""
    source = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    tree = parser.parse(source, flags)
    seen: set[str] = set()
    for lead, pumps in _repeats(tree, ""):
        together = "".join(pumps)
        for pump in {*pumps, together}:
            body = pump * (n_characters // max(len(pump), 1))
            for text in [lead + body + end for end in _ENDS] + [
                (lead + pump * 20 + " ") * (n_characters // 30)
            ]:
                if text not in seen:
                    seen.add(text)
                    yield text
    example = _example(tree)
    yield example * (n_characters // max(len(example), 1))


def _repeats(tree: Any, lead: str) -> Iterator[tuple[str, list[str]]]:
    """What leads to each repeat, and texts that it can be made to repeat."""
    for code, value in tree:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            least, most, body = value
            if most > 1:
                yield lead, _pumps(body)
            yield from _repeats(body, lead)
            lead += _example(body) * least
        elif code is op.SUBPATTERN:
            yield from _repeats(value[-1], lead)
            lead += _example(value[-1])
        elif code is op.ATOMIC_GROUP:
            yield from _repeats(value, lead)
            lead += _example(value)
        elif code is op.BRANCH:
            for branch in value[1]:
                yield from _repeats(branch, lead)
            lead += _example(value[1][0])
        elif code in (op.ASSERT, op.ASSERT_NOT):
            yield from _repeats(value[1], lead)
        else:
            lead += _example([(code, value)])


def _pumps(body: Any) -> list[str]:
    if len(body) == 1 and (fits := _fitting(*body[0])):
        return fits
    branches = body[0][1][1] if len(body) == 1 and body[0][0] is op.BRANCH else [body]
    if len(body) == 1 and body[0][0] is op.SUBPATTERN:
        return _pumps(body[0][1][-1])
    return [example for branch in branches if (example := _example(branch))] or ["a"]


def _example(tree: Any) -> str:
    """One text that the tree fits, or nearly: look-arounds are passed over."""
    parts = []
    for code, value in tree:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            parts.append(_example(value[2]) * min(max(value[0], 1), 40))
        elif code is op.SUBPATTERN:
            parts.append(_example(value[-1]))
        elif code is op.ATOMIC_GROUP:
            parts.append(_example(value))
        elif code is op.BRANCH:
            parts.append(_example(value[1][0]))
        elif fits := _fitting(code, value):
            parts.append(fits[0])
    return "".join(parts)


def _fitting(code: Any, value: Any) -> list[str]:
    """Characters of the alphabet that one element fits, two at most; [] for what is no character."""
    tests: dict[Any, Callable[[], list[str]]] = {
        op.LITERAL: lambda: [chr(value)],
        op.NOT_LITERAL: lambda: [c for c in _ALPHABET if ord(c) != value],
        op.ANY: lambda: ["a", " "],
        op.IN: lambda: [c for c in _candidates(value) if _is_in(value, c)],
    }
    return tests.get(code, list)()[:3]


def _candidates(items: Any) -> str:
    own = "".join(chr(value) for code, value in items if code is op.LITERAL)
    own += "".join(chr(value[0]) for code, value in items if code is op.RANGE)
    return _ALPHABET + own


def _is_in(items: Any, character: str) -> bool:
    inside = False
    negated = False
    for code, value in items:
        if code is op.NEGATE:
            negated = True
        elif code is op.LITERAL:
            inside |= ord(character) == value
        elif code is op.RANGE:
            inside |= value[0] <= ord(character) <= value[1]
        elif code is op.CATEGORY:
            inside |= re.fullmatch(_CATEGORIES[value], character) is not None
    return inside is not negated


_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
