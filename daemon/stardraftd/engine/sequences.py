"""Which tokens stand in the KV cache, sequence by sequence, and what of them a new prompt can use.

Every document has a sequence of its own in one unified cache. A prompt keeps the longest beginning
that it shares with its document's sequence; a beginning that another document's sequence holds (the
repository part) is copied by reference. When cells run short, the sequence used longest ago goes.

Invariant: `CachedSequence.tokens` is exactly what llama.cpp holds at positions 0, 1, ... of that
sequence. Whoever decodes tells (`extend`); whoever was interrupted asks llama.cpp (`resync`).
"""

from array import array
from dataclasses import dataclass, field

import numpy as np

from stardraftd.engine.llama import Context

# Copying a shared beginning pays only when it is longer than a few tokens.
MIN_SHARED_TOKENS = 16


@dataclass
class CachedSequence:
    index: int
    document: str = ""
    tokens: "array[int]" = field(default_factory=lambda: array("i"))
    last_used: int = 0


def common_prefix(a: "array[int]", b: "array[int]") -> int:
    """The number of tokens that two lists share from their beginning."""
    n = min(len(a), len(b))
    if n == 0:
        return 0
    differs = np.frombuffer(a, np.int32, n) != np.frombuffer(b, np.int32, n)
    first = int(differs.argmax())
    return first if differs[first] else n


class SequenceCache:
    """The documents' sequences in one context."""

    def __init__(self, context: Context, n_sequences: int) -> None:
        self._context = context
        self._sequences = [CachedSequence(index) for index in range(n_sequences)]
        self._clock = 0

    def prepare(self, document: str, prompt: "array[int]", n_room: int) -> tuple[CachedSequence, int]:
        """A sequence that holds as much of `prompt`'s beginning as is cached, and nothing else.

        Returns it and how many tokens it holds; that is less than `len(prompt)`, because the last
        token must be evaluated for its logits. Room is made for the rest of the prompt and `n_room`
        tokens after it.
        """
        sequence = self._of_document(document)
        n_own = common_prefix(sequence.tokens, prompt)
        donor = max(self._sequences, key=lambda other: common_prefix(other.tokens, prompt))
        n_shared = common_prefix(donor.tokens, prompt)
        if donor is not sequence and n_shared >= n_own + MIN_SHARED_TOKENS:
            self.truncate(sequence, 0)
            self._context.copy(donor.index, sequence.index, 0, n_shared)
            sequence.tokens = donor.tokens[:n_shared]
            n_own = n_shared
        self.truncate(sequence, min(n_own, len(prompt) - 1))
        self._make_room(sequence, len(prompt) + n_room)
        return sequence, len(sequence.tokens)

    def extend(self, sequence: CachedSequence, tokens: "array[int]") -> None:
        """Notes that `tokens` were evaluated at the end of `sequence`."""
        sequence.tokens += tokens

    def resync(self, sequence: CachedSequence, attempted: "array[int]") -> None:
        """After an interrupted decode of `attempted`: keeps what llama.cpp says it kept."""
        n_held = self._context.last_position(sequence.index) + 1
        sequence.tokens += attempted
        self.truncate(sequence, min(n_held, len(sequence.tokens)))

    def truncate(self, sequence: CachedSequence, n_tokens: int) -> None:
        """Forgets what stands behind the first `n_tokens`."""
        if n_tokens < len(sequence.tokens):
            self._context.remove(sequence.index, n_tokens)
            del sequence.tokens[n_tokens:]

    def forget_all(self) -> None:
        self._context.clear()
        for sequence in self._sequences:
            sequence.document = ""
            sequence.tokens = array("i")

    def evict(self, keep: CachedSequence) -> bool:
        """Empties the sequence used longest ago, other than `keep`. False when there is none."""
        others = [other for other in self._sequences if other is not keep and other.tokens]
        if not others:
            return False
        oldest = min(others, key=lambda other: other.last_used)
        self.truncate(oldest, 0)
        oldest.document = ""
        return True

    def _of_document(self, document: str) -> CachedSequence:
        self._clock += 1
        known = [sequence for sequence in self._sequences if sequence.document == document]
        sequence = known[0] if known else min(self._sequences, key=lambda other: other.last_used)
        sequence.last_used = self._clock
        if not known:
            self.truncate(sequence, 0)
            sequence.document = document
        return sequence

    def _make_room(self, sequence: CachedSequence, n_needed: int) -> None:
        # Shared cells are counted once for each sequence: that errs on the side of evicting.
        while n_needed + self._n_held_by_others(sequence) > self._context.n_cells and self.evict(sequence):
            pass

    def _n_held_by_others(self, sequence: CachedSequence) -> int:
        return sum(len(other.tokens) for other in self._sequences if other is not sequence)
