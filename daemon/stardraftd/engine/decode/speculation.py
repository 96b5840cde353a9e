"""Guessing the next tokens, so that several can be verified in one decode.

Code repeats itself, so what followed the last tokens where they stood before is a good guess at what follows
now. They are looked for in one row of tokens: the drafts that came with the request (how lines like this one
go on in the user's own code), the prompt itself, and what was generated since.

How good such a guess is depends on how many tokens before it are the same, and on whether all the places
where as many are the same go on alike. `FIRST_CHANCES` has what was measured, and each of its cells follows
what happens here: every guess is compared with what the model then says, also one that was not worth
verifying. So chances that have fallen, because guesses were wrong for a while, rise again without a decode
being spent on it.

Guesses change nothing: a drafted token stands only if it is the one that the model itself chooses.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stardraftd.protocol.completion import DraftSource

MAX_DRAFT = 8
# The most tokens before the cursor that are compared.
REACH = 16
# Of the places where the last token stands, those that are looked at: the ones that stand last.
MAX_COMPARED = 128
# Stands behind each draft, and ends the tokens that are looked for: no token has these ids.
NOTHING, _END = -1, -2

# What those places say comes next: all the same; there is one place only; not the same.
Agreement = Literal["agreed", "alone", "divided"]
# The share of guessed tokens that were right, given that those before them were, from so many tokens that
# were the same on (`python -m tests.measure_drafts --table`).
FIRST_CHANCES: dict[Agreement, tuple[tuple[int, float], ...]] = {
    "agreed": ((1, 0.55), (2, 0.62), (3, 0.66), (4, 0.71), (5, 0.76), (8, 0.86), (16, 0.90)),
    "alone": ((1, 0.31), (2, 0.49), (3, 0.56), (4, 0.63), (5, 0.74), (8, 0.83), (16, 0.92)),
    "divided": ((1, 0.19), (2, 0.28), (3, 0.33), (4, 0.36), (5, 0.36), (8, 0.36), (16, 0.36)),
}
# As how many guesses these count beside those made here, and what is left of older ones at each new one.
FIRST_WEIGHT, MEMORY = 16.0, 0.98
_BACK = np.arange(REACH + 1)


@dataclass(frozen=True)
class Guess:
    """Tokens that may come next. n_same: how many before them are the same where they stand."""

    ids: "array[int]"
    n_same: int
    agreement: Agreement
    source: DraftSource


class Acceptance:
    """How often guessed tokens were right, by what was known of them; recent ones count more."""

    def __init__(self) -> None:
        self._lengths = tuple(length for length, _ in FIRST_CHANCES["alone"])
        self._tried = {kind: [FIRST_WEIGHT] * len(first) for kind, first in FIRST_CHANCES.items()}
        self._right = {
            kind: [FIRST_WEIGHT * rate for _, rate in first] for kind, first in FIRST_CHANCES.items()
        }

    def chances(self, guess: Guess) -> list[float]:
        """The probability of each of a guess's tokens, given that those before it are right."""
        cells = self.cells(guess, len(guess.ids))
        return [self._right[kind][number] / self._tried[kind][number] for kind, number in cells]

    def learn(self, guess: Guess, said: Sequence[int]) -> None:
        """Compares a guess with what the model said, up to the first wrong token: the rest tells nothing."""
        for (kind, number), guessed, token in zip(
            self.cells(guess, len(said)), guess.ids, said, strict=False
        ):
            is_right = guessed == token
            self._tried[kind][number] = self._tried[kind][number] * MEMORY + 1
            self._right[kind][number] = self._right[kind][number] * MEMORY + is_right
            if not is_right:
                return

    def cells(self, guess: Guess, n: int) -> Iterator[tuple[Agreement, int]]:
        """The cells of the table that the guess's first `n` tokens belong to.

        One more token is the same before each; and once the first is right, places that said another one are
        out of the count.
        """
        kind, number = guess.agreement, -1
        for n_same in range(guess.n_same, guess.n_same + n):
            while number + 1 < len(self._lengths) and self._lengths[number + 1] <= n_same:
                number += 1
            yield kind, number
            kind = "alone" if kind == "divided" else kind


class KnownTokens:
    """A row of tokens in which the last ones of the text are looked for.

    Invariant: the first `_n` of `_ids` are as many times NOTHING as `_last` reaches back, the drafts, each
    with NOTHING behind it, the prompt, and what was added since; `_goes_on` says of each whether a guess may
    begin behind it. `_last` are the text's last tokens, at most REACH, the very last of them first, and END.
    """

    def __init__(
        self,
        drafts: "Sequence[array[int]]",
        prompt: "array[int]",
        last: "array[int]",
        stop_ids: Collection[int],
    ) -> None:
        """drafts: the likeliest first. last: the end of the text before the cursor, which need not be the
        prompt's. stop_ids: tokens that no text has; they are never guessed."""
        row = array("i", [NOTHING] * len(_BACK))
        for draft in reversed(drafts):  # what stands later is preferred
            row += draft
            row.append(NOTHING)
        self._n_drafted = len(row)
        row += prompt
        self._n = len(row)
        self._stops = frozenset((*stop_ids, NOTHING))
        self._ids = np.empty(self._n + 256, np.int32)
        self._ids[: self._n] = np.frombuffer(row, np.int32)
        self._goes_on = np.ones(len(self._ids), bool)
        self._goes_on[: self._n - 1] = np.isin(self._ids[1 : self._n], tuple(self._stops), invert=True)
        self._last = last[: -REACH - 1 : -1]
        self._last.append(_END)

    def add(self, ids: Sequence[int]) -> None:
        """The model has said these tokens."""
        while self._n + len(ids) > len(self._ids):
            self._ids = np.concatenate((self._ids, np.empty_like(self._ids)))
            self._goes_on = np.concatenate((self._goes_on, np.ones_like(self._goes_on)))
        self._ids[self._n : self._n + len(ids)] = ids
        self._n += len(ids)
        self._last = (array("i", reversed(ids)) + self._last[:-1])[:REACH]
        self._last.append(_END)

    def guess(self, n_most: int) -> Guess | None:
        """What followed where the most of the last tokens stand; None where not even the last one does."""
        n, ids, last = self._n - 1, self._ids, self._last
        (places,) = (ids[:n] == last[0]).nonzero()
        places = places[self._goes_on[places]][-MAX_COMPARED:]
        if not len(places):
            return None
        alike = ids[places[:, None] - _BACK[: len(last)]] == np.frombuffer(last, np.int32)
        n_alike = alike.argmin(1)  # the first that differs; the end of `_last` always does
        n_same = int(n_alike.max())
        longest = places[n_alike == n_same] + 1
        start, agreement = _vote(longest.tolist(), ids[longest].tolist())
        guessed = ids[start : min(start + n_most, self._n)].tolist()
        n_guessed = next((i for i, token in enumerate(guessed) if token in self._stops), len(guessed))
        source: DraftSource = "code" if start < self._n_drafted else "window"
        return Guess(array("i", guessed[:n_guessed]), n_same, agreement, source)


def _vote(places: list[int], said: list[int]) -> tuple[int, Agreement]:
    """The place to go on from, and how agreed it is. said: the token at each place."""
    if len(said) == 1:
        return places[0], "alone"
    if len(set(said)) == 1:
        return places[-1], "agreed"
    token, _ = Counter(reversed(said)).most_common(1)[0]  # of equals the one that stands last
    return places[len(said) - 1 - said[::-1].index(token)], "divided"
