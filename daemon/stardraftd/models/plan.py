"""What fits here: every model, quantization, context and place that is asked about, graded, and one advised.

Plain arithmetic over `memory` (what is needed), `room` (what is there) and `pace` (how fast). Nothing is
downloaded, loaded or shown here.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from stardraftd.models.catalogue import SHAPES, Shape, shape_of
from stardraftd.models.hardware import Capacity
from stardraftd.models.memory import (
    HEADER_BYTES,
    QUANTIZATIONS,
    KvType,
    Need,
    Quantization,
    Weights,
    cells,
    kv_bytes_per_token,
    n_parameters,
    need,
    weights,
    weights_of,
)
from stardraftd.models.throughput import DEPTH_TOKENS, Measured, Pace, bound, measured_pace

Grade = Literal["fits well", "tight", "does not fit"]
Placement = Literal["CPU", "GPU", "split"]
KeyCost = Literal["a token", "the prompt"]

CONTEXTS = (2048, 4096, 8192, 16384)
DEFAULT_CONTEXT = 8192

# Of the memory that is free now. Above the first share, an editor that opens a large project may make the
# computer swap, or a browser take the GPU's last room; above the second, loading is likely to fail.
FITS_WELL = 0.80
TIGHT = 0.95

# A line's middle is about ten tokens: 25 tokens/s write it in less than half a second.
WANTED_TOKENS_PER_S = 25.0
# What engines reach of the bound, by measurement (docs/models.md).
REACHED_OF_BOUND = 0.7
# F16 is the source that others are made of: twice Q8_0's bytes, with no better completions.
ADVISED: tuple[str, ...] = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")
# A toy such as the built-in model is always fast; it is advised only where nothing else is asked about.
TOY_PARAMETERS = 100_000_000


class Candidate(Struct, frozen=True):
    """A model in a quantization. `path` is "" for one that would have to be downloaded."""

    model: str
    quantization: str
    shape: Shape
    weights: Weights
    n_parameters: int
    file_bytes: int
    path: str = ""
    mixture_of_experts: bool = False
    can_cut: bool = True


class Row(Struct, frozen=True, kw_only=True):
    """One way to run one candidate. gpu_layers counts as model.gpu_layers does; -1 is all.

    expected_tokens_per_s: what to count on: a measurement as it is, of a bound the share that a measured
    model reaches here, or else that engines usually reach; 0 when nothing is known.
    a_key_costs: what is evaluated for a key that you type, with all else in the cache.
    """

    model: str
    quantization: str
    path: str
    n_parameters: int
    file_bytes: int
    context_tokens: int
    kv_type: KvType
    placement: Placement
    gpu_layers: int
    layers: int
    need: Need
    ram_bytes: int
    vram_bytes: int
    grade: Grade
    short_of: Literal["", "RAM", "VRAM"]
    pace: Pace | None
    expected_tokens_per_s: float = 0.0
    a_key_costs: KeyCost = "a token"


class Plan(Struct, frozen=True, kw_only=True):
    """The answer. `advised` is an index into `rows`, None when nothing fits; `command` is how to get it."""

    room: Capacity
    rows: tuple[Row, ...]
    advised: int | None
    reason: str
    command: str
    depth_tokens: int = DEPTH_TOKENS
    ram_bytes_per_s: float | None = None
    vram_bytes_per_s: float | None = None
    busy: bool = False


# --- candidates --------------------------------------------------------------------------------------


def published(names: Sequence[str] = tuple(SHAPES)) -> Iterator[Candidate]:
    """The StarCoder2 models of these names, in every quantization."""
    for name in names:
        shape = SHAPES[name]
        for quantization in QUANTIZATIONS:
            yield candidate(shape, quantization)


def candidate(shape: Shape, quantization: Quantization) -> Candidate:
    found = weights(shape, quantization)
    n = n_parameters(shape)
    return Candidate(shape.name, quantization, shape, found, n, found.total_bytes + HEADER_BYTES)


def local(path: Path) -> Candidate:
    """A GGUF that is here. Raises ModelError when it cannot be used."""
    from stardraftd.gguf.reading import read_header

    header = read_header(path)
    return Candidate(
        model=header.name or path.stem,
        quantization=header.file_type,
        shape=shape_of(header, header.name or path.stem),
        weights=weights_of(header.n_layers, header.tensors),
        n_parameters=sum(prod(tensor.shape) for tensor in header.tensors),
        file_bytes=header.file_size_bytes,
        path=str(path),
        mixture_of_experts=any("_exps." in tensor.name for tensor in header.tensors),
        can_cut=not header.is_recurrent,
    )


# --- rows --------------------------------------------------------------------------------------------


class Speeds(Struct, frozen=True):
    """What is known of speed: the engine's measurements, and how fast memory is read (None: not known).

    busy: other programs were at work when the computer's memory was timed, so it may be faster.
    """

    measured: tuple[Measured, ...] = ()
    ram_bytes_per_s: float | None = None
    vram_bytes_per_s: float | None = None
    busy: bool = False


def rows(
    candidates: Sequence[Candidate],
    room: Capacity,
    speeds: Speeds,
    *,
    contexts: Sequence[int] = (DEFAULT_CONTEXT,),
    kv_types: Sequence[KvType] = ("f16",),
    every_placement: bool = False,
) -> list[Row]:
    """The rows of all candidates; for each context and cache type the best placement, or all of them.

    The best is the first that fits of: all layers on the GPU, as many as fit well there, the CPU alone.
    """
    found: list[Row] = []
    for one in candidates:
        for context_tokens in contexts:
            for kv_type in kv_types:
                placed = [
                    _row(one, room, speeds, context_tokens, kv_type, layers)
                    for layers in _gpu_layers(one, room, context_tokens, kv_type)
                ]
                if every_placement:
                    found += placed
                else:
                    found.append(next((row for row in placed if row.grade != "does not fit"), placed[-1]))
    return _with_expectations(found, candidates, speeds)


def _with_expectations(found: Sequence[Row], candidates: Sequence[Candidate], speeds: Speeds) -> list[Row]:
    """Bounds and measurements are set against each other only when both are expectations.

    What a measured model reaches of its own bound is what others are expected to reach of theirs.
    """
    by_name = {(one.model, one.quantization): one for one in candidates}
    reached: dict[Placement, list[float]] = {}
    for row in found:
        one = by_name[row.model, row.quantization]
        if row.pace is not None and row.pace.source == "measured":
            possible = _bound(one, row.need, speeds, row.context_tokens, row.kv_type)
            if possible is not None:
                share = min(row.pace.tokens_per_s / possible.tokens_per_s, 1.0)
                reached.setdefault(row.placement, []).append(share)
    expected: list[Row] = []
    for row in found:
        tokens_per_s = row.pace.tokens_per_s if row.pace is not None else 0.0
        if row.pace is not None and row.pace.source == "bound":
            shares = reached.get(row.placement)
            tokens_per_s *= statistics.median(shares) if shares else REACHED_OF_BOUND
        expected.append(msgspec.structs.replace(row, expected_tokens_per_s=tokens_per_s))
    return expected


def _gpu_layers(one: Candidate, room: Capacity, context_tokens: int, kv_type: KvType) -> Iterator[int]:
    """Numbers of layers on the GPU to look at, the fastest first. All is one more than there are layers."""
    whole = one.shape.layers + 1
    if room.gpus:
        yield whole
        if not room.unified:  # there a split saves nothing

            def vram(layers: int) -> int:
                return _need(one, room, context_tokens, kv_type, layers).vram_bytes

            part = greatest_that(lambda n: vram(n) <= FITS_WELL * room.vram_free_bytes, 1, whole - 1)
            if part:
                yield part
    yield 0


def greatest_that(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The greatest number from `low` to `high` for which `holds`, which is true up to some number; else 0."""
    best = 0
    while low <= high:
        middle = (low + high) // 2
        if holds(middle):
            best, low = middle, middle + 1
        else:
            high = middle - 1
    return best


def _need(one: Candidate, room: Capacity, context_tokens: int, kv_type: KvType, gpu_layers: int) -> Need:
    return need(
        one.shape,
        one.weights,
        context_tokens=context_tokens,
        kv_type=kv_type,
        gpu_layers=gpu_layers,
        n_gpus=max(len(room.gpus), 1),
    )


def _row(  # noqa: PLR0917 - what makes a row a row
    one: Candidate, room: Capacity, speeds: Speeds, context_tokens: int, kv_type: KvType, gpu_layers: int
) -> Row:
    needed = _need(one, room, context_tokens, kv_type, gpu_layers)
    whole = one.shape.layers + 1
    grade, short_of = graded(needed, room)
    pace = measured_pace(
        speeds.measured,
        file_bytes=one.file_bytes,
        kv_type=kv_type,
        gpu_layers=gpu_layers,
        layers=one.shape.layers,
    ) or _bound(one, needed, speeds, context_tokens, kv_type)
    return Row(
        model=one.model,
        quantization=one.quantization,
        path=one.path,
        n_parameters=one.n_parameters,
        file_bytes=one.file_bytes,
        context_tokens=context_tokens,
        kv_type=kv_type,
        placement="CPU" if not gpu_layers else "GPU" if gpu_layers == whole else "split",
        gpu_layers=-1 if gpu_layers == whole else gpu_layers,
        layers=one.shape.layers,
        need=needed,
        ram_bytes=needed.ram_bytes,
        vram_bytes=needed.vram_bytes,
        grade=grade,
        short_of=short_of,
        pace=pace,
        a_key_costs="a token" if one.can_cut else "the prompt",
    )


def graded(needed: Need, room: Capacity) -> tuple[Grade, Literal["", "RAM", "VRAM"]]:
    """The worse of the two memories' grades, and which of them is short if one is.

    Where a GPU shares the computer's memory, what is put on it is taken from that as well.
    """
    ram = needed.ram_bytes + (needed.vram_bytes if room.unified else 0)
    ram_share = _share(ram, room.ram_free_bytes)
    vram_share = _share(needed.vram_bytes, room.vram_free_bytes)
    share = max(ram_share, vram_share)
    if share <= FITS_WELL:
        return "fits well", ""
    return ("tight" if share <= TIGHT else "does not fit"), "RAM" if ram_share >= vram_share else "VRAM"


def _share(needed_bytes: int, free_bytes: int) -> float:
    if needed_bytes == 0:
        return 0.0
    return needed_bytes / free_bytes if free_bytes else float("inf")


def _bound(one: Candidate, needed: Need, speeds: Speeds, context_tokens: int, kv_type: KvType) -> Pace | None:
    if one.mixture_of_experts:
        return None  # a token reads some of the experts, and the header does not tell which share
    depth = min(DEPTH_TOKENS, cells(context_tokens))
    kv = kv_bytes_per_token(one.shape, kv_type) * depth
    vram_part = needed.kv_vram_bytes / needed.kv_bytes if needed.kv_bytes else 0.0
    # The embedding stays behind in RAM when all layers go; there it is only looked up.
    vram_weights = min(needed.weights_vram_bytes, one.weights.read_per_token_bytes)
    return bound(
        ram_bytes=one.weights.read_per_token_bytes - vram_weights + kv * (1 - vram_part),
        vram_bytes=vram_weights + kv * vram_part,
        ram_bytes_per_s=speeds.ram_bytes_per_s,
        vram_bytes_per_s=speeds.vram_bytes_per_s,
    )


# --- advice ------------------------------------------------------------------------------------------


def advise(found: Sequence[Row], room: Capacity) -> tuple[int | None, str]:
    """Which row to take, and why in one or two sentences; None when nothing fits.

    Of what fits well (else of what is tight), at the first row's kind of cache if that fits at all: the
    largest model that is expected to write fast enough, in its most exact quantization that does. If none
    is fast enough, the fastest.
    """
    usable = [row for row in found if row.path or row.quantization in ADVISED]
    usable = [row for row in usable if row.n_parameters > TOY_PARAMETERS] or usable
    for grade in ("fits well", "tight"):
        fitting = [row for row in usable if row.grade == grade]
        if fitting:
            break
    else:
        return None, _nothing(usable, room)
    fitting = _like_default(fitting)
    fast = [row for row in fitting if row.expected_tokens_per_s >= WANTED_TOKENS_PER_S]
    if fast:
        best = max(fast, key=lambda row: (row.n_parameters, row.file_bytes, row.expected_tokens_per_s))
        reason = (
            f"The largest that fits well and is expected to write {WANTED_TOKENS_PER_S:.0f} tokens a second "
            "or more."
            if grade == "fits well"
            else f"Memory is tight; of what fits, the largest that is expected to write "
            f"{WANTED_TOKENS_PER_S:.0f} tokens a second or more."
        )
    else:
        best = max(fitting, key=lambda row: (row.expected_tokens_per_s, -row.file_bytes))
        alone = len({(row.model, row.quantization) for row in fitting}) == 1
        reason = (
            "The only one that fits."
            if alone
            else "The fastest that fits. No choice is expected to reach "
            f"{WANTED_TOKENS_PER_S:.0f} tokens a second here, and all others are slower."
            if best.pace
            else "The smallest that fits; how fast it is here is not known."
        )
    return found.index(best), reason


def _like_default(fitting: Sequence[Row]) -> list[Row]:
    """The rows with the default context, or else the greatest one below, or the least above; f16 first."""
    contexts = {row.context_tokens for row in fitting}
    below = [n for n in contexts if n <= DEFAULT_CONTEXT]
    context_tokens = max(below) if below else min(contexts)
    same = [row for row in fitting if row.context_tokens == context_tokens]
    plain = [row for row in same if row.kv_type == "f16"]
    return plain or same


def _nothing(usable: Sequence[Row], room: Capacity) -> str:
    if not usable:
        return "No quantization that could be advised was asked about."
    least = min(usable, key=lambda row: row.ram_bytes + row.vram_bytes)
    needed = (least.ram_bytes + least.vram_bytes) / 1e9
    return (
        f"Nothing fits: the least, {least.model} in {least.quantization}, needs {needed:.1f} GB, and "
        f"{room.ram_free_bytes / 1e9:.1f} GB of memory are free. Close some programs, try a smaller "
        "--context, or stay with the built-in model."
    )


def command(row: Row) -> str:
    """What to type to have it, with the settings that differ from the defaults."""
    import shlex

    if row.path:
        words = ["stardraft", "model", "use", row.path]
    else:
        words = ["stardraft", "model", "pull", row.model, "--quant", row.quantization, "--use"]
    return shlex.join(words)


def settings(row: Row) -> list[str]:
    """Settings of the configuration that this row has and the defaults have not."""
    found = []
    if row.context_tokens != DEFAULT_CONTEXT:
        found.append(f"model.context_tokens = {row.context_tokens}")
    if row.kv_type != "f16":
        found.append(f'model.kv_type = "{row.kv_type}"')
    if row.placement == "split":
        found.append(f"model.gpu_layers = {row.gpu_layers}")
    return found


def plan(found: Sequence[Row], room: Capacity, speeds: Speeds) -> Plan:
    """The rows with the advice."""
    advised, reason = advise(found, room)
    return Plan(
        room=room,
        rows=tuple(found),
        advised=advised,
        reason=reason,
        command=command(found[advised]) if advised is not None else "",
        busy=speeds.busy,
        ram_bytes_per_s=speeds.ram_bytes_per_s,
        vram_bytes_per_s=speeds.vram_bytes_per_s,
    )
