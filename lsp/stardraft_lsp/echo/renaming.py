"""The second opinion: where the same was written with other names, with the names at hand put in.

`self.width = width` begins what `self.height = height` ended. Names are left out of the comparison, and
which name there is which name here is read off the lexemes that match.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stardraft_lsp.echo.code import Source
from stardraft_lsp.echo.lexemes import INDENTS, LINE_END, NAME, Lexicon, is_name
from stardraft_lsp.echo.voting import Candidate, Place, Tally, alike, climb

REACH = 20
_LENGTHS, _FIRST = (5, 6, 7, 8, 10, 12, 14, 16, 20), 10
# Places that are looked at for one length, and places that are heard: both bound the time.
_MAX_SEEN, _MAX_HEARD = 200, 60
# Stands for a lexeme that is nowhere in what is known.
_NOWHERE = "\0"
# Natural logarithms of what speaks for a place: each lexeme that matches, each that is the very same without
# a gap, the share of the very same ones, and each name that would have to be two names at once.
_PER_LEXEME, _PER_SAME, _SAME_SHARE, _PER_CONFLICT = 0.6, 0.5, 3.6, -0.8


def rename(
    lexicon: Lexicon, sources: Sequence[Source], words: Sequence[str], beginning: str
) -> list[Candidate]:
    """The candidates, the likeliest first, each with `names`: what a name there is called here.

    words: the lexemes before the cursor, with the signs that frame lines. beginning: of the word that is
    begun there.
    """
    context = "".join([_sign(lexicon, word) for word in words])
    known = context.rfind(_NOWHERE) + 1
    context, words = context[known:], words[known:]
    search = _Search(lexicon, context, words, beginning)
    _, places = climb(len(context), _LENGTHS, _FIRST, lambda n: search.places(sources, n))
    tally = Tally()
    for source, position in places:
        search.hear(tally, source, position)
    return tally.ranked()


def _sign(lexicon: Lexicon, word: str) -> str:
    return NAME if is_name(word) else lexicon.number(word) or _NOWHERE


@dataclass(frozen=True)
class _Search:
    lexicon: Lexicon
    context: str
    words: Sequence[str]
    beginning: str

    def places(self, sources: Sequence[Source], n: int) -> list[Place]:
        """Where the last `n` lexemes stand with any names, and a line goes on or ends."""
        found: list[Place] = []
        n_seen = 0
        needle = self.context[-n:]
        for source in sources:
            at = source.outline.rfind(needle, 0, -1)
            while at >= 0:
                n_seen += 1
                if self._fits(source, at + n):
                    found.append((source, at + n))
                if n_seen >= _MAX_SEEN or len(found) >= _MAX_HEARD:
                    return found
                at = source.outline.rfind(needle, 0, at + n - 1)
        return found

    def _fits(self, source: Source, position: int) -> bool:
        """Whether a line may go on as it does there: a name that is begun may have any name's place."""
        sign = source.outline[position]
        if sign in INDENTS:
            return False
        if not self.beginning:
            return True
        return sign == NAME or self.lexicon.word(sign).startswith(self.beginning)

    def hear(self, tally: Tally, source: Source, position: int) -> None:
        """Adds what a place says, with the names at hand, unless it is not what is begun."""
        code = source.code
        length = alike(source.outline, position, self.context)
        names, weight = _names(self.lexicon, code, position, length, self.words)
        rest = code[position : code.index(LINE_END, position)]
        here = [names.get(word, word) for word in map(self.lexicon.word, rest)]
        if not self.beginning or (here and here[0].startswith(self.beginning)):
            candidate = tally.add("\0".join(here), (source, position), length, weight)
            if (candidate.source, candidate.position) == (source, position):
                candidate.names = names


def _names(
    lexicon: Lexicon, code: str, position: int, length: int, words: Sequence[str]
) -> tuple[dict[str, str], float]:
    """What the names there are called here, and how much speaks for the place."""
    names: dict[str, str] = {}
    n_same = n_conflicts = run = 0
    for back in range(1, length + 1):
        there, here = lexicon.word(code[position - back]) or code[position - back], words[-back]
        if there == here:
            n_same += 1
            run += run == back - 1
        if is_name(here):
            n_conflicts += names.setdefault(there, here) != here
    weight = _PER_LEXEME * min(length, 16) + _PER_SAME * run + _PER_CONFLICT * n_conflicts
    return names, math.exp(weight + _SAME_SHARE * n_same / max(length, 1))
