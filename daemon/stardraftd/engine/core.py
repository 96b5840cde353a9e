"""One completion inside the engine: lay out, reuse what is cached, evaluate the rest, decode, stop.

This is the engine process's main thread at work. Its events go out through `emit`; whether the request
is still wanted comes in through `interrupt`, which also raises the abort flag inside a decode.
"""

import codecs
import time
from array import array
from collections.abc import Callable
from typing import Protocol

from stardraftd.engine.boundary import Boundary
from stardraftd.engine.llama import Aborted, DecodeError, LogProbability, Sampler
from stardraftd.engine.loading import LoadedModel
from stardraftd.engine.messages import (
    Completion,
    CompletionEvent,
    Done,
    Figures,
    FinishReason,
    Plan,
    Text,
    Token,
)
from stardraftd.engine.prompt import Budget, Prompt, PromptBuilder, auto_layout
from stardraftd.engine.sequences import CachedSequence, SequenceCache
from stardraftd.errors import EngineError

# Positions that StarCoder2 attended to in training (its sliding window); llama.cpp attends to all.
TRAINED_WINDOW = 4096
# On a CPU every token of a cold prompt costs some 20 ms with StarCoder2-3B (two cores, Q4_K_M).
CPU_WINDOW = 1024
NO_ROOM = 1  # llama_decode: no free cells


class Interrupt(Protocol):
    """Tells whether the running request is still wanted."""

    @property
    def reason(self) -> FinishReason | None:
        """None while it is; else why it ends."""


class Engine:
    """A loaded model, its cached sequences, and the making of completions."""

    def __init__(self, loaded: LoadedModel, n_sequences: int) -> None:
        self._loaded = loaded
        self._context = loaded.context
        self._model = loaded.model
        self._prompts = PromptBuilder(loaded.model, loaded.sentinels, auto_layout(loaded.architecture))
        self._cache = SequenceCache(loaded.context, n_sequences)
        self._logprob = LogProbability(loaded.model.n_vocab)
        self._stop_ids = stop_ids(loaded)
        self._n_window = min(
            TRAINED_WINDOW if loaded.info.gpu_layers else CPU_WINDOW,
            loaded.model.n_context_trained,
            loaded.context.n_cells // 2,  # so that a second document has room beside it
        )

    def complete(
        self, completion: Completion, emit: Callable[[CompletionEvent], None], interrupt: Interrupt
    ) -> None:
        """Runs one completion; the last event emitted is `Done`. Raises EngineError when decoding fails."""
        run = _Run(completion, emit, interrupt)
        n_generated = min(completion.max_tokens, self._n_window // 2)
        prompt = self._prompts.build(completion, Budget.of_window(self._n_window, n_generated))
        try:
            sequence = self._prefill(prompt, n_generated, run)
            self._generate(sequence, n_generated, run)
        except Aborted:
            run.finish(interrupt.reason or "cancelled")
        except DecodeError as error:
            if error.code != NO_ROOM:
                self._cache.forget_all()
                raise EngineError(
                    f"llama.cpp failed to evaluate the prompt (llama_decode returned {error.code}).",
                    "If it happens again, `stardraft daemon logs` has llama.cpp's own words.",
                ) from error
            run.finish("context_full")
        emit(run.done(self._loaded, prompt))

    def _prefill(self, prompt: Prompt, n_room: int, run: "_Run") -> CachedSequence:
        sequence, n_reused = self._cache.prepare(run.completion.document, prompt.ids, n_room)
        run.n_reused = n_reused
        n_evaluated = len(prompt.ids) - n_reused
        run.emit(
            Plan(
                n_context=prompt.n_context,
                context_cut=prompt.context_cut,
                layout=prompt.layout,
                n_prompt=len(prompt.ids),
                n_reused=n_reused,
                n_evaluated=n_evaluated,
            )
        )
        for start in range(n_reused, len(prompt.ids), self._context.n_batch):
            self._evaluate(sequence, prompt.ids[start : start + self._context.n_batch], run)
            run.n_evaluated = len(sequence.tokens) - n_reused
        run.prefilled()
        return sequence

    def _generate(self, sequence: CachedSequence, n_most: int, run: "_Run") -> None:
        completion = run.completion
        with Sampler(
            temperature=completion.temperature,
            top_k=completion.top_k,
            top_p=completion.top_p,
            seed=completion.seed,
        ) as sampler:
            while True:
                token = sampler.sample(self._context)
                if token in self._stop_ids:
                    run.finish("end")
                    return
                run.token(
                    Token(token, self._logprob(self._context.logits(), token)), self._model.piece(token)
                )
                if run.reason:
                    return
                if run.n_generated >= n_most:
                    run.finish("max_tokens")
                    return
                self._evaluate(sequence, array("i", [token]), run)

    def _evaluate(self, sequence: CachedSequence, tokens: "array[int]", run: "_Run") -> None:
        """Decodes `tokens` at the end of `sequence`, making room if need be. Raises Aborted, DecodeError."""
        while True:
            if run.interrupt.reason:
                raise Aborted
            try:
                self._context.decode(tokens, len(sequence.tokens), sequence.index)
            except Aborted:
                self._cache.resync(sequence, tokens)
                raise
            except DecodeError as error:
                self._cache.resync(sequence, tokens)
                if error.code != NO_ROOM or not self._cache.evict(sequence):
                    raise
            else:
                self._cache.extend(sequence, tokens)
                return


class _Run:
    """What one completion has come to so far. Invariant: `text` is all the text that was emitted."""

    def __init__(
        self, completion: Completion, emit: Callable[[CompletionEvent], None], interrupt: Interrupt
    ) -> None:
        self.completion = completion
        self.emit = emit
        self.interrupt = interrupt
        self.reason: FinishReason | None = None
        self.n_reused = 0
        self.n_evaluated = 0
        self.n_generated = 0
        self.text = ""
        self._boundary = Boundary(completion.mode, completion.prefix, completion.suffix)
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._unsent: list[Token] = []
        self._started = time.perf_counter()
        self._prefilled = self._started
        self._first_token = 0.0
        self._last_token = 0.0

    def prefilled(self) -> None:
        self._prefilled = time.perf_counter()

    def token(self, token: Token, piece: bytes) -> None:
        """Takes a generated token; sends what text became final."""
        now = time.perf_counter()
        self._first_token = self._first_token or now
        self._last_token = now
        self.n_generated += 1
        self._unsent.append(token)
        self._send(self._boundary.feed(self._characters.decode(piece)))
        self.reason = self._boundary.reason

    def finish(self, reason: FinishReason) -> None:
        self.reason = reason
        if reason in ("end", "max_tokens", "context_full"):
            tail = self._characters.decode(b"", final=True) if reason == "end" else ""
            self._send(self._boundary.feed(tail) + self._boundary.finish())

    def done(self, loaded: LoadedModel, prompt: Prompt) -> Done:
        def ms(moment: float, since: float) -> float:
            return round((moment - since) * 1000, 3) if moment else 0.0

        if self._unsent:  # tokens whose text was held back and then dropped: they were generated all the same
            self.emit(Text("", tuple(self._unsent)))
            self._unsent.clear()
        figures = Figures(
            model=loaded.info.name,
            device=loaded.info.device,
            layout=prompt.layout,
            n_prompt=len(prompt.ids),
            n_reused=self.n_reused,
            n_evaluated=self.n_evaluated,
            n_generated=self.n_generated,
            prefill_ms=ms(self._prefilled, self._started),
            decode_ms=ms(self._last_token, self._first_token),
            first_token_ms=ms(self._first_token, self._started),
            total_ms=ms(time.perf_counter(), self._started),
        )
        return Done(text=self.text, finish_reason=self.reason or "end", figures=figures)

    def _send(self, text: str) -> None:
        if text:
            self.text += text
            self.emit(Text(text, tuple(self._unsent)))
            self._unsent.clear()


def stop_ids(loaded: LoadedModel) -> frozenset[int]:
    """Tokens that end generation: what llama.cpp knows as such, the separators, and every sentinel."""
    fim = loaded.sentinels
    known = {fim.prefix, fim.middle, fim.suffix, fim.pad, fim.repository, fim.separator, fim.end_of_text}
    return frozenset(token for token in known if token is not None) | {
        token for token in range(loaded.model.n_vocab) if loaded.model.is_end_of_generation(token)
    }
