"""How lines end where a document has lines that begin the same: `if` in a colon, a call in a semicolon."""

import math
from collections import Counter
from collections.abc import Sequence

from stardraft_lsp.echo.lexemes import NAME, Lexicon, is_name

# Lines above and below the cursor that are counted.
ABOVE, BELOW = 400, 200
# As if so many more lines had been seen, of which this share ends in any one way.
_UNSEEN, _UNSEEN_END = 3.0, 0.5


class LineEnds:
    """lines: code and outline of each that is counted, framed."""

    def __init__(self, lexicon: Lexicon, lines: Sequence[tuple[str, str]]) -> None:
        self._lexicon = lexicon
        self._counted = Counter([(code[1], outline[-2]) for code, outline in lines])
        self._first, self._last = Counter[str](), Counter[str]()
        for (first, last), n in self._counted.items():
            self._first[first] += n
            self._last[last] += n

    def of_same_beginning(self, first: str, last: str) -> float:
        """Natural logarithm of the share of lines with this first lexeme that end in this last one."""
        sign = self._lexicon.number(first)
        n = self._counted[sign, self._sign(last)]
        return math.log((n + _UNSEEN_END) / (self._first[sign] + _UNSEEN))

    def of_all(self, last: str) -> float:
        """The same of lines that begin anyhow."""
        return math.log((self._last[self._sign(last)] + _UNSEEN_END) / (self._last.total() + _UNSEEN))

    def _sign(self, word: str) -> str:
        return NAME if is_name(word) else self._lexicon.number(word)
