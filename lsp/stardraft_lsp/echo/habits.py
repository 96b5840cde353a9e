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
    """codes, outlines: of the same lines, those that are counted, each framed."""

    def __init__(self, lexicon: Lexicon, codes: Sequence[str], outlines: Sequence[str]) -> None:
        self._lexicon = lexicon
        self._codes = codes
        self._ends = [outline[-2] for outline in outlines]
        self._of_all = Counter(self._ends)
        self._of_first: dict[str, Counter[str]] = {}

    def of_same_beginning(self, first: str, last: str) -> float:
        """Natural logarithm of the share of lines with this first lexeme that end in this last one."""
        sign = self._lexicon.number(first)
        counted = self._of_first.get(sign)
        if counted is None:
            same = [end for code, end in zip(self._codes, self._ends, strict=True) if code[1] == sign]
            counted = self._of_first[sign] = Counter(same)
        return self._log_share(counted, last)

    def of_all(self, last: str) -> float:
        """The same of lines that begin anyhow."""
        return self._log_share(self._of_all, last)

    def _log_share(self, counted: Counter[str], last: str) -> float:
        sign = NAME if is_name(last) else self._lexicon.number(last)
        return math.log((counted[sign] + _UNSEEN_END) / (counted.total() + _UNSEEN))
