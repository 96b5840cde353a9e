"""How sure the model was: what began improbably is not shown, and a text ends where it gets improbable.

The product of the tokens' probabilities is the model's own estimate of being right so far; it only falls, so
where it passes a bound is known at once and does not change with what follows. A line has its own product:
a second line is not to pay for the first.

The thresholds are data (`thresholds.json`), measured per model by `tests/measure_confidence.py`.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import msgspec
from msgspec import Struct

from stardraft_lsp.filters.draft import Draft


class Piece(NamedTuple):
    """Generated text, and the natural logarithm of the probability of the tokens that made it, together."""

    text: str
    logprob: float
    n_tokens: int = 1


def piece_of(text: str, logprobs: Iterable[float]) -> Piece:
    """What one Text event of the daemon's carries: its text, and its tokens' log-probabilities."""
    values = tuple(logprobs)
    return Piece(text, math.fsum(values), len(values))


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """Probabilities between 0 and 1; 0 switches a rule off.

    show: the least geometric mean of the probabilities of the first `show_tokens` tokens (of all, when there
          are fewer). What is below is not shown at all.
    cut:  the least product of the probabilities of a line's tokens. The line ends, at a whole word, before
          the token that takes it below. `cut_lines` is the same for the lines after the first.
    """

    show: float = 0.0
    show_tokens: int = 4
    cut: float = 0.0
    cut_lines: float = 0.0


class Calibrated(Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds for the models whose names begin with `model`, and where they come from."""

    model: str
    thresholds: Thresholds
    source: str


OFF = Thresholds()


@lru_cache(maxsize=1)
def calibrated() -> tuple[Calibrated, ...]:
    """The thresholds that come with the package, the most particular name first, "" (any model) last."""
    data = files("stardraft_lsp.filters").joinpath("thresholds.json").read_bytes()
    found = msgspec.json.decode(data, type=tuple[Calibrated, ...])
    return tuple(sorted(found, key=lambda entry: -len(entry.model)))


def thresholds_for(model: str) -> Thresholds:
    """What was measured for a model, by its name; what holds for any model when it was not measured."""
    return next((entry.thresholds for entry in calibrated() if model.startswith(entry.model)), OFF)


def sure_enough(draft: Draft, pieces: Sequence[Piece], thresholds: Thresholds) -> Draft:
    """The text as far as the model was sure of it. `pieces` are those of the text so far, in order.

    Text without probabilities (another server's, a suggestion from the cache) stays as it is.
    """
    if not pieces or thresholds == OFF:
        return draft
    verdict = _first_tokens(draft, pieces, thresholds)
    if verdict is not None:
        return verdict
    at = _falls_at(pieces, thresholds)
    if at is None or at >= len(draft.text):
        return draft
    return draft.cut(at, "unsure_from_here", "cut")


def _first_tokens(draft: Draft, pieces: Sequence[Piece], thresholds: Thresholds) -> Draft | None:
    """Nothing, or nothing yet, by the first tokens; None when they are probable enough."""
    if not thresholds.show:
        return None
    total, n = 0.0, 0
    for piece in pieces:
        if n >= thresholds.show_tokens:
            break
        total += piece.logprob
        n += piece.n_tokens
    bound = math.log(thresholds.show)
    if n < thresholds.show_tokens and not draft.ended:
        # Even with certain tokens to come the mean stays below: nothing need be waited for.
        if total / thresholds.show_tokens < bound:
            return draft.rejected("unsure_from_the_start")
        return draft.held(0)
    return draft.rejected("unsure_from_the_start") if n and total / n < bound else None


def _falls_at(pieces: Sequence[Piece], thresholds: Thresholds) -> int | None:
    """The index of the first character of the token that takes its line's product below the bound."""
    bound, at, total, is_first = thresholds.cut, 0, 0.0, True
    for piece in pieces:
        total += piece.logprob
        if bound and piece.text and total < math.log(bound):
            return at
        at += len(piece.text)
        if "\n" in piece.text:
            total = 0.0
            is_first = is_first and not piece.text.rpartition("\n")[0].strip() and at == len(piece.text)
            bound = thresholds.cut if is_first else thresholds.cut_lines
    return None
