"""From a prompt's logits to tokens: one after the other, several at once, or several middles side by side.

Each method is a generator that pauses between two decodes, and never between a decode and the choice made
from its logits: whoever runs in the pause overwrites them.
"""

import time
from array import array
from collections.abc import Callable, Iterator

import numpy as np

from stardraftd.engine.cache.recall import Generation
from stardraftd.engine.cache.sequences import CachedSequence, Reuse, SequenceCache
from stardraftd.engine.decode.drafting import Course, Speculation
from stardraftd.engine.decode.run import Run
from stardraftd.engine.interrupt import Interrupt
from stardraftd.engine.native.llama import Aborted
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.engine.native.sampling import LogProbability, Sampler
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.protocol.completion import Completion, Token


class Decoder:
    """Decodes with one model. speculation: how tokens are guessed ahead; None: they are not."""

    def __init__(
        self,
        loaded: LoadedModel,
        cache: SequenceCache,
        speeds: SpeedModel,
        piece: Callable[[int], bytes],
        speculation: Speculation | None = None,
    ) -> None:
        self._context = loaded.context
        self._cache = cache
        self._speeds = speeds
        self._piece = piece
        self._logprob = LogProbability(loaded.model.n_vocab)
        self._stop_ids = stop_ids(loaded)
        self.speculation = speculation

    # --- one middle ------------------------------------------------------------------------------

    def decode(self, sequence: CachedSequence, generation: Generation, run: Run) -> Iterator[None]:
        """Generates behind the token evaluated last, until the run has its end. Raises Aborted."""
        completion = run.completion
        with _sampler(completion) as sampler:
            chosen = [self._choose(sampler, -1)]  # before the pause: others' decodes take the logits' place
            course = self._course(generation, completion, chosen)
            yield from run.rest()
            if run.interrupt.reason:
                raise Aborted
            while True:
                for token in chosen:
                    self._take(token, generation, run)
                if run.main.reason:
                    return
                yield
                if run.interrupt.reason:
                    raise Aborted
                last = generation.tokens[-1].id
                if course is None:
                    chosen = [self._single(sequence, last, sampler)]
                else:
                    chosen = self._guided(sequence, last, course, run)

    def _take(self, token: Token, generation: Generation, run: Run) -> None:
        """Adds a token. Behind the end of what is shown it goes into memory only."""
        if generation.ended:
            return
        if token.id in self._stop_ids:
            generation.ended = True
            if run.main.reason is None:
                run.finish("end")
            return
        piece = self._piece(token.id)
        generation.tokens.append(token)
        generation.pieces.append(piece)
        if run.main.reason is None:
            run.token(token, piece)

    def _course(self, generation: Generation, completion: Completion, first: list[Token]) -> Course | None:
        """The guesses for what comes behind the first token; None where chance decides, or none are made."""
        if self.speculation is None or completion.temperature > 0:
            return None
        course = self.speculation.begin(generation, completion)
        course.said([token.id for token in first])
        return course

    def _guided(self, sequence: CachedSequence, last: int, course: Course, run: Run) -> list[Token]:
        """The next token, or several if guesses were right."""
        guess = course.guess(run.n_left - 1, self._cache.n_cells_used)
        if guess is None:
            chosen = [self._single(sequence, last, _GREEDY)]
        else:
            chosen = self._verify(sequence, last, guess.ids)
            run.drafted(guess.source, len(guess.ids), len(chosen) - 1)
        course.said([token.id for token in chosen])
        return chosen

    def _single(self, sequence: CachedSequence, last: int, sampler: Sampler) -> Token:
        started = time.perf_counter()
        self._cache.evaluate(sequence, array("i", (last,)))
        token = self._choose(sampler, -1)
        self._speeds.token_took(self._cache.n_cells_used, (time.perf_counter() - started) * 1000)
        return token

    def _verify(self, sequence: CachedSequence, last: int, draft: "array[int]") -> list[Token]:
        """Evaluates the last token and guesses in one decode; the tokens that the model chooses itself."""
        batch = array("i", (last,))
        batch += draft
        n_before = len(sequence.tokens)
        self._cache.evaluate(sequence, batch, all_logits=True)
        chosen: list[Token] = []
        for row in range(len(batch)):
            logits = self._context.logits(row)
            token = int(logits.argmax())
            chosen.append(Token(token, self._logprob(logits, token)))
            if row == len(draft) or token != draft[row]:
                break
        self._cache.truncate(sequence, n_before + len(chosen))
        return chosen

    def _choose(self, sampler: Sampler, row: int) -> Token:
        token = sampler.sample(self._context, row)
        return Token(token, self._logprob(self._context.logits(row), token))

    # --- past the end of what is shown -----------------------------------------------------------

    def go_on(
        self, sequence: CachedSequence, generation: Generation, n_most: int, interrupt: Interrupt
    ) -> Iterator[None]:
        """Generates up to `n_most` tokens into memory only, to the end of the next line. Raises Aborted.

        The token evaluated last must be the generation's last one, with its logits still there.
        """
        n_before = len(generation.tokens)
        visible = False
        with _sampler(generation.completion) as sampler:
            while len(generation.tokens) - n_before < n_most:
                token = self._choose(sampler, -1)
                if token.id in self._stop_ids:
                    generation.ended = True
                    return
                piece = self._piece(token.id)
                generation.tokens.append(token)
                generation.pieces.append(piece)
                if visible and b"\n" in piece:
                    return
                visible = visible or bool(piece.strip())
                yield
                if interrupt.reason:
                    raise Aborted
                self._cache.evaluate(sequence, array("i", (token.id,)))

    # --- several middles -------------------------------------------------------------------------

    def decode_several(self, sequence: CachedSequence, run: Run) -> Iterator[None]:
        """As many middles as the run wants, one token of each in a batch. Raises Aborted.

        They differ from their first token on: the first is as the request's temperature says, the others
        begin with the likeliest tokens after it, and go on greedily.
        """
        completion = run.completion
        firsts = self._first_tokens(completion)
        sequences = [sequence]
        start = Reuse(sequence, len(sequence.tokens), sequence.n_exact)
        try:
            for _ in firsts[1:]:
                other = self._cache.fork(start, completion.document, "scratch")
                other.pins += 1
                sequences.append(other)
            with _sampler(completion) as sampler:
                yield from self._rounds(sequences, firsts, sampler, run)
        finally:
            for other in sequences[1:]:
                other.pins -= 1
                self._cache.drop(other)
        for middle in run.middles:
            if middle.reason is None:
                middle.finish("end")

    def _rounds(
        self, sequences: list[CachedSequence], firsts: list[Token], sampler: Sampler, run: Run
    ) -> Iterator[None]:
        chosen = dict(enumerate(firsts))
        while True:
            for index, token in chosen.items():
                middle = run.middles[index]
                if token.id in self._stop_ids:
                    middle.finish("end")
                    continue
                run.token(token, self._piece(token.id), index)
            alive = [index for index in chosen if run.middles[index].reason is None]
            if not alive:
                return
            yield
            if run.interrupt.reason:
                raise Aborted
            batch = array("i", [chosen[index].id for index in alive])
            self._cache.evaluate_row([sequences[index] for index in alive], batch)
            chosen = {
                index: self._choose(sampler if index == 0 else _GREEDY, row)
                for row, index in enumerate(alive)
            }

    def _first_tokens(self, completion: Completion) -> list[Token]:
        with _sampler(completion) as sampler:
            first = self._choose(sampler, -1)
        logits = self._context.logits()
        n = min(completion.n_candidates + len(self._stop_ids), len(logits))
        likeliest = np.argpartition(logits, len(logits) - n)[-n:]
        ordered = likeliest[np.argsort(-logits[likeliest], kind="stable")]
        others = [int(i) for i in ordered if int(i) != first.id and int(i) not in self._stop_ids]
        return [first] + [
            Token(token, self._logprob(logits, token)) for token in others[: completion.n_candidates - 1]
        ]


_GREEDY = Sampler(temperature=0, top_k=0, top_p=1, seed=0)


def _sampler(completion: Completion) -> Sampler:
    return Sampler(
        temperature=completion.temperature,
        top_k=completion.top_k,
        top_p=completion.top_p,
        seed=completion.seed,
    )


def stop_ids(loaded: LoadedModel) -> frozenset[int]:
    """Tokens that end generation: what llama.cpp knows as such, the separators, and every sentinel."""
    fim = loaded.sentinels
    known = {fim.prefix, fim.middle, fim.suffix, fim.pad, fim.repository, fim.separator, fim.end_of_text}
    return frozenset(token for token in known if token is not None) | {
        token for token in range(loaded.model.n_vocab) if loaded.model.is_end_of_generation(token)
    }
