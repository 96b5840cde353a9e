"""The typing replay: what each key costs and how long it takes, here and with llama-server.

Recorded editing (`traces`) is replayed through the real language server and daemon, in a home of its own;
and, if asked for, through a llama-server in llama.vim's manner (`peer`). Each replay starts its processes
afresh, so nothing is cached that its own trace did not bring. The sides take turns.

    stepwise  an event comes when the answer to the one before it is there, after the recorded pause
    realtime  events come at their recorded times, whatever is still running; the newest wins

This module replays; what the records amount to is in `Figure`s, made here as well, and drawn by `render`.
"""

import asyncio
import contextlib
import math
import platform
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from stardraft_quant.bench import peer
from stardraft_quant.bench.editor import Answer, Asked, Editor, editing, isolated_home, running_daemon
from stardraft_quant.bench.traces import Event, Trace, bundled_traces, load_trace
from stardraftd.client import DaemonClient
from stardraftd.errors import RequestError, StardraftError
from stardraftd.prose import counted
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.http import Status
from stardraftd.tables import FittedTable

Mode = Literal["stepwise", "realtime"]
What = Literal["open", "key", "auto_closed", "newline", "delete", "jump", "accept", "paste"]

OURS = "stardraft"
LLAMA_SERVER = "llama-server"
MAX_PAUSE_S = 2.0
SETTLING_S = 0.002
LIMITS_MS = (100, 300, 1000)
TYPED: frozenset[What] = frozenset({"key", "newline"})
ASKED_KEYS: frozenset[What] = TYPED | {"auto_closed"}
GROUPS: tuple[tuple[str, frozenset[What]], ...] = (
    ("typed key", TYPED),
    ("auto-closed bracket", frozenset({"auto_closed"})),
    ("deletion", frozenset({"delete"})),
    ("jump", frozenset({"jump"})),
    ("accepted suggestion", frozenset({"accept"})),
    ("paste", frozenset({"paste"})),
)


class TypingOptions(Struct, frozen=True, kw_only=True):
    """What is measured.

    traces: JSON files; none is those of this package.
    peers:  (name, executable); the name is "llama-server".
    pace:   pauses are this many times shorter than recorded; 1.0 is real time.
    max_tokens: of one suggestion, on all sides. A model with random weights does not know where a line ends:
            8 is a line's worth.
    greedy_peer: the peer takes the likeliest token, as stardraft does, instead of llama.vim's samplers: with
            random weights those end nearly every suggestion at its first token.
    """

    model: Path
    traces: tuple[Path, ...] = ()
    peers: tuple[tuple[str, Path], ...] = ()
    runs: int = 1
    pace: float = 1.0
    mode: Mode = "stepwise"
    max_tokens: int = 64
    greedy_peer: bool = False


class Ask(Struct, frozen=True, kw_only=True):
    """One event that asked for a suggestion, and what came of it.

    event:       its number in the trace; -1 is the opening of the file.
    is_answered: False when a newer event took its place before the answer came.
    by_model:    False when a suggestion that was there already answered it.
    first_ms:    from the key to the first text; None when there was no text.
    line_ms:     to the whole first line.
    end_ms:      to the end of the answer.
    n_prompt, n_evaluated, n_generated, n_recalled: tokens; all 0 without the model. n_recalled of n_generated
                 had been generated before. A line that went on as a block is two requests: evaluated and
                 generated are those of both, unless an unanswered event came just before; all else is of the
                 second.
    n_shown, n_kept: characters suggested, and how many of them the person then wrote.
    stale, plan: as in stardraftd's Figures.
    """

    event: int
    what: What
    is_answered: bool
    by_model: bool
    first_ms: float | None
    line_ms: float
    end_ms: float
    n_prompt: int = 0
    n_evaluated: int = 0
    n_generated: int = 0
    n_recalled: int = 0
    n_shown: int = 0
    n_kept: int = 0
    stale: bool = False
    plan: str = ""


class Totals(Struct, frozen=True, kw_only=True):
    """Tokens of a whole replay, also of requests that were not answered."""

    n_evaluated: int = 0
    n_generated: int = 0
    n_evaluated_in_background: int = 0
    n_generated_in_background: int = 0

    def since(self, start: "Totals") -> "Totals":
        return Totals(
            n_evaluated=self.n_evaluated - start.n_evaluated,
            n_generated=self.n_generated - start.n_generated,
            n_evaluated_in_background=self.n_evaluated_in_background - start.n_evaluated_in_background,
            n_generated_in_background=self.n_generated_in_background - start.n_generated_in_background,
        )


class Replay(Struct, frozen=True, kw_only=True):
    """One trace, replayed once on one side. load_ms: from the start of the processes to a loaded model."""

    side: str
    trace: str
    run: int
    load_ms: float
    asks: tuple[Ask, ...]
    totals: Totals


class Figure(Struct, frozen=True, kw_only=True):
    """One row of the report: `values` by side, None where there is nothing to say; `ratios` peer / ours."""

    name: str
    unit: Literal["tokens", "ms", "%"]
    values: dict[str, float | None]
    ratios: dict[str, float | None]


class TypingReport(Struct, frozen=True, kw_only=True):
    model: str
    device: str
    threads: int
    machine: str
    mode: Mode
    pace: float
    runs: int
    traces: tuple[str, ...]
    figures: tuple[Figure, ...]
    replays: tuple[Replay, ...]


class Outcome(Struct, frozen=True, kw_only=True):
    """What a side says of one question."""

    answer: Answer
    is_answered: bool = True
    by_model: bool = False
    n_prompt: int = 0
    n_evaluated: int = 0
    n_generated: int = 0
    n_recalled: int = 0
    stale: bool = False
    plan: str = ""


class Side(Protocol):
    """What is measured. `ask` may be called while another one runs; the newest wins."""

    def open(self, trace: Trace) -> None: ...

    def change(self, text: str, event: Event) -> None:
        """The event changes `text`, which is the file before it."""
        ...

    async def ask(self, text: str, cursor: int) -> Outcome: ...

    async def totals(self) -> Totals: ...


# --- the entrance --------------------------------------------------------------------------------------


def _tell_nobody(_sentence: str) -> None:
    pass


def run_typing(options: TypingOptions, tell: Callable[[str], None] = _tell_nobody) -> TypingReport:
    """Replays every trace on every side. Raises StardraftError. `tell` gets a line before each replay."""
    _check(options)
    traces = tuple(load_trace(path) for path in options.traces or bundled_traces())
    try:
        return asyncio.run(_run(options, traces, tell))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _clean_up_when_ended() -> None:
    """A `kill` ends the replay as Ctrl-C does: the daemon that was started for it ends too."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, other threads
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _check(options: TypingOptions) -> None:
    unknown = [name for name, _path in options.peers if name != LLAMA_SERVER]
    if unknown:
        raise RequestError(
            f"There is no peer named {unknown[0]}.", f"The one that is known: --peer {LLAMA_SERVER}=PATH."
        )
    if len(options.peers) > 1:
        raise RequestError(f"{LLAMA_SERVER} is given twice.", "Measure one build at a time.")
    if options.runs < 1:
        raise RequestError(f"{counted(options.runs, 'run')} measure nothing.", "Give --runs 1 or more.")
    if not options.pace > 0:
        raise RequestError(f"The pace {options.pace} is not above 0.", "1 is real time, 10 ten times faster.")


async def _run(
    options: TypingOptions, traces: tuple[Trace, ...], tell: Callable[[str], None]
) -> TypingReport:
    _clean_up_when_ended()
    replays: list[Replay] = []
    model: ModelInfo | None = None
    for run in range(options.runs):
        for trace in traces:
            tell(f"run {run + 1} of {options.runs}: {trace.name}, {OURS}")
            replayed, model = await _replay_ours(options, trace, run)
            replays.append(replayed)
            for name, executable in options.peers:
                tell(f"run {run + 1} of {options.runs}: {trace.name}, {name}")
                replays.append(await _replay_peer(options, trace, run, executable, model))
    assert model is not None  # there is a run, and a trace
    return TypingReport(
        model=model.name,
        device=model.device,
        threads=model.threads,
        machine=f"{platform.system()} {platform.machine()}, {platform.processor() or 'unknown processor'}",
        mode=options.mode,
        pace=options.pace,
        runs=options.runs,
        traces=tuple(trace.name for trace in traces),
        figures=tuple(figures(replays, [name for name, _path in options.peers])),
        replays=tuple(replays),
    )


async def _replay_ours(options: TypingOptions, trace: Trace, run: int) -> tuple[Replay, ModelInfo]:
    started = time.perf_counter()
    async with _our_side(options) as (side, model):
        load_ms = (time.perf_counter() - started) * 1000
        return await _replay(side, trace, options, name=OURS, run=run, load_ms=load_ms), model


async def _replay_peer(
    options: TypingOptions, trace: Trace, run: int, executable: Path, model: ModelInfo
) -> Replay:
    started = time.perf_counter()
    async with peer.running_server(
        executable,
        options.model,
        threads=model.threads,
        gpu_layers=model.gpu_layers,
        max_tokens=options.max_tokens,
        greedy=options.greedy_peer,
    ) as server:
        load_ms = (time.perf_counter() - started) * 1000
        side = PeerSide(server)
        return await _replay(side, trace, options, name=LLAMA_SERVER, run=run, load_ms=load_ms)


# --- replaying -----------------------------------------------------------------------------------------


async def _replay(
    side: Side, trace: Trace, options: TypingOptions, *, name: str, run: int, load_ms: float
) -> Replay:
    start = await side.totals()
    by_mode = {"stepwise": _stepwise, "realtime": _realtime}
    outcomes = await by_mode[options.mode](side, trace, options.pace)
    whats: list[What] = ["open", *map(_what, trace.events)]
    asks = tuple(
        _ask_record(number, what, outcome, then_written)
        for number, (what, outcome, then_written) in enumerate(
            zip(whats, outcomes, continuations(trace), strict=True), start=-1
        )
    )
    totals = (await side.totals()).since(start)
    return Replay(side=name, trace=trace.name, run=run, load_ms=load_ms, asks=asks, totals=totals)


async def _stepwise(side: Side, trace: Trace, pace: float) -> list[Outcome]:
    side.open(trace)
    text, t_ms = trace.text, 0
    outcomes = [await side.ask(text, trace.events[0].at)]
    for event in trace.events:
        await asyncio.sleep(min((event.t_ms - t_ms) / 1000 / pace, MAX_PAUSE_S))
        t_ms = event.t_ms
        text = _do(side, text, event)
        outcomes.append(await side.ask(text, event.cursor_after))
    return outcomes


async def _realtime(side: Side, trace: Trace, pace: float) -> list[Outcome]:
    """The first question, of the file just opened, is waited for: its time is a figure of its own."""
    side.open(trace)
    text = trace.text
    opened = await side.ask(text, trace.events[0].at)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for event in trace.events:
            due_s = event.t_ms / 1000 / pace
            await asyncio.sleep(max(0.0, started + due_s - time.perf_counter()))
            text = _do(side, text, event)
            tasks.append(group.create_task(side.ask(text, event.cursor_after)))
    return [opened, *(task.result() for task in tasks)]


def _do(side: Side, text: str, event: Event) -> str:
    if event.remove or event.insert:
        side.change(text, event)
    return event.apply(text)


def _what(event: Event) -> What:
    return "auto_closed" if event.is_auto_closed else event.kind


def _ask_record(number: int, what: What, outcome: Outcome, then_written: str) -> Ask:
    answer = outcome.answer
    shown = answer.text if outcome.is_answered else ""
    return Ask(
        event=number,
        what=what,
        is_answered=outcome.is_answered,
        by_model=outcome.by_model,
        first_ms=answer.first_ms,
        line_ms=answer.line_ms,
        end_ms=answer.end_ms,
        n_prompt=outcome.n_prompt,
        n_evaluated=outcome.n_evaluated,
        n_generated=outcome.n_generated,
        n_recalled=outcome.n_recalled,
        n_shown=len(shown),
        n_kept=_n_common(shown, then_written),
        stale=outcome.stale,
        plan=outcome.plan,
    )


def continuations(trace: Trace) -> list[str]:
    """For the opening and each event: what was then written at the cursor, until it was put elsewhere."""
    states = [(trace.text, trace.events[0].at)]
    ends, last = [0], 0  # of each state, the last one before the cursor was put elsewhere
    for event in trace.events:
        states.append((event.apply(states[-1][0]), event.cursor_after))
    for number in range(len(states) - 1, 0, -1):
        last = last or number
        ends.insert(1, last)
        if trace.events[number - 1].kind == "jump":
            last = 0
    return [_written(*states[number], *states[end]) for number, end in enumerate(ends)]


def _written(text: str, cursor: int, text_then: str, cursor_then: int) -> str:
    return text_then[cursor:cursor_then] if text_then.startswith(text[:cursor]) else ""


def _n_common(one: str, other: str) -> int:
    return next(
        (n for n, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )


# --- the sides -----------------------------------------------------------------------------------------


class OurSide:
    """stardraft: the real language server, in front of the real daemon."""

    def __init__(self, editor: Editor, client: DaemonClient) -> None:
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
        n_evaluated, n_generated = figures.n_evaluated, figures.n_generated
        if before is not None:
            n_evaluated = status.tokens_evaluated - before.tokens_evaluated
            n_generated = status.tokens_generated - before.tokens_generated + figures.n_recalled
        return Outcome(
            answer=answer,
            by_model=True,
            n_prompt=figures.n_prompt,
            n_evaluated=n_evaluated,
            n_generated=n_generated,
            n_recalled=figures.n_recalled,
            stale=figures.stale,
            plan=figures.kind,
        )

    async def totals(self) -> Totals:
        status: Status = await self._client.status()
        self._seen = status
        return Totals(
            n_evaluated=status.tokens_evaluated,
            n_generated=status.tokens_generated,
            n_evaluated_in_background=status.tokens_evaluated_in_background,
            n_generated_in_background=status.tokens_generated_in_background,
        )


@contextlib.asynccontextmanager
async def _our_side(options: TypingOptions) -> AsyncIterator[tuple[OurSide, ModelInfo]]:
    """stardraft with the model loaded, in a home of its own. All of it has ended afterwards."""
    settings = {
        "STARDRAFT_MODEL_PATH": str(options.model.absolute()),
        "STARDRAFT_COMPLETION_MAX_TOKENS": str(options.max_tokens),
    }
    with isolated_home(settings) as environment:
        async with running_daemon() as client, editing(environment) as editor:
            await editor.until_ready()
            loaded = (await client.status()).model
            if loaded is None:
                raise StardraftError("The model was unloaded at once.", "There may be too little memory.")
            yield OurSide(editor, client), loaded


class PeerSide:
    """llama-server with llama.vim's manner: one request at a time, which is waited for; then the newest."""

    def __init__(self, server: peer.LlamaServer) -> None:
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


# --- figures -------------------------------------------------------------------------------------------


def figures(replays: Iterable[Replay], peers: Iterable[str]) -> Iterator[Figure]:
    """The report's rows, over all traces and runs."""
    sides = (OURS, *peers)
    replays = list(replays)
    rows = {side: _rows([one for one in replays if one.side == side], is_ours=side == OURS) for side in sides}
    for name, unit in rows[OURS]:
        values = {side: rows[side].get((name, unit)) for side in sides}
        ratios = {side: _ratio(values[side], values[OURS]) for side in sides[1:]}
        if any(value is not None for value in values.values()):
            yield Figure(name=name, unit=unit, values=values, ratios=ratios)


Unit = Literal["tokens", "ms", "%"]
Rows = dict[tuple[str, Unit], float | None]


def _rows(replays: list[Replay], *, is_ours: bool) -> Rows:
    asks = [ask for one in replays for ask in one.asks]
    return (
        _evaluated_rows(asks)
        | _background_rows(replays, len(asks))
        | _time_rows([ask for ask in asks if ask.what in ASKED_KEYS])
        | _place_rows(asks)
        | _decoded_rows(replays, asks)
        | _share_rows(asks, is_ours=is_ours)
    )


def _evaluated_rows(asks: list[Ask]) -> Rows:
    rows: Rows = {}
    for group, whats in GROUPS:
        evaluated = [float(ask.n_evaluated) for ask in asks if ask.what in whats and ask.is_answered]
        rows[f"evaluated per {group}, median", "tokens"] = quantile(evaluated, 0.5)
        rows[f"evaluated per {group}, p95", "tokens"] = quantile(evaluated, 0.95)
        if whats == TYPED:
            rows[f"evaluated per {group}, mean", "tokens"] = _mean(evaluated)
    return rows


def _background_rows(replays: list[Replay], n_asks: int) -> Rows:
    """All that was evaluated, whoever waited for it, so that work in the background is not hidden."""
    n_evaluated = sum(one.totals.n_evaluated for one in replays)
    n_background = sum(one.totals.n_evaluated_in_background for one in replays)
    return {
        ("evaluated in all, per event", "tokens"): _share(n_evaluated + n_background, n_asks, 1),
        ("of it in the background", "tokens"): _share(n_background, n_asks, 1),
    }


def _time_rows(keys: list[Ask]) -> Rows:
    answered = [ask for ask in keys if ask.is_answered]
    first = [ask.first_ms for ask in answered if ask.first_ms is not None]
    line = [ask.line_ms for ask in answered]
    by_model = [ask.line_ms for ask in answered if ask.by_model]
    rows: Rows = {
        ("key to first text, p50", "ms"): quantile(first, 0.5),
        ("key to first text, p95", "ms"): quantile(first, 0.95),
        ("key to whole line, p50", "ms"): quantile(line, 0.5),
        ("key to whole line, p95", "ms"): quantile(line, 0.95),
        ("key to whole line by the model, p50", "ms"): quantile(by_model, 0.5),
        ("key to whole line by the model, p95", "ms"): quantile(by_model, 0.95),
    }
    for limit_ms in LIMITS_MS:
        n_in_time = sum(value <= limit_ms for value in line)
        rows[f"keys answered within {limit_ms} ms", "%"] = _share(n_in_time, len(keys))
    return rows


def _place_rows(asks: list[Ask]) -> Rows:
    """Where nothing was prepared by the key before: a file just opened, a jump."""
    opened = [ask for ask in asks if ask.what == "open"]
    first = [ask.first_ms for ask in opened if ask.first_ms is not None]
    jumped = [ask for ask in asks if ask.what == "jump" and ask.is_answered and ask.by_model]
    return {
        ("opening a file to first text, cold", "ms"): quantile(first, 0.5),
        ("opening a file to whole line, cold", "ms"): quantile([ask.line_ms for ask in opened], 0.5),
        ("jump to first text by the model, p50", "ms"): quantile(
            [ask.first_ms for ask in jumped if ask.first_ms is not None], 0.5
        ),
        ("jump to whole line by the model, p50", "ms"): quantile([ask.line_ms for ask in jumped], 0.5),
    }


def _decoded_rows(replays: list[Replay], asks: list[Ask]) -> Rows:
    """Decoded tokens are shown or not; of the shown ones, in proportion to the text, kept or rejected."""
    n_decoded = n_decoded_in(replays)
    shown = [ask for ask in asks if ask.is_answered and ask.by_model and ask.n_shown]
    n_shown = sum(ask.n_generated for ask in shown)
    n_kept = sum(ask.n_generated * ask.n_kept / ask.n_shown for ask in shown)
    return {
        ("decoded, per event", "tokens"): _share(n_decoded, len(asks), 1),
        ("decoded and never shown", "%"): _share(max(0, n_decoded - n_shown), n_decoded),
        ("decoded and thrown away", "%"): _share(max(0.0, n_decoded - n_kept), n_decoded),
    }


def n_decoded_in(replays: list[Replay]) -> int:
    """Tokens that the model decoded, whoever waited for them. What is recalled was decoded before."""
    return sum(one.totals.n_generated + one.totals.n_generated_in_background for one in replays)


def _share_rows(asks: list[Ask], *, is_ours: bool) -> Rows:
    answered = [ask for ask in asks if ask.is_answered]
    made = [ask for ask in answered if ask.by_model]
    n_stale = sum(ask.stale for ask in made)
    return {
        ("answered without the model", "%"): _share(len(answered) - len(made), len(answered)),
        ("superseded before the answer", "%"): _share(len(asks) - len(answered), len(asks)),
        ("plans with slightly old context", "%"): _share(n_stale, len(made)) if is_ours else None,
    }


def quantile(values: list[float], share: float) -> float | None:
    """The smallest value that is not below `share` of all; None of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(part: float, whole: float, unit: float = 100) -> float | None:
    return part / whole * unit if whole else None


def _ratio(peers: float | None, ours: float | None) -> float | None:
    return peers / ours if peers is not None and ours else None


# --- showing -------------------------------------------------------------------------------------------


def render(report: TypingReport) -> RenderableType:
    """The report for a person: one row a figure."""
    sides = list(report.figures[0].values) if report.figures else [OURS]
    table = FittedTable(box=None, pad_edge=False)
    table.add_column("")
    for side in sides:
        table.add_column(side, justify="right")
    for side in sides[1:]:
        table.add_column(f"{side} / ours", justify="right")
    for figure in report.figures:
        values = [_number(figure.values[side], figure.unit) for side in sides]
        ratios = [_times(figure.ratios[side]) for side in sides[1:]]
        table.add_row(figure.name, *values, *ratios)
    return Group(Text(_headline(report)), Text(), table)


def _headline(report: TypingReport) -> str:
    n_events = sum(len(one.asks) for one in report.replays if one.side == OURS and one.run == 0)
    return (
        f"{report.model} on {report.device}, {counted(report.threads, 'thread')}; {report.machine}\n"
        f"{counted(len(report.traces), 'trace')}, {counted(n_events, 'event')}, runs: {report.runs}; "
        f"{report.mode}, "
        f"pace {report.pace:g}"
    )


def _number(value: float | None, unit: Unit) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f} {unit}" if unit != "ms" or value < 10 else f"{value:,.0f} {unit}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.2f}x"
