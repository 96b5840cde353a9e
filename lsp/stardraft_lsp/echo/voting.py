"""How lines go on where the last lexemes before the cursor stand already: the longest match, put to a vote.

What agrees with more of the lexemes before the cursor counts for more, and so does what is nearer; that the
line ends is a way to go on like any other.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from stardraft_lsp.echo.code import Source
from stardraft_lsp.echo.lexemes import INDENTS, LINE_END

# Lexemes before the cursor that are compared at most.
REACH = 16
# Lengths that are looked for, the FIRST of them first: each is a search of all that is known.
LENGTHS, FIRST = (1, 2, 3, 4, 5, 6, 8, 12, 16), 4
# Where few places are heard, those with matches shorter by this are heard as well.
_SPAN, _FEW = 2, 8
# Natural logarithm of what one lexeme more weighs, up to _COUNTED of them; and in an even share.
_PER_LEXEME, _COUNTED, _PER_LEXEME_EVEN = 1.2, 12, 0.3
# Places that are looked at for one length, and places that are heard: both bound the time.
_MAX_SEEN, _MAX_HEARD = 600, 150


# A source, and a position in its code.
Place = tuple[Source, int]


@dataclass
class Candidate:
    """A way for the line to go on. code: the rest of its line there, without the line's end.

    length: of the longest match, and n_longest: how many are so long; places: all that say it. share: of the
    weight of all that is said, and even_share: the same where a longer match counts for little more.
    source, position: where it stands nearest, of the longest matches. names: what a name there is called at
    the cursor, where it is another one.
    """

    code: str
    source: Source
    position: int
    length: int
    n_longest: int = 0
    places: list[Place] = field(default_factory=list)
    weight: float = 0.0
    even_weight: float = 0.0
    share: float = 0.0
    even_share: float = 0.0
    names: dict[str, str] = field(default_factory=dict)


def vote(sources: Sequence[Source], context: str, starts: Collection[str] | None) -> list[Candidate]:
    """The candidates, the likeliest first. sources: the nearest first.

    context: the code before the cursor, or before the word that is begun there. starts: the characters that
    the next lexeme may be; None: any, or the line's end.
    """
    if not context or (starts is not None and not starts):
        return []
    heard: dict[tuple[int, int], Place] = {}

    def hear(n: int) -> list[Place]:
        found = find(sources, context[-n:], starts)
        heard.update(((id(source), position), (source, position)) for source, position in found)
        return found

    # Shorter matches are heard as well: what they say is seldom likelier, but it is when that was meant.
    n, _ = climb(len(context), LENGTHS, FIRST, hear)
    if n > 1 and len(heard) < _FEW:
        hear(max(1, min(n, FIRST) - _SPAN))
    alikes = [
        (alike(source.code, position, context), source, position) for source, position in heard.values()
    ]
    tally = Tally()
    for length, source, position in sorted(alikes, key=lambda one: -one[0]):
        code = source.code[position : source.code.index(LINE_END, position)]
        tally.add(code, (source, position), length, math.exp(_PER_LEXEME * min(length, _COUNTED)))
    return tally.ranked()


def climb(
    most: int, lengths: Sequence[int], first: int, find: Callable[[int], list[Place]]
) -> tuple[int, list[Place]]:
    """The greatest of the lengths, up to `most`, that is found anywhere, and where; tried from `first` on.

    Whatever is found is found at each shorter length, too.
    """
    fit = [n for n in lengths if n <= most]
    at = max((i for i, n in enumerate(fit) if n <= first), default=0)
    if not fit:
        return 0, []
    places = find(fit[at])
    if not places:
        while at > 0 and not places:
            at -= 1
            places = find(fit[at])
        return fit[at], places
    while at + 1 < len(fit) and (longer := find(fit[at + 1])):
        at, places = at + 1, longer
    return fit[at], places


class Tally:
    """What is said at the places that were found, by what the line goes on with."""

    def __init__(self) -> None:
        self._found: dict[str, Candidate] = {}

    def add(self, code: str, place: Place, length: int, weight: float) -> Candidate:
        """Adds a place to what is said of one way to go on, and gives that."""
        source, position = place
        candidate = self._found.get(code)
        if candidate is None:
            candidate = self._found[code] = Candidate(code, source, position, length)
        elif length > candidate.length:
            candidate.source, candidate.position, candidate.length = source, position, length
            candidate.n_longest = 0
        candidate.n_longest += length == candidate.length
        candidate.places.append(place)
        candidate.weight += weight * source.weight
        candidate.even_weight += math.exp(_PER_LEXEME_EVEN * length) * source.weight
        return candidate

    def ranked(self) -> list[Candidate]:
        """The candidates by their share, the greatest first."""
        total = sum(candidate.weight for candidate in self._found.values())
        even_total = sum(candidate.even_weight for candidate in self._found.values())
        for candidate in self._found.values():
            candidate.share = candidate.weight / total
            candidate.even_share = candidate.even_weight / even_total
        return sorted(self._found.values(), key=lambda candidate: -candidate.share)


def find(sources: Sequence[Source], needle: str, starts: Collection[str] | None) -> list[Place]:
    """Where `needle` stands and may go on: the positions after it."""
    if starts is not None and len(starts) <= 3:
        return _found(sources, [needle + start for start in starts], len(needle), lambda _sign: True)
    if starts is None:
        return _found(sources, [needle], len(needle), lambda sign: sign not in INDENTS)
    return _found(sources, [needle], len(needle), starts.__contains__)


def _found(
    sources: Sequence[Source], needles: Sequence[str], length: int, fits: Callable[[str], bool]
) -> list[Place]:
    places: list[Place] = []
    n_seen = 0
    for source in sources:
        code = source.code
        for needle in needles:
            # From the end: what is nearest stands last, and Python searches several times as fast that way.
            at = code.rfind(needle, 0, -1)
            while at >= 0:
                n_seen += 1
                if fits(code[at + length]):
                    places.append((source, at + length))
                    if len(places) >= _MAX_HEARD:
                        return places
                if n_seen >= _MAX_SEEN:
                    return places
                at = code.rfind(needle, 0, at + length - 1 + (len(needle) > length))
    return places


def alike(code: str, position: int, context: str) -> int:
    """How many characters before `position` are those at the context's end."""
    length = 0
    for sign in reversed(context):
        position -= 1
        if position < 0 or code[position] != sign:
            return length
        length += 1
    return length
