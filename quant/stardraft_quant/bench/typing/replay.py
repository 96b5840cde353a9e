"""Replaying a trace on several sides: each event is an edit, and a question that is answered or superseded.

Stepwise, the sides take turns event by event, so whatever else the computer does falls on all of them alike;
the processes of those whose turn it is not are suspended, so that none works at another's expense. In real
time a side has the whole trace to itself, for events come whatever is still running.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import psutil
from msgspec import Struct

from stardraft_quant.bench.contention import Load
from stardraft_quant.bench.typing.editor import Answer
from stardraft_quant.bench.typing.records import Ask, Mode, Replay, Totals, What
from stardraft_quant.bench.typing.traces import Event, Trace
from stardraft_quant.shared.prefixes import common_prefix

MAX_PAUSE_S = 2.0


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
    """What is measured. `ask` may be called while another one runs; the newest wins.

    name: as the report has it. pids: all its processes. workers: those of them that compute.
    """

    name: str
    pids: tuple[int, ...]
    workers: tuple[int, ...]
    load_ms: float

    def open(self, trace: Trace) -> None: ...

    def change(self, text: str, event: Event) -> None:
        """The event changes `text`, which is the file before it."""
        ...

    async def ask(self, text: str, cursor: int) -> Outcome: ...

    async def totals(self) -> Totals: ...


class Seat:
    """A side at the table: it is suspended whenever it is not its turn.

    Invariant: between two turns its workers are suspended; after `leave` they run, or are gone.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.load = Load(side.pids)
        self.outcomes: list[Outcome] = []
        self._workers = [psutil.Process(pid) for pid in side.workers]
        self._suspend()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        self.leave()
        with self.load.watched():
            yield
        self._suspend()

    def leave(self) -> None:
        for worker in self._workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()

    def _suspend(self) -> None:
        for worker in self._workers:
            with contextlib.suppress(psutil.NoSuchProcess):  # whoever asks it next is told why
                worker.suspend()


async def replay_trace(
    seats: Sequence[Seat], trace: Trace, mode: Mode, pace: float, run: int
) -> list[Replay]:
    """The trace on every side, from a file just opened to its last event. Raises StardraftError."""
    starts = [await seat.side.totals() for seat in seats]
    if mode == "stepwise":
        await _stepwise(seats, trace, pace)
    else:
        for seat in seats:
            with seat.turn():
                seat.outcomes = await _realtime(seat.side, trace, pace)
    return [
        Replay(
            side=seat.side.name,
            trace=trace.name,
            run=run,
            load_ms=seat.side.load_ms,
            busy_cores=seat.load.busy_cores,
            asks=_records(trace, seat.outcomes),
            totals=(await seat.side.totals()).since(start),
        )
        for seat, start in zip(seats, starts, strict=True)
    ]


async def _stepwise(seats: Sequence[Seat], trace: Trace, pace: float) -> None:
    text, t_ms = trace.text, 0
    for seat in seats:
        with seat.turn():
            seat.side.open(trace)
            seat.outcomes = [await seat.side.ask(text, trace.events[0].at)]
    for number, event in enumerate(trace.events):
        pause_s = min((event.t_ms - t_ms) / 1000 / pace, MAX_PAUSE_S)
        for seat in seats if number % 2 else reversed(seats):
            with seat.turn():
                await asyncio.sleep(pause_s)
                after = _do(seat.side, text, event)
                seat.outcomes.append(await seat.side.ask(after, event.cursor_after))
        text, t_ms = event.apply(text), event.t_ms


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


def _records(trace: Trace, outcomes: Sequence[Outcome]) -> tuple[Ask, ...]:
    whats: list[What] = ["open", *map(_what, trace.events)]
    return tuple(
        _ask_record(number, what, outcome, then_written)
        for number, (what, outcome, then_written) in enumerate(
            zip(whats, outcomes, continuations(trace), strict=True), start=-1
        )
    )


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
        n_kept=common_prefix(shown, then_written),
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
