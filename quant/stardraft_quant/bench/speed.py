"""How fast the engine decodes here: against depth, against batch size, and what Python adds to a token.

The model is loaded as the engine loads it, in a process of its own (`measuring`). Machines are noisy: all
figures are medians with their spread, and with a peer the two take turns at each depth, so that what else
the machine does falls on both.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct

from stardraft_quant.bench.contention import watch_others
from stardraft_quant.bench.llama_bench import BenchSettings, FlashAttention, LlamaBench, Measured
from stardraft_quant.bench.measuring import Decode, Prefill, Ready
from stardraft_quant.bench.speed_process import Measurer
from stardraftd import __version__
from stardraftd.console.prose import counted
from stardraftd.engine.plan.speeds import SpeedModel, remember
from stardraftd.errors import EngineError, ModelNotFoundError, RequestError
from stardraftd.measurements import SPEEDS_FILE, Key
from stardraftd.processor import machine
from stardraftd.protocol.engine import EngineSettings

DEFAULT_DEPTHS = (0, 256, 1024, 2048)
N_PREFILLS = (512, 64)
BATCHES = (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512)
N_DECODED = 32
ROOM = max(*N_PREFILLS, *BATCHES, N_DECODED)  # what is measured behind the depth, in tokens

N_TIMES = 15
BUDGET_MS = 1500.0  # no repetition begins later than this: one that takes long needs fewer
PEER = "llama-bench"

Tell = Callable[[str], None]


class SpeedOptions(Struct, frozen=True, kw_only=True):
    """What is measured.

    depths:     tokens in the cache; none is those of DEFAULT_DEPTHS that fit.
    threads:    0 is the number of physical cores.
    gpu_layers: -1 is all.
    runs:       how often each depth is measured, taking turns with the peer.
    peer:       a llama-bench to compare with.
    remember_in: the folder of the engine's speeds, where `stardraft model plan` finds them; None is nowhere.
    """

    model: Path
    depths: tuple[int, ...] = ()
    threads: int = 0
    gpu_layers: int = -1
    context_tokens: int = 8192
    runs: int = 2
    peer: Path | None = None
    remember_in: Path | None = None


class Spread(Struct, frozen=True, kw_only=True):
    """The median of `n` measurements, the least and the greatest."""

    median: float
    least: float
    greatest: float
    n: int


class PrefillSpeed(Struct, frozen=True, kw_only=True):
    n_tokens: int
    tokens_per_s: Spread


class DepthSpeed(Struct, frozen=True, kw_only=True):
    """One side's speed behind `depth` tokens."""

    depth: int
    prefill: tuple[PrefillSpeed, ...]
    decode_tokens_per_s: Spread


class Overhead(Struct, frozen=True, kw_only=True):
    """What the loop around `llama_decode` adds to each decoded token: the batch, the choice of the token.

    percent: of `decode_ms`, the median time inside `llama_decode`.
    """

    depth: int
    decode_ms: float
    python_ms: Spread
    percent: float


class BatchCost(Struct, frozen=True, kw_only=True):
    """One decode of `n_tokens` in an empty cache."""

    n_tokens: int
    ms: Spread


class Memory(Struct, frozen=True, kw_only=True):
    """Resident memory of the measuring process at the end.

    started_bytes: of it, what was there before the model: Python and the libraries.
    beyond_bytes:  without weights and KV cache; None with layers on a GPU, which has those.
    """

    resident_bytes: int
    weights_bytes: int
    kv_bytes: int
    started_bytes: int
    beyond_bytes: int | None


class Ratio(Struct, frozen=True, kw_only=True):
    """Our speed over the peer's, of the runs that followed each other. n_tokens: 0 is decoding."""

    depth: int
    n_tokens: int
    ours_to_theirs: Spread


class Peer(Struct, frozen=True, kw_only=True):
    name: str
    build: str
    depths: tuple[DepthSpeed, ...]
    ratios: tuple[Ratio, ...]


class SpeedReport(Struct, frozen=True, kw_only=True):
    """What `stardraft bench speed --json` prints.

    description: the model's architecture, size and type, as llama.cpp names them.
    busy_cores:  how many cores other programs kept busy meanwhile, on average. They make figures too low.
    """

    version: str
    model: str
    path: str
    description: str
    size_bytes: int
    n_parameters: int
    device: str
    gpu_layers: int
    layers: int
    threads: int
    context_tokens: int
    batch_tokens: int
    kv_type: str
    flash_attention: FlashAttention
    system_info: str
    machine: str
    busy_cores: float
    load_ms: float
    runs: int
    depths: tuple[DepthSpeed, ...]
    overheads: tuple[Overhead, ...]
    batches: tuple[BatchCost, ...]
    memory: Memory
    peer: Peer | None = None
    warnings: tuple[str, ...] = ()


class Turn(Struct, frozen=True, kw_only=True):
    """One side's turn at one depth: tokens per second of each repetition, by batch; 0 is decoding."""

    tokens_per_s: dict[int, tuple[float, ...]]


class OurTurn(Turn, frozen=True, kw_only=True):
    """With the milliseconds of each decoded token: inside `llama_decode`, and around it."""

    native_ms: tuple[float, ...]
    python_ms: tuple[float, ...]


# --- the measurement -------------------------------------------------------------------------------------


def _tell_nobody(_sentence: str) -> None:
    pass


def run_speed(options: SpeedOptions, tell: Tell = _tell_nobody) -> SpeedReport:
    """Measures; minutes with a large model. Raises StardraftError. `tell` gets a line before each step."""
    if not options.model.is_file():
        raise ModelNotFoundError(
            f"There is no model file at {options.model}.", "Give the path of a GGUF file, or built-in."
        )
    llama_bench = LlamaBench(options.peer) if options.peer is not None else None
    settings = EngineSettings(
        model_path=str(options.model),
        gpu_layers=options.gpu_layers,
        context_tokens=options.context_tokens,
        threads=options.threads,
    )
    with Measurer(settings, lambda fraction: tell(f"loading the model, {fraction:.0%}")) as measurer:
        ready = measurer.ready
        n_busy_cores = watch_others(measurer.pid)
        depths = fitting_depths(options.depths, ready)
        ours: dict[int, list[OurTurn]] = {depth: [] for depth in depths}
        theirs: dict[int, list[Turn]] = {depth: [] for depth in depths}
        build = ""
        for depth in depths:
            for run in range(options.runs):
                where = f"depth {depth:,}, run {run + 1} of {options.runs}"
                tell(f"{where}: stardraft")
                ours[depth].append(_our_turn(measurer, depth))
                if llama_bench is not None:
                    tell(f"{where}: {PEER}")
                    n_times = min(map(len, ours[depth][-1].tokens_per_s.values()))
                    turn, build = _their_turn(llama_bench, _peer_settings(settings, ready), depth, n_times)
                    theirs[depth].append(turn)
        tell("batch sizes")
        batches = tuple(_batch_cost(measurer, n) for n in BATCHES if n <= ready.n_batch)
        memory = _memory(ready, measurer.resident_bytes())
        busy_cores = n_busy_cores()
    depth_speeds = _depth_speeds(ours)
    if options.remember_in is not None:
        speeds = SpeedModel([(batch.n_tokens, batch.ms.median) for batch in batches], _cell_us(depth_speeds))
        remember(options.remember_in / SPEEDS_FILE, Key.of(ready.info, settings).text, speeds)
    return SpeedReport(
        version=__version__,
        model=ready.info.name,
        path=ready.info.path,
        description=ready.description,
        size_bytes=ready.info.size_bytes,
        n_parameters=ready.info.n_parameters,
        device=ready.info.device,
        gpu_layers=ready.info.gpu_layers,
        layers=ready.info.layers,
        threads=ready.info.threads,
        context_tokens=ready.info.context_tokens,
        batch_tokens=ready.n_batch,
        kv_type=settings.kv_type,
        flash_attention=ready.info.flash_attention,
        system_info=ready.info.system_info,
        machine=machine(),
        busy_cores=busy_cores,
        load_ms=ready.info.load_ms,
        runs=options.runs,
        depths=depth_speeds,
        overheads=tuple(_overhead(depth, turns) for depth, turns in ours.items()),
        batches=batches,
        memory=memory,
        peer=_peer(build, ours, theirs) if llama_bench is not None else None,
        warnings=ready.warnings,
    )


def _cell_us(depths: Sequence[DepthSpeed]) -> float | None:
    """What each token in the cache adds to one token's time; None when one depth was measured, or nothing."""
    first, last = depths[0], depths[-1]
    if first.depth == last.depth:
        return None
    rise_ms = 1000 / last.decode_tokens_per_s.median - 1000 / first.decode_tokens_per_s.median
    return max(rise_ms, 0.0) * 1000 / (last.depth - first.depth) or None


def fitting_depths(asked: Sequence[int], ready: Ready) -> tuple[int, ...]:
    """The depths to measure, ascending. Raises RequestError when one that was asked for does not fit."""
    window, cells = ready.info.n_context_trained, ready.info.context_tokens
    greatest = min(window, cells) - ROOM
    if greatest < 0:
        raise RequestError(
            f"{ROOM} tokens are decoded at once, and there is room for {min(window, cells):,}.",
            f"Give --context-tokens {ROOM} or more."
            if cells < ROOM
            else "Measure a model with a larger window.",
        )
    too_deep = [depth for depth in asked if depth > greatest]
    if too_deep:
        limit, hint = f"the model's window has {counted(window, 'token')}", ""
        if cells < window:
            limit, hint = f"the KV cache has {counted(cells, 'token')}", ", or more --context-tokens"
        raise RequestError(
            f"A depth of {too_deep[0]:,} and {ROOM} tokens to measure after it do not fit: {limit}.",
            f"Give --depths of at most {greatest:,}{hint}.",
        )
    return tuple(sorted(set(asked or (depth for depth in DEFAULT_DEPTHS if depth <= greatest))))


def _our_turn(measurer: Measurer, depth: int) -> OurTurn:
    tokens_per_s = {
        n: _speeds(
            n,
            measurer.prefill_ms(Prefill(depth=depth, n_tokens=n, n_times=N_TIMES, budget_ms=BUDGET_MS)),
        )
        for n in N_PREFILLS
    }
    decoded = measurer.decode_ms(
        Decode(depth=depth, n_tokens=N_DECODED, n_times=N_TIMES, budget_ms=BUDGET_MS)
    )
    tokens_per_s[0] = _speeds(N_DECODED, [sum(times) for times in decoded.token_ms])
    native_ms = tuple(ms for times in decoded.native_ms for ms in times)
    whole_ms = (ms for times in decoded.token_ms for ms in times)
    return OurTurn(
        tokens_per_s=tokens_per_s,
        native_ms=native_ms,
        python_ms=tuple(whole - native for whole, native in zip(whole_ms, native_ms, strict=True)),
    )


def _speeds(n_tokens: int, times_ms: Sequence[float]) -> tuple[float, ...]:
    return tuple(n_tokens * 1000 / ms for ms in times_ms)


def _their_turn(
    llama_bench: LlamaBench, settings: BenchSettings, depth: int, n_times: int
) -> tuple[Turn, str]:
    """What llama-bench measured, and of which build it is."""
    tests = llama_bench.measure(settings, depth=depth, n_prompts=N_PREFILLS, n_gen=N_DECODED, n_times=n_times)
    turn = Turn(tokens_per_s={one.n_prompt: one.samples_ts for one in tests if one.samples_ts})
    if set(turn.tokens_per_s) != {*N_PREFILLS, 0}:
        raise EngineError(
            f"{PEER} measured other tests than it was asked for: {sorted(turn.tokens_per_s)}.",
            "Give --against another version of it.",
        )
    return turn, _build(tests[0])


def _build(test: Measured) -> str:
    return f"{test.build_commit} ({test.build_number})" if test.build_number else test.build_commit


def _peer_settings(settings: EngineSettings, ready: Ready) -> BenchSettings:
    """As the model was really loaded, whatever had been asked for."""
    return BenchSettings(
        model=Path(settings.model_path),
        threads=ready.info.threads,
        n_batch=ready.n_batch,
        kv_type=settings.kv_type,
        flash_attention=ready.info.flash_attention,
        gpu_layers=settings.gpu_layers if ready.info.gpu_layers else 0,
    )


def _batch_cost(measurer: Measurer, n_tokens: int) -> BatchCost:
    question = Prefill(depth=0, n_tokens=n_tokens, n_times=N_TIMES, budget_ms=BUDGET_MS)
    return BatchCost(n_tokens=n_tokens, ms=spread(measurer.prefill_ms(question)))


def _memory(ready: Ready, resident_bytes: int) -> Memory:
    held_bytes = ready.weights_bytes + ready.info.kv_bytes
    return Memory(
        resident_bytes=resident_bytes,
        weights_bytes=ready.weights_bytes,
        kv_bytes=ready.info.kv_bytes,
        started_bytes=ready.started_bytes,
        beyond_bytes=None if ready.info.gpu_layers else resident_bytes - held_bytes,
    )


# --- what it amounts to ----------------------------------------------------------------------------------


def spread(values: Sequence[float]) -> Spread:
    return Spread(median=median(values), least=min(values), greatest=max(values), n=len(values))


def _depth_speeds(turns: "dict[int, list[OurTurn]] | dict[int, list[Turn]]") -> tuple[DepthSpeed, ...]:
    return tuple(
        DepthSpeed(
            depth=depth,
            prefill=tuple(PrefillSpeed(n_tokens=n, tokens_per_s=_over(taken, n)) for n in N_PREFILLS),
            decode_tokens_per_s=_over(taken, 0),
        )
        for depth, taken in turns.items()
    )


def _over(turns: Sequence[Turn], n_tokens: int) -> Spread:
    return spread([speed for turn in turns for speed in turn.tokens_per_s[n_tokens]])


def _overhead(depth: int, turns: Sequence[OurTurn]) -> Overhead:
    python_ms = spread([ms for turn in turns for ms in turn.python_ms])
    decode_ms = median(ms for turn in turns for ms in turn.native_ms)
    return Overhead(
        depth=depth,
        decode_ms=decode_ms,
        python_ms=python_ms,
        percent=python_ms.median * 100 / decode_ms,
    )


def _peer(build: str, ours: dict[int, list[OurTurn]], theirs: dict[int, list[Turn]]) -> Peer:
    return Peer(
        name=PEER,
        build=build,
        depths=_depth_speeds(theirs),
        ratios=tuple(
            Ratio(depth=depth, n_tokens=n, ours_to_theirs=_ratio(ours[depth], theirs[depth], n))
            for depth in ours
            for n in (*N_PREFILLS, 0)
        ),
    )


def _ratio(ours: Sequence[Turn], theirs: Sequence[Turn], n_tokens: int) -> Spread:
    return spread(
        [
            median(we.tokens_per_s[n_tokens]) / median(they.tokens_per_s[n_tokens])
            for we, they in zip(ours, theirs, strict=True)
        ]
    )
