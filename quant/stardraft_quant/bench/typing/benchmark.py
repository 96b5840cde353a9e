"""The typing replay: what each key costs and how long it takes, here and with llama-server.

Recorded editing (`traces`) is replayed through the real language server and daemon, in a home of its own;
and, if asked for, through a llama-server in llama.vim's manner (`peer`). Each replay starts its processes
afresh, so nothing is cached that its own trace did not bring.

    stepwise  an event comes when the answer to the one before it is there, after the recorded pause;
              the sides take turns event by event
    realtime  events come at their recorded times, whatever is still running; the newest wins;
              the sides take turns trace by trace

How a trace is replayed is in `replay`, on what in `sides`, what it amounts to in `figures`, and what you
are shown in `table`.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from stardraft_quant.bench.typing.figures import Figure, figures, refusals
from stardraft_quant.bench.typing.records import LLAMA_SERVER, OURS, Mode, Replay
from stardraft_quant.bench.typing.replay import Seat, Side, replay_trace
from stardraft_quant.bench.typing.sides import our_side, peer_side
from stardraft_quant.bench.typing.traces import Trace, bundled_traces, load_trace
from stardraftd.console.prose import counted
from stardraftd.errors import RequestError
from stardraftd.processor import machine
from stardraftd.protocol.completion import ModelInfo


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


class TypingReport(Struct, frozen=True, kw_only=True):
    """What `stardraft bench typing --json` prints. refusals: sentences, why a peer has no ratios."""

    model: str
    device: str
    threads: int
    machine: str
    mode: Mode
    pace: float
    runs: int
    traces: tuple[str, ...]
    figures: tuple[Figure, ...]
    refusals: tuple[str, ...]
    replays: tuple[Replay, ...]


def _tell_nobody(_sentence: str) -> None:
    pass


def run_typing(options: TypingOptions, tell: Callable[[str], None] = _tell_nobody) -> TypingReport:
    """Replays every trace on every side. Raises StardraftError. `tell` gets a line before each replay."""
    _check(options)
    traces = tuple(load_trace(path) for path in options.traces or bundled_traces())
    return asyncio.run(_run(options, traces, tell))


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
    replays: list[Replay] = []
    model: ModelInfo | None = None
    for run in range(options.runs):
        for trace in traces:
            made, model = await _replay(options, trace, run, tell)
            replays += made
    assert model is not None  # there is a run, and a trace
    peers = [name for name, _path in options.peers]
    return TypingReport(
        model=model.name,
        device=model.device,
        threads=model.threads,
        machine=machine(),
        mode=options.mode,
        pace=options.pace,
        runs=options.runs,
        traces=tuple(trace.name for trace in traces),
        figures=tuple(figures(replays, peers)),
        refusals=tuple(refusals(replays, peers)),
        replays=tuple(replays),
    )


async def _replay(
    options: TypingOptions, trace: Trace, run: int, tell: Callable[[str], None]
) -> tuple[list[Replay], ModelInfo]:
    """One trace on every side; their processes have ended afterwards."""
    where = f"run {run + 1} of {options.runs}: {trace.name}"
    async with AsyncExitStack() as held:
        tell(f"{where}, loading {OURS}")
        side, model = await held.enter_async_context(our_side(options.model, options.max_tokens))
        seats = [_seat(side, held)]
        for name, executable in options.peers:
            tell(f"{where}, loading {name}")
            other = await held.enter_async_context(
                peer_side(executable, options.model, model, options.max_tokens, greedy=options.greedy_peer)
            )
            seats.append(_seat(other, held))
        tell(where)
        return await replay_trace(seats, trace, options.mode, options.pace, run), model


def _seat(side: Side, held: AsyncExitStack) -> Seat:
    seat = Seat(side)
    held.callback(seat.leave)
    return seat
