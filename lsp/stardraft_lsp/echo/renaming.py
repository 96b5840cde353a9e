"""The second opinion: where the same was written with other names, with the names at hand put in.

`self.width = width` begins what `self.height = height` ended. Names are left out of the comparison, and
which name there is which name here is read off the lexemes that match.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stardraft_lsp.echo.code import Source
from stardraft_lsp.echo.lexemes import FRAME, INDENTS, LINE_END, NAME, Lexicon, is_name
from stardraft_lsp.echo.voting import Candidate, Tally, alike

REACH = 20
_LENGTHS = (20, 16, 14, 12, 10, 8, 7, 6, 5)
_MAX_PLACES = 120
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
    for n in _LENGTHS:
        if n <= len(context):
            found = _Search(lexicon, context, words, beginning).candidates(sources, n)
            if found:
                return found
    return []


def _sign(lexicon: Lexicon, word: str) -> str:
    return NAME if is_name(word) else lexicon.number(word) or (word if word in FRAME else _NOWHERE)


@dataclass(frozen=True)
class _Search:
    lexicon: Lexicon
    context: str
    words: Sequence[str]
    beginning: str

    def candidates(self, sources: Sequence[Source], n: int) -> list[Candidate]:
        """Where the last `n` lexemes stand with any names."""
        tally = Tally()
        n_places = 0
        needle = self.context[-n:]
        for source in sources:
            at = source.outline.find(needle)
            while at >= 0 and n_places < _MAX_PLACES:
                n_places += 1
                self._hear(tally, source, at + n)
                at = source.outline.find(needle, at + 1)
        return tally.ranked()

    def _hear(self, tally: Tally, source: Source, position: int) -> None:
        code = source.code
        if position >= len(code) or code[position] in INDENTS:
            return
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
