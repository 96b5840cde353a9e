"""What is done before it is asked for, while nobody waits: small things first, then larger ones.

    level 1  at once: the next line behind the last suggestion (hot streak); changed lines of the file;
             the rest of a file that is not in the cache yet
    level 2  at a short rest: the exact prompt for the cursor, where the last one was stale or showed little
    level 3  at a longer rest: what stands behind an edit, exact again; speeds that are not measured yet

Everything is made of small decodes, and each can be aborted: what a user waits for comes first, at once.
Nothing here changes a text; it only changes what the next request has to wait for.
"""

from array import array
from collections.abc import Callable, Iterator

from stardraftd.engine.cache.recall import Generation, Generations
from stardraftd.engine.cache.sequences import CachedSequence, SequenceCache, common_prefix
from stardraftd.engine.decode.decoding import Decoder
from stardraftd.engine.evaluator import Evaluator
from stardraftd.engine.interrupt import Interrupt
from stardraftd.engine.native.llama import Aborted
from stardraftd.engine.plan.planner import Planner, View
from stardraftd.protocol.completion import Completion

# Tokens of a hot streak: about a line of code.
MAX_STREAK = 24
# A chunk's size follows how long it is left alone: halved by an abort, doubled when done.
MIN_CHUNK, FIRST_CHUNK, MAX_CHUNK = 16, 64, 256


class Work:
    """Background work for one document: its interrupt, and what it came to."""

    def __init__(self, interrupt: Interrupt) -> None:
        self.interrupt = interrupt
        self.n_chunk = MIN_CHUNK
        self.n_evaluated = 0
        self.n_generated = 0


class Background:
    """The engine's work in advance, on the cache that completions use."""

    def __init__(
        self,
        cache: SequenceCache,
        *,
        evaluator: Evaluator,
        planner: Planner,
        generations: Generations,
        decoder: Decoder,
        calibrate: Callable[[Interrupt], Iterator[None]],
    ) -> None:
        """`calibrate` measures what decodes cost, a decode at a time."""
        self._cache = cache
        self._evaluator = evaluator
        self._planner = planner
        self._generations = generations
        self._decoder = decoder
        self._calibrate = calibrate
        self._n_chunk = FIRST_CHUNK

    def steps(self, view: View, level: int, work: Work) -> Iterator[None]:
        """All the work of a level and of those below it, a decode at a time. Raises Aborted, DecodeError."""
        # Plain prompts share nothing with the file's sequence, and one that cannot be cut serves no fork.
        uses_file = view.completion.layout == "auto" and self._cache.can_cut
        yield from self._streak(view.completion, work)
        if uses_file:
            yield from self._splice(view, work)
            yield from self._extend(view, work)
        if level >= 2 and uses_file:
            yield from self._settle(view, work)
        if level >= 3 and uses_file:
            yield from self._renew(view, work)
        if level >= 3:
            yield from self._calibrate(work.interrupt)

    # --- level 1 ---------------------------------------------------------------------------------

    def _streak(self, completion: Completion, work: Work) -> Iterator[None]:
        """The line behind a suggestion that ended at its line's end: it is next when that one is accepted."""
        generation = self._generations.newest(completion.document)
        if generation is None or generation.ended or generation.n_streak or not _ends_a_line(generation):
            return
        made_for = generation.completion
        if (made_for.prefix, made_for.suffix) != (completion.prefix, completion.suffix):
            return
        n_before = len(generation.tokens)
        try:
            with self._evaluator.resumed(generation) as sequence:
                yield from self._evaluate(sequence, generation.ids, work)
                yield from self._decoder.go_on(sequence, generation, MAX_STREAK, work.interrupt)
        finally:
            generation.n_streak = len(generation.tokens) - n_before
            work.n_generated += generation.n_streak

    def _splice(self, view: View, work: Work) -> Iterator[None]:
        splice = self._planner.splice(view)
        if splice is not None:
            yield from self._evaluator.splice(view.completion.document, splice, work)

    def _extend(self, view: View, work: Work) -> Iterator[None]:
        """The file's own sequence, from where it is right to where the window ends."""
        cache, document = self._cache, view.completion.document
        ids = self._planner.file_ids(view)
        held = cache.find(document, "file")
        if held and common_prefix(held[0].tokens, ids) == len(held[0].tokens):
            sequence = held[0]
            cache.touch(sequence)
        elif held:
            return  # it differs in its middle: spliced if it could be, and renewed at a longer rest
        else:
            sequence = cache.fork(cache.reuse(ids, exact=True), document, "file")
        with cache.pinned(sequence):
            yield from self._evaluate(sequence, ids, work)

    # --- level 2 ---------------------------------------------------------------------------------

    def _settle(self, view: View, work: Work) -> Iterator[None]:
        """A fork that shows all that is wanted around the cursor, for the keys to come."""
        planner, cache = self._planner, self._cache
        if planner.is_settled(view):
            return
        candidate = planner.at_rest(view)
        sequence = planner.take(candidate, view.completion.document)
        with cache.pinned(sequence):
            yield from self._evaluate(sequence, candidate.ids, work)

    # --- level 3 ---------------------------------------------------------------------------------

    def _renew(self, view: View, work: Work) -> Iterator[None]:
        """What is stale in the file's sequence, evaluated anew beside it, until it takes its place."""
        cache, document = self._cache, view.completion.document
        ids = self._planner.file_ids(view)
        held = cache.find(document, "file")
        if not held or min(common_prefix(held[0].tokens, ids), held[0].n_exact) == len(ids):
            return
        old = held[0]
        renewed = cache.fork(cache.reuse(ids, exact=True), document, "renewal")
        finished = False
        try:
            with cache.pinned(renewed), cache.pinned(old):
                yield from self._evaluate(renewed, ids, work)
            finished = True
        finally:
            # What was done before an interruption is kept if it reaches further than what it replaces.
            if finished or len(renewed.tokens) >= len(old.tokens):
                renewed.role = "file"
                cache.drop(old)
            elif len(renewed.tokens) > old.n_exact:
                renewed.role = "fork"  # it waits as one: the next renewal finds it, and goes on from there
            else:
                cache.drop(renewed)

    # --- evaluating ------------------------------------------------------------------------------

    def _evaluate(self, sequence: CachedSequence, ids: "array[int]", work: Work) -> Iterator[None]:
        work.n_chunk = self._n_chunk
        n_before = work.n_evaluated
        try:
            yield from self._evaluator.evaluate(sequence, ids, work)
        except Aborted:
            self._n_chunk = max(self._n_chunk // 2, MIN_CHUNK)
            raise
        if work.n_evaluated - n_before >= self._n_chunk:
            self._n_chunk = min(self._n_chunk * 2, MAX_CHUNK)


def _ends_a_line(generation: Generation) -> bool:
    """Whether the last token generated closed the line: then what comes next is the next line."""
    return bool(generation.pieces) and b"\n" in generation.pieces[-1]
