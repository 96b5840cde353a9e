"""When to ask: one generation per document, newest wins, a pause for the next key, and a cache before it.

This is the language server's judgement, without any of its protocol: documents and settings come in, a
suggestion or the reason for its absence goes out.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from stardraft_lsp.context.choice.reuse import ChunkReuse
from stardraft_lsp.echo.choosing import Guess
from stardraft_lsp.filters import Shown
from stardraft_lsp.session.cache import CachedSuggestion, SuggestionCache
from stardraft_lsp.session.generation import Generation, PendingRequest
from stardraft_lsp.session.judgement import AskPolicy, Decision
from stardraft_lsp.session.own_code import DEADLINE_S, MODEL_SOON_MS, Echo, OwnCode
from stardraft_lsp.session.question import (
    SUPERSEDED,
    Answer,
    Question,
    n_candidates,
    request_for,
    wants_only_sure,
    window_of,
)
from stardraft_lsp.session.rhythm import Rhythm
from stardraft_lsp.session.streaming import Streamed, followed, stream
from stardraft_lsp.stats.recorder import Recorder
from stardraft_lsp.status import Silence, StatusBoard, reason_of
from stardraft_lsp.syntax.languages import language_of
from stardraftd.client import DaemonClient
from stardraftd.errors import StardraftError
from stardraftd.protocol.completion import Done
from stardraftd.protocol.http import CompletionRequest

log = logging.getLogger(__name__)


class Session:
    """The questions of one editor.

    on_daemon: called when a question goes to the daemon, and when its answer came.
    guess: what your own code says at a question's place, the surest first.

    Invariants: at most one generation of each document is with the daemon, that in `_running`; what left it
    is cancelled. At most one question of each document waits, and what waits, waits for what runs.
    """

    def __init__(
        self,
        client: DaemonClient,
        board: StatusBoard,
        recorder: Recorder,
        on_daemon: Callable[[], None] = lambda: None,
        guess: Callable[[Question], Sequence[Guess]] = lambda _question: (),
    ) -> None:
        self._client = client
        self._board = board
        self._on_daemon = on_daemon
        self._cache = SuggestionCache()
        self._policy = AskPolicy()
        self._rhythm = Rhythm()
        self._running: dict[str, Generation] = {}
        self._tasks: dict[Generation, asyncio.Task[None]] = {}
        self._recorder = recorder
        self._chunk_reuse = ChunkReuse()
        self._own_code = OwnCode(guess)

    async def ask(self, question: Question, on_growth: Callable[[Answer], None] | None = None) -> Answer:
        """The suggestion for a question. `on_growth` gets what can be shown so far, each time it grows.

        An older question for the same document is answered SUPERSEDED. Cancelling this call cancels the
        work down to the engine, unless a newer question waits for the same text by then.
        """
        known = self._known(question)
        if known is not None:
            self.supersede(question.uri)
            self._board.note(known.reason)
            return known
        pending = PendingRequest(question, on_growth)
        running = self._running.get(question.uri)
        if running is None or not running.attach(pending):
            self.supersede(question.uri)
            self._begin(pending)
        try:
            return await pending.answered
        except asyncio.CancelledError:
            await self._leave(pending)
            raise

    def changed(self, uri: str, text: str) -> None:
        """The document changed: its question is gone, and so is what runs unless just that was typed."""
        self._rhythm.key(time.monotonic())
        running = self._running.get(uri)
        if running is not None and running.goes_on_in(text):
            running.release(SUPERSEDED)
        else:
            self.supersede(uri)

    def catch_up(self, uri: str, language: str, text: str) -> bool:
        """Reads a document's syntax while nobody waits; whether it is done. language: for its grammar."""
        return self._policy.catch_up(uri, language, text)

    def supersede(self, uri: str) -> None:
        """What runs for this document is not wanted any more."""
        generation = self._running.pop(uri, None)
        if generation is not None:
            self._tasks[generation].cancel()
            generation.release(SUPERSEDED)

    def is_at_work(self, uri: str) -> bool:
        """Whether something is being generated for this document."""
        return uri in self._running

    async def finish(self) -> None:
        """The editor leaves: nothing that runs is wanted any more. Returns when nothing runs."""
        for uri in list(self._running):
            self.supersede(uri)
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    def close(self, uri: str) -> None:
        """The document was closed."""
        self.supersede(uri)
        self._cache.forget(uri)
        self._policy.close(uri)

    def forget_suggestions(self) -> None:
        """What was suggested under other settings or by another model is not shown any more."""
        self._cache.clear()
        for generation in self._tasks:
            generation.is_current = False

    def _known(self, question: Question) -> Answer | None:
        """The answer that needs no daemon. Several suggestions are always asked for: one is remembered."""
        if question.off:
            return Answer(reason=question.off)
        if n_candidates(question) > 1:
            return None
        around = window_of(question)
        language = language_of(question.language, question.place.path)
        made = self._cache.find(question.uri, around.prefix, around.suffix, language)
        if made is None or (made.only_sure and not wants_only_sure(question)):
            return None
        return Answer(made.text, replaces=made.replaces, identity=made.identity, origin=made.origin)

    def _begin(self, pending: PendingRequest) -> None:
        """Begins a generation for a question, or answers why there is none; none runs for its document."""
        question = pending.question
        decision = self._policy.decide(question, question.settings)
        gate = decision.gate
        if gate is not None and not gate.lets_own_code_through:
            pending.answer(self._silent(gate.code))
            return
        guesses = self._own_code.guesses(question)
        request = request_for(question, decision.mode)
        echo = self._own_code.find(
            question,
            guesses,
            decision.wanted,
            language_of(question.language, question.place.path),
            lambda: self._policy.pipeline(question, request, decision, self._board.model, min_visible=1),
        )
        if gate is not None or self._needs_no_model(question, echo):
            nothing: Silence = "nothing_alike" if echo is None else "nothing_to_suggest"
            pending.answer(self._echoed(question, request, echo, gate.code if gate is not None else nothing))
            return
        drafts = self._own_code.drafts(question, guesses)
        request = msgspec.structs.replace(request, drafts=drafts)
        wait_ms = 0
        if not question.invoked:
            if question.settings.debounce_ms == "auto":
                request = msgspec.structs.replace(request, pause_ms=self._rhythm.pause_ms())
            else:
                wait_ms = question.settings.debounce_ms
        first = echo if echo is not None and echo.text else None
        generation = Generation(pending, request, self._recorder.new_id(), first)
        task = asyncio.create_task(self._run(generation, decision, wait_ms))
        self._running[question.uri] = generation
        self._tasks[generation] = task
        task.add_done_callback(lambda _task: self._tasks.pop(generation))
        task.add_done_callback(generation.ended)
        if first is not None:
            self._show_first(generation, grows=pending.on_growth is not None)

    def _needs_no_model(self, question: Question, echo: Echo | None) -> bool:
        """Whether your own code is the whole answer: always, or where it is sure and the model is a toy."""
        if question.settings.echo == "only":
            return True
        return echo is not None and not question.invoked and not self._board.has_real_model

    def _silent(self, reason: Silence) -> Answer:
        """No suggestion, and the reason is told."""
        self._board.note(reason)
        return Answer(reason=reason)

    def _echoed(
        self, question: Question, request: CompletionRequest, echo: Echo | None, nothing: Silence
    ) -> Answer:
        """The answer that your own code gives; it is remembered like the model's. nothing: why there may be
        none."""
        if echo is None or not echo.text:
            return self._silent(nothing)
        self._board.note("")
        answer = Answer(
            echo.text, replaces=echo.replaces, identity=self._recorder.new_id(), origin=echo.origin
        )
        self._remember(question.uri, request, answer, only_sure=not question.invoked)
        return answer

    def _remember(self, uri: str, request: CompletionRequest, answer: Answer, *, only_sure: bool) -> None:
        """Keeps an answer for who types what it suggests."""
        made = CachedSuggestion(
            request.prefix,
            request.suffix,
            answer.text,
            answer.replaces,
            answer.identity,
            only_sure,
            answer.origin,
        )
        self._cache.put(uri, made)

    def _show_first(self, generation: Generation, *, grows: bool) -> None:
        """Shows what your own code says until the model speaks; at once, unless that is expected soon. Who
        takes one answer only gets it when the model is late."""
        expected_ms = self._rhythm.appears_ms
        is_soon = expected_ms is not None and expected_ms <= MODEL_SOON_MS
        loop = asyncio.get_running_loop()
        loop.call_later(MODEL_SOON_MS / 1000 if is_soon else 0, generation.show_echo)
        if not grows:
            loop.call_later(DEADLINE_S, self._settle_for_echo, generation)

    def _settle_for_echo(self, generation: Generation) -> None:
        if generation.echo is None or not self._retire(generation):
            return
        self._tasks[generation].cancel()
        self._again(generation.finish(generation.settled(Answer(identity=generation.identity))))

    async def _leave(self, pending: PendingRequest) -> None:
        """The editor cancelled a question. What only it waited for ends, and has ended on return."""
        generation = self._running.get(pending.question.uri)
        if generation is not None and generation.pending is pending:
            task = self._tasks[generation]
            self.supersede(generation.uri)
            await asyncio.wait({task})

    async def _run(self, generation: Generation, decision: Decision, wait_ms: int) -> None:
        try:
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000)
            answer = await self._ask_daemon(generation, decision)
        finally:
            is_newest = self._retire(generation)
        if is_newest:
            self._again(generation.finish(answer))

    def _retire(self, generation: Generation) -> bool:
        """Takes a generation out of `_running`; False when it was out, and nobody waits for it."""
        is_newest = self._running.get(generation.uri) is generation
        if is_newest:
            del self._running[generation.uri]
        return is_newest

    def _again(self, pending: PendingRequest | None) -> None:
        """A question attached to what turned out to be another text: it is asked on its own."""
        if pending is not None:
            self._begin(pending)

    async def _ask_daemon(self, generation: Generation, decision: Decision) -> Answer:
        generation.is_sent = True
        self._on_daemon()
        self._board.begin()
        try:
            shown = await self._generate(generation, decision)
        except asyncio.CancelledError:
            self._board.end("superseded")
            raise
        except StardraftError as error:
            self._board.fail(error)
            return generation.settled(Answer(reason=reason_of(error), identity=generation.identity))
        self._on_daemon()
        texts: dict[str, int] = {}
        for one in shown:
            if one.text.strip():
                texts.setdefault(one.text, one.replaces)
        if not texts:
            reason: Silence = "not_worth_showing" if any(one.why for one in shown) else "nothing_to_suggest"
            self._board.end(reason if generation.echo is None else "")
            return generation.settled(Answer(reason=reason, identity=generation.identity))
        self._board.end("")
        (text, replaces), *others = self._policy.ranked(generation.question, list(texts.items()))
        answer = generation.settled(
            Answer(text, others=tuple(others), replaces=replaces, identity=generation.identity)
        )
        if generation.is_current:
            only_sure = wants_only_sure(generation.question)
            self._remember(generation.uri, generation.request, answer, only_sure=only_sure)
        return answer

    async def _generate(self, generation: Generation, decision: Decision) -> list[Shown]:
        """What is to be shown of the middles that the daemon made, the first of them as it streamed it.

        A line that opens a block goes on: the block is asked for behind it. The engine has the line in its
        cache, and has often begun with what follows; other lines cost nothing more.
        """
        question = generation.question
        streamed = await self._stream(generation, question, decision, generation.request)
        line, *others = streamed.shown
        further = (
            self._policy.goes_on(question, decision, line, question.settings) if streamed.is_whole else None
        )
        if further is None:
            return [line, *others]
        after, block = further
        request = request_for(replace(after, invoked=False), block.mode, generation.request.drafts)
        try:
            rest = (await self._stream(generation, after, block, request, line)).shown[0]
        except StardraftError as error:
            log.warning("a line's block was not made: %s", error.message)
            return [line, *others]
        return [followed(line, rest), *others]

    async def _stream(
        self,
        generation: Generation,
        question: Question,
        decision: Decision,
        request: CompletionRequest,
        before: Shown | None = None,
    ) -> Streamed:
        """before: a line that is shown with what comes."""
        pipeline = self._policy.pipeline(question, request, decision, self._board.model)

        def grow(shown: Shown) -> None:
            self._grow(generation, followed(before, shown) if before is not None else shown)

        def begin(took_ms: float) -> None:
            if before is None:
                self._rhythm.appeared(max(0.0, took_ms - request.pause_ms))

        streamed = await stream(self._client, request, pipeline, grow, begin)
        if streamed.done is not None:
            self._record(generation, request, streamed.done)
        return streamed

    def _record(self, generation: Generation, request: CompletionRequest, done: Done) -> None:
        n_same = self._chunk_reuse.record(generation.uri, request.chunks)
        if done.figures is not None:
            self._recorder.figures(
                generation.identity,
                done.figures,
                language=generation.question.language,
                n_chunks=len(request.chunks),
                # An engine that had nothing of the prompt had nothing of them.
                n_chunks_reused=n_same if done.figures.n_reused else 0,
            )

    def _grow(self, generation: Generation, shown: Shown) -> None:
        astray = generation.hear(shown.text, shown.replaces)
        if astray is not None:
            self._retire(generation)
            self._again(astray)
            raise asyncio.CancelledError  # nobody wants this one any more
