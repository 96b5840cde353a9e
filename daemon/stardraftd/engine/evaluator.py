"""Tokens into sequences, a decode at a time: what completions and the work in advance both do with the cache.

Each method is a generator that pauses between two decodes, and gives up where its work is interrupted.
"""

import contextlib
from array import array
from collections.abc import Generator, Iterator
from typing import Protocol

from stardraftd.engine.cache.recall import Generation
from stardraftd.engine.cache.sequences import CachedSequence, Reuse, SequenceCache
from stardraftd.engine.interrupt import Interrupt
from stardraftd.engine.native.llama import Aborted
from stardraftd.engine.plan.shapes import Splice


class Evaluating(Protocol):
    """For what tokens are evaluated: a completion's run, or work in advance.

    n_chunk: the most tokens of one decode. n_evaluated counts them.
    """

    interrupt: Interrupt
    n_chunk: int
    n_evaluated: int


class Evaluator:
    """Evaluates into one context's sequences. `n_most` is the most tokens that a decode of it takes."""

    def __init__(self, cache: SequenceCache, n_most: int) -> None:
        self._cache = cache
        self._n_most = n_most

    @contextlib.contextmanager
    def resumed(self, generation: Generation) -> Generator[CachedSequence]:
        """A fork that holds what of a generation is cached; not all, so there is a token to evaluate."""
        document = generation.completion.document
        reuse = self._cache.reuse(generation.ids)
        donor = reuse.donor
        if donor is not None and (donor.document, donor.role, donor.pins) == (document, "fork", 0):
            sequence = donor
            self._cache.continue_in(sequence, reuse)
        else:
            sequence = self._cache.fork(reuse, document, "fork")
        with self._cache.pinned(sequence):
            yield sequence

    def splice(self, document: str, splice: Splice, work: Evaluating) -> Iterator[None]:
        """Brings the file's sequence up to its changed text: evaluates the change, moves what follows."""
        old = self._cache.find(document, "file")[0]
        patched = self._cache.fork(
            Reuse(old, splice.n_head, min(old.n_exact, splice.n_head)), document, "scratch"
        )
        try:
            with self._cache.pinned(old), self._cache.pinned(patched):
                target = old.tokens[: splice.n_head] + splice.changed
                yield from self.evaluate(patched, target, work)
        except BaseException:
            self._cache.drop(patched)
            raise
        self._cache.splice(old, splice.n_head, splice.tail_start, patched)
        patched.role = "file"

    def evaluate(self, sequence: CachedSequence, ids: "array[int]", work: Evaluating) -> Iterator[None]:
        """Evaluates `ids` from where `sequence` ends. Raises Aborted, DecodeError."""
        n_chunk = min(work.n_chunk, self._n_most)
        while len(sequence.tokens) < len(ids):
            if work.interrupt.reason:
                raise Aborted
            start = len(sequence.tokens)
            try:
                self._cache.evaluate(sequence, ids[start : start + n_chunk])
            finally:
                work.n_evaluated += len(sequence.tokens) - start
            if len(sequence.tokens) < len(ids):
                yield
