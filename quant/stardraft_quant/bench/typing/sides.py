"""The sides of a typing replay: stardraft's language server, and llama-server as llama.vim asks it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stardraft_quant.bench import peer
from stardraft_quant.bench.typing.editor import Asked, Editor, editing, isolated_home, running_daemon
from stardraft_quant.bench.typing.records import LLAMA_SERVER, OURS, Totals
from stardraft_quant.bench.typing.replay import Outcome
from stardraft_quant.bench.typing.traces import Event, Trace
from stardraftd.client import DaemonClient
from stardraftd.errors import StardraftError
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.http import Status

SETTLING_S = 0.002
# What is measured is what a suggestion costs. So there is one at every key, on both sides: also where ours
# would be cut or not asked for, which costs nothing. And each token is decoded by itself: what guessing ahead
# saves depends on the text, and noise repeats itself.
LIKE_FOR_LIKE = {
    "STARDRAFT_EDITOR_CONFIDENCE": "false",
    "STARDRAFT_EDITOR_ECHO": "off",
    "STARDRAFT_EDITOR_IN_COMMENTS": "true",
    "STARDRAFT_EDITOR_IN_STRINGS": "true",
    "STARDRAFT_EDITOR_MID_LINE": "true",
    "STARDRAFT_MODEL_SPECULATION": "off",
}


class OurSide:
    """stardraft: the real language server, in front of the real daemon."""

    name = OURS

    def __init__(
        self, editor: Editor, client: DaemonClient, daemon: int, engine: int, load_ms: float
    ) -> None:
        self.load_ms = load_ms
        self.pids: tuple[int, ...] = (editor.pid, daemon, engine)
        self.workers: tuple[int, ...] = (engine,)
        self._editor = editor
        self._client = client
        self._uri = ""
        self._n_ended = 0
        self._seen: Status | None = None  # when the last answer came; None when others were given up since

    def open(self, trace: Trace) -> None:
        self._uri = f"file:///stardraft-bench/{trace.name}"
        self._editor.open(self._uri, trace.text, trace.language)

    def change(self, text: str, event: Event) -> None:
        self._editor.change(self._uri, text, event.at, event.remove, event.insert)

    async def ask(self, text: str, cursor: int) -> Outcome:
        answer = await self._editor.ask(self._uri, text, cursor)
        if answer.is_null:
            self._seen = None
            return Outcome(answer=answer, is_answered=False)
        status = await self._client.status()
        while (
            status.n_running
        ):  # the server ends a generation when what it shows is final: its figures follow
            await asyncio.sleep(SETTLING_S)
            status = await self._client.status()
        n_ended = status.completed + status.cancelled
        is_new = n_ended > self._n_ended
        self._n_ended = n_ended
        figures, before, self._seen = status.last_figures, self._seen, status
        if not is_new or figures is None:
            return Outcome(answer=answer)
        n_evaluated, n_generated, n_recalled = figures.n_evaluated, figures.n_generated, figures.n_recalled
        if before is not None:
            n_evaluated = status.tokens_evaluated - before.tokens_evaluated
            n_generated = status.tokens_generated - before.tokens_generated
            n_recalled = status.tokens_recalled - before.tokens_recalled
        return Outcome(
            answer=answer,
            by_model=True,
            n_prompt=figures.n_prompt,
            n_evaluated=n_evaluated,
            n_generated=n_generated,
            n_recalled=n_recalled,
            stale=figures.stale,
            plan=figures.kind,
        )

    async def totals(self) -> Totals:
        status: Status = await self._client.status()
        self._seen = status
        return Totals(
            n_evaluated=status.tokens_evaluated,
            n_generated=status.tokens_generated - status.tokens_recalled,
            n_evaluated_in_background=status.tokens_evaluated_in_background,
            n_generated_in_background=status.tokens_generated_in_background,
        )


@asynccontextmanager
async def our_side(model: Path, max_tokens: int) -> AsyncIterator[tuple[OurSide, ModelInfo]]:
    """stardraft with the model loaded, in a home of its own. All of it has ended afterwards."""
    started = time.perf_counter()
    settings = {
        "STARDRAFT_MODEL_PATH": str(model.absolute()),
        "STARDRAFT_COMPLETION_MAX_TOKENS": str(max_tokens),
        **LIKE_FOR_LIKE,
    }
    with isolated_home(settings) as environment:
        async with running_daemon() as client, editing(environment) as editor:
            await editor.until_ready()
            status = await client.status()
            if status.model is None or status.engine_pid is None:
                raise StardraftError("The model was unloaded at once.", "There may be too little memory.")
            load_ms = (time.perf_counter() - started) * 1000
            yield OurSide(editor, client, status.pid, status.engine_pid, load_ms), status.model


class PeerSide:
    """llama-server with llama.vim's manner: one request at a time, which is waited for; then the newest."""

    name = LLAMA_SERVER

    def __init__(self, server: peer.LlamaServer, pids: tuple[int, ...] = (), load_ms: float = 0.0) -> None:
        self.load_ms = load_ms
        self.pids = self.workers = pids
        self._server = server
        self._one_at_a_time = asyncio.Lock()
        self._newest = 0
        self._totals = Totals()

    def open(self, trace: Trace) -> None:
        """llama.vim sends the text with each request."""

    def change(self, text: str, event: Event) -> None:
        """As above."""

    async def ask(self, text: str, cursor: int) -> Outcome:
        self._newest += 1
        mine, asked = self._newest, Asked()
        async with self._one_at_a_time:
            if mine != self._newest:
                return Outcome(answer=asked.ended("", is_null=True), is_answered=False)
            found = await self._server.ask(text, cursor, asked)
        if found.end is None:
            return Outcome(answer=found.answer, is_answered=mine == self._newest)
        timings = found.end.timings or peer.Timings()
        self._totals = Totals(
            n_evaluated=self._totals.n_evaluated + timings.prompt_n,
            n_generated=self._totals.n_generated + timings.predicted_n,
        )
        return Outcome(
            answer=found.answer,
            is_answered=mine == self._newest,  # the cursor is elsewhere by now: llama.vim shows nothing
            by_model=True,
            n_prompt=found.end.tokens_evaluated,
            n_evaluated=timings.prompt_n,
            n_generated=timings.predicted_n,
        )

    async def totals(self) -> Totals:
        return self._totals


@asynccontextmanager
async def peer_side(
    executable: Path, model: Path, loaded: ModelInfo, max_tokens: int, *, greedy: bool
) -> AsyncIterator[PeerSide]:
    """llama-server with the model loaded as ours is. It has ended afterwards."""
    started = time.perf_counter()
    async with peer.running_server(
        executable,
        model,
        threads=loaded.threads,
        gpu_layers=loaded.gpu_layers,
        max_tokens=max_tokens,
        greedy=greedy,
    ) as server:
        yield PeerSide(server, (server.pid,), (time.perf_counter() - started) * 1000)
