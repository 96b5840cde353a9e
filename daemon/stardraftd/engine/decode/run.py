"""A completion while it is made: what was generated, what of it is final, what it cost."""

import codecs
import time
from collections.abc import Callable, Iterator

from stardraftd.engine.decode.boundary import Boundary
from stardraftd.engine.interrupt import Interrupt
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.lexing.names import language_of
from stardraftd.protocol.completion import (
    Candidate,
    Completion,
    CompletionEvent,
    Done,
    Drafted,
    DraftSource,
    Figures,
    FinishReason,
    Plan,
    Text,
    Token,
)


class Middle:
    """One text that grows. Invariant: `text` is all the text that was emitted."""

    def __init__(self, completion: Completion, emit: Callable[[CompletionEvent], None], index: int) -> None:
        self.reason: FinishReason | None = None
        self.text = ""
        self.n_tokens = 0
        self._emit = emit
        self._index = index
        self._n_most = completion.max_tokens
        language = language_of(completion.language, completion.path)
        self._boundary = Boundary(completion.mode, completion.prefix, completion.suffix, language)
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._unsent: list[Token] = []
        self._sum = 0.0

    @property
    def mean_logprob(self) -> float:
        return self._sum / self.n_tokens if self.n_tokens else 0.0

    def token(self, token: Token, piece: bytes) -> None:
        """Takes a generated token; sends what text became final."""
        self.n_tokens += 1
        self._sum += token.logprob
        self._unsent.append(token)
        self._send(self._boundary.feed(self._characters.decode(piece)))
        self.reason = self._boundary.reason
        if self.reason is None and self.n_tokens >= self._n_most:
            self.finish("max_tokens")

    def finish(self, reason: FinishReason) -> None:
        self.reason = reason
        if reason in ("end", "max_tokens", "context_full"):
            tail = self._characters.decode(b"", final=True) if reason == "end" else ""
            self._send(self._boundary.feed(tail) + self._boundary.finish())

    def flush(self) -> None:
        """Reports tokens whose text was held back and then dropped: they were generated all the same."""
        if self._unsent:
            self._emit(Text("", tuple(self._unsent), self._index))
            self._unsent.clear()

    def _send(self, text: str) -> None:
        if text:
            self.text += text
            self._emit(Text(text, tuple(self._unsent), self._index))
            self._unsent.clear()


# How long the engine looks away at most while a request's pause lasts.
REST_STEP_S = 0.002


class Run:
    """One completion, from its request on."""

    def __init__(
        self, completion: Completion, emit: Callable[[CompletionEvent], None], interrupt: Interrupt
    ) -> None:
        self.completion = completion
        self.interrupt = interrupt
        self.middles = [Middle(completion, emit, index) for index in range(completion.n_candidates)]
        self.n_chunk = 1 << 30  # as many tokens in a decode as the context takes
        self.n_evaluated = 0
        self.n_reused = 0
        self.n_recalled = 0
        self._drafted: dict[DraftSource, Drafted] = {}
        self._emit = emit
        self._plan: Plan | None = None
        self._started = time.perf_counter()
        self._planned = self._started
        self._prefilled = self._started
        self._first_token = 0.0
        self._first_decoded = 0.0
        self._last_decoded = 0.0

    @property
    def main(self) -> Middle:
        return self.middles[0]

    @property
    def n_generated(self) -> int:
        return sum(middle.n_tokens for middle in self.middles)

    @property
    def n_left(self) -> int:
        """Tokens that may still be generated."""
        return self.completion.max_tokens - self.n_generated

    @property
    def prefill_ms(self) -> float:
        return (self._prefilled - self._planned) * 1000

    def planned(self, plan: Plan) -> None:
        self._plan = plan
        self._planned = time.perf_counter()
        self._emit(plan)

    def begins_with(self, n_cached: int) -> None:
        """The cache holds `n_cached` tokens of the prompt, and what it lacks is evaluated next.

        What this request evaluated of them already was not reused: each token counts once.
        """
        self.n_reused = max(0, n_cached - self.n_evaluated)

    def prefilled(self) -> None:
        self._prefilled = time.perf_counter()

    def rest(self) -> Iterator[None]:
        """Waits until the request's pause is over, or it is not wanted any more; others decode meanwhile."""
        over = self._started + self.completion.pause_ms / 1000
        while (rest_s := over - time.perf_counter()) > 0 and not self.interrupt.reason:
            time.sleep(min(rest_s, REST_STEP_S))
            yield

    def token(self, token: Token, piece: bytes, index: int = 0) -> None:
        self._first_decoded = self._first_decoded or time.perf_counter()
        self._last_decoded = time.perf_counter()
        self._take(token, piece, index)

    def recalled(self, token: Token, piece: bytes) -> None:
        """Takes a token that was generated before this request."""
        self.n_recalled += 1
        self._take(token, piece, 0)

    def _take(self, token: Token, piece: bytes, index: int) -> None:
        self._first_token = self._first_token or time.perf_counter()
        self.middles[index].token(token, piece)

    def drafted(self, source: DraftSource, n_drafted: int, n_accepted: int) -> None:
        """Tokens of a source were verified; so many of them were right."""
        before = self._drafted.get(source, Drafted(source, 0, 0))
        self._drafted[source] = Drafted(source, before.n_drafted + n_drafted, before.n_accepted + n_accepted)

    def finish(self, reason: FinishReason) -> None:
        """Ends every middle that has not ended yet."""
        for middle in self.middles:
            if middle.reason is None:
                middle.finish(reason)

    def done(self, loaded: LoadedModel) -> Done:
        """The last event; call it once, after `finish`."""
        for middle in self.middles:
            middle.flush()
        main = self.main
        candidates = {middle.text: middle for middle in reversed(self.middles)}
        return Done(
            text=main.text,
            finish_reason=main.reason or "end",
            figures=self._figures(loaded) if self._plan else None,
            candidates=tuple(
                Candidate(middle.text, middle.reason or "end", round(middle.mean_logprob, 4))
                for middle in self.middles
                if candidates[middle.text] is middle
            )
            if len(self.middles) > 1
            else (),
        )

    def _figures(self, loaded: LoadedModel) -> Figures:
        def ms(moment: float, since: float) -> float:
            return round((moment - since) * 1000, 3) if moment else 0.0

        plan = self._plan
        assert plan is not None
        return Figures(
            model=loaded.info.name,
            device=loaded.info.device,
            layout=plan.layout,
            n_prompt=self.n_evaluated + self.n_reused,
            n_reused=self.n_reused,
            n_evaluated=self.n_evaluated,
            n_generated=self.n_generated,
            prefill_ms=ms(self._prefilled, self._started),
            decode_ms=ms(self._last_decoded, self._first_decoded),
            first_token_ms=ms(self._first_token, self._started),
            total_ms=ms(time.perf_counter(), self._started),
            kind=plan.kind,
            stale=plan.stale,
            n_recalled=self.n_recalled,
            drafted=tuple(self._drafted.values()),
            predicted_ms=plan.predicted_ms,
        )
