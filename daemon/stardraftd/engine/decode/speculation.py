"""Guessing the next tokens, so that several can be verified in one decode.

Two sources. Prompt lookup: code repeats itself, so what followed the last tokens where they stood before
(in the window, or in the lines edited lately, which are in it) is a good guess at what follows now. Or a
small model with the same tokenizer, such as the built-in one. Whether a guess pays depends on what verifying
costs here: on two Zen 4 cores a decode of four tokens costs three single ones with Q4_K_M, but 1.5 with
Q8_0. `speeds.SpeedModel.draft_length` weighs that against how often guesses were right.

Guesses change nothing: a drafted token stands only if it is the one that the model itself chooses.
"""

from array import array
from typing import Protocol

MAX_DRAFT = 8
NGRAM_SIZES = (4, 3, 2)
# What is assumed of a source before it was tried, and how quickly experience counts.
FIRST_ACCEPTANCE = 0.6
MEMORY = 0.92


class Drafter(Protocol):
    """A source of guesses. `token_ms` is what one guess costs."""

    @property
    def acceptance(self) -> float: ...

    @property
    def token_ms(self) -> float: ...

    def note(self, n_accepted: int, n_drafted: int) -> None:
        """`n_drafted` guesses were verified, the first `n_accepted` of them were right."""

    def draft(self, ids: "array[int]", n_most: int) -> "array[int]":
        """At most `n_most` tokens that may follow `ids`; none when it has no idea."""


class Acceptance:
    """How often a drafted token was right, given that those before it were; recent ones count more."""

    def __init__(self, first: float = FIRST_ACCEPTANCE) -> None:
        self._right = first * 4
        self._tried = 4.0

    @property
    def rate(self) -> float:
        return self._right / self._tried

    def note(self, n_accepted: int, n_drafted: int) -> None:
        n_tried = min(n_accepted + 1, n_drafted)  # what follows the first wrong one was not tried
        self._right = self._right * MEMORY**n_tried + n_accepted
        self._tried = self._tried * MEMORY**n_tried + n_tried


class PromptLookup:
    """Drafts what followed the last occurrence of the last few tokens."""

    token_ms = 0.0

    def __init__(self) -> None:
        self._acceptance = Acceptance()

    @property
    def acceptance(self) -> float:
        return self._acceptance.rate

    def note(self, n_accepted: int, n_drafted: int) -> None:
        self._acceptance.note(n_accepted, n_drafted)

    def draft(self, ids: "array[int]", n_most: int) -> "array[int]":
        data = ids.tobytes()
        for size in NGRAM_SIZES:
            if len(ids) <= size:
                continue
            found = _last_occurrence(data, ids.itemsize, len(ids) - size, size)
            if found >= 0:
                return ids[found + size : found + size + n_most]
        return array("i")


def _last_occurrence(data: bytes, width: int, start: int, size: int) -> int:
    """Where the tokens at `start` stood last before; -1 where they did not. Bytes are searched in C."""
    needle = data[start * width : (start + size) * width]
    end = (start + size - 1) * width
    while (position := data.rfind(needle, 0, end)) >= 0:
        if position % width == 0:
            return position // width
        end = position + len(needle) - 1
    return -1
