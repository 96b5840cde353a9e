"""Where the line ends that a model is asked to finish."""

from collections.abc import Sequence

from msgspec import Struct

MAX_LINE_TOKENS = 48


class Stop(Struct, frozen=True):
    """Ends a line: at an end token, behind a token with a line end in it, or after `n_most` tokens."""

    ends: frozenset[int]
    line_ends: frozenset[int]
    n_most: int = MAX_LINE_TOKENS

    def __call__(self, generated: Sequence[int]) -> bool:
        return len(generated) >= self.n_most or bool(generated and generated[-1] in self.line_ends)
