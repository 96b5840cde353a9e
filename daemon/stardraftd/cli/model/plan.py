"""`stardraft model plan`: what fits here, before any download. What is counted and how is in `models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.output.errors import FAILED
from stardraftd.cli.shell_words import published_models
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from stardraftd.cli.checks.facts import Device, Facts
    from stardraftd.models.hardware import Capacity, Gpu
    from stardraftd.models.plan import Candidate, Plan, Row, Speeds
    from stardraftd.protocol.http import Status

EXAMPLES = examples(
    "stardraft model plan                                    every StarCoder2, at 8,192 tokens of context",
    "stardraft model plan --model starcoder2-3b --all        each context, cache type and placement",
    "stardraft model plan --model ~/models/other.gguf --context 32768 --kv q8_0",
    "stardraft model plan --json | jq '.rows[.advised]'",
)

_STYLES = {"fits well": "green", "tight": "yellow", "does not fit": "dim"}
_GB = 1e9
# So much of the processors in use by others makes a timing of the memory too low.
BUSY = 0.15


def plan(
    *,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME|PATH",
            autocompletion=published_models,
            help="Only this model: starcoder2-3b, starcoder2-7b, starcoder2-15b, or a GGUF file. "
            "Can be repeated.",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            "--context",
            metavar="N",
            min=256,
            max=1_048_576,
            help="Size of the KV cache in tokens, shared by all open documents. 8192 by default.",
            show_default=False,
        ),
    ] = None,
    kv: Annotated[
        Literal["f16", "q8_0"] | None,
        typer.Option(
            "--kv",
            help="How the KV cache is stored: f16 (the default), or q8_0 in about half of the memory.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Every context (2048 to 16384), cache type and placement, not only the usual ones.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """See which model fits here, and how fast it can be.

    For each model and quantization: the file, the memory for it, for its KV cache and for the buffers to
    compute in, against what is free now; and the one to take, with the reason. Nothing is downloaded. What
    a running engine holds counts as free, for another model would replace it.

    The speed is "measured here" where that model was measured on this computer (an engine does it when it
    loads one; `stardraft bench speed --synthetic starcoder2-3b` does it before a download), and otherwise a
    bound: each token reads all weights from memory once. It says which share of that to expect.

    The exit code is 1 when nothing fits.
    """
    from stardraftd.cli.checks.facts import Facts
    from stardraftd.models import plan as planning
    from stardraftd.models.memory import KV_TYPES

    candidates = _candidates(models)
    facts = Facts()
    room = _room(facts)
    speeds = _speeds(facts, room)
    contexts = (context,) if context else planning.CONTEXTS if everything else (planning.DEFAULT_CONTEXT,)
    found = planning.rows(
        candidates,
        room,
        speeds,
        contexts=contexts,
        kv_types=(kv,) if kv else KV_TYPES if everything else ("f16",),
        every_placement=everything,
    )
    result = planning.plan(found, room, speeds)
    if json:
        import msgspec

        from stardraftd.cli.output.terminal import raw_out

        raw_out().write(msgspec.json.encode(result) + b"\n")
    else:
        show(result)
    if result.advised is None:
        raise typer.Exit(FAILED)


# --- what is asked about -----------------------------------------------------------------------------


def _candidates(models: list[str] | None) -> "list[Candidate]":
    from stardraftd.errors import ModelNotFoundError
    from stardraftd.models.catalogue import SHAPES
    from stardraftd.models.plan import local, published

    if not models:
        return list(published())
    found: list[Candidate] = []
    for text in dict.fromkeys(models):
        path = Path(text).expanduser()
        if text.lower() in SHAPES:
            found += published((text.lower(),))
        elif path.suffix == ".gguf" or path.exists():
            found.append(local(path.absolute()))
        else:
            raise ModelNotFoundError(
                f"{text} is not a model that is known here, and no file.",
                f"Give one of {', '.join(SHAPES)}, or the path of a GGUF file.",
            )
    return found


# --- what is here ------------------------------------------------------------------------------------


def _room(facts: "Facts") -> "Capacity":
    from stardraftd.errors import StardraftError
    from stardraftd.models.hardware import room

    gpus: list[Gpu] | None
    try:
        gpus = [_gpu(device) for device in facts.probe.devices if device.type in ("gpu", "integrated_gpu")]
    except StardraftError:
        gpus = None  # no llama.cpp yet: the plan is for before it as well, and says so
    try:
        status = facts.status
    except StardraftError:
        status = None
    return room(
        gpus,
        engine_ram_bytes=(status and status.engine_resident_bytes) or 0,
        engine_vram_bytes=_engine_vram_bytes(status),
    )


def _gpu(device: "Device") -> "Gpu":
    from stardraftd.models.hardware import Gpu

    return Gpu(
        name=device.name,
        description=device.description,
        free_bytes=device.memory_free_bytes,
        total_bytes=device.memory_total_bytes,
        unified=device.type == "integrated_gpu" or device.name.startswith(("Metal", "MTL")),
    )


def _engine_vram_bytes(status: "Status | None") -> int:
    """The weights and cache that the running engine has on a GPU, by its share of the layers."""
    if status is None or status.model is None or not status.model.layers:
        return 0
    model = status.model
    return (model.size_bytes + model.kv_bytes) * model.gpu_layers // model.layers


def _speeds(facts: "Facts", room: "Capacity") -> "Speeds":
    from stardraftd.models.plan import Speeds
    from stardraftd.models.throughput import (
        busy_share,
        gpu_bytes_per_s,
        measurements,
        proven_bytes_per_s,
        reading_bytes_per_s,
    )
    from stardraftd.paths import engine_cache_dir

    busy = busy_share() > BUSY
    measured = measurements(engine_cache_dir())
    # What an engine has read in a second is possible, whatever a short timing on a busy computer says.
    timed, proven = reading_bytes_per_s(_threads(facts)), proven_bytes_per_s(measured)
    known = [gpu_bytes_per_s(gpu.description) for gpu in room.gpus]
    vram = [speed for speed in known if speed is not None]
    return Speeds(
        measured=measured,
        ram_bytes_per_s=max(timed, proven),
        # Layers on several GPUs run one after the other: the slowest makes no bound, the fastest does.
        vram_bytes_per_s=max(vram) if vram and len(vram) == len(known) else None,
        busy=busy and timed >= proven,
    )


def _threads(facts: "Facts") -> int:
    """As many as the engine would use."""
    import psutil

    from stardraftd.errors import StardraftError

    try:
        configured = facts.config.model.threads
    except StardraftError:
        configured = "auto"  # the wrong configuration is `stardraft doctor`'s to tell
    if isinstance(configured, int):
        return configured
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


# --- what is shown -----------------------------------------------------------------------------------


def show(result: "Plan") -> None:
    """The table, the advice, and what the numbers mean."""
    from stardraftd.cli.output.terminal import out, paragraph, write
    from stardraftd.cli.output.wording import size
    from stardraftd.models.plan import settings

    console = out()
    for line in _here(result):
        paragraph(console, line)
    console.print()
    console.print(_table(result))
    console.print()
    paragraph(console, _about_speed(result), "dim")
    paragraph(
        console,
        "Memory in GB (10^9 bytes). Fits well: at most 80% of what is free now; tight: at most 95%. "
        "Buffers with the engine itself.",
        "dim",
    )
    paragraph(console, _about_keys(result), "dim")
    console.print()
    if result.advised is None:
        paragraph(console, result.reason, "bold yellow")
        return
    row = result.rows[result.advised]
    fast = _speed(row)
    paragraph(console, f"Recommended: {row.model} in {row.quantization}, {_where(row)}.", "bold green")
    paragraph(
        console,
        f"{result.reason} {size(row.file_bytes)} on disk, {size(row.ram_bytes)} of memory"
        + (f", {size(row.vram_bytes)} on the GPU" if row.vram_bytes else "")
        + (f"; {fast} tokens/s." if fast else "."),
    )
    for setting in settings(row):
        paragraph(console, f"Set {setting} in the configuration for that.")
    write(console, f"{'To use it' if row.path else 'To get it'}: {result.command}")


def _here(result: "Plan") -> "list[str]":
    from stardraftd.cli.output.wording import size

    room = result.room
    limit = " (the limit of this container)" if room.limited else ""
    lines = [f"Memory: {size(room.ram_free_bytes)} free of {size(room.ram_total_bytes)}{limit}."]
    if room.engine_ram_bytes:
        lines[0] = (
            f"{lines[0][:-1]}, with {size(room.engine_ram_bytes)} that the running engine would give back."
        )
    for gpu in room.gpus:
        shared = ", shared with the computer" if gpu.unified else ""
        lines.append(
            f"GPU: {gpu.name} ({gpu.description}), {size(gpu.free_bytes)} free of "
            f"{size(gpu.total_bytes)}{shared}."
        )
    if not room.devices_known:
        lines.append(
            "GPU: unknown, for llama.cpp is not installed or does not answer; this is for the CPU alone."
        )
        lines.append("To see GPUs: stardraft setup engine, and ask again.")
    elif not room.gpus:
        lines.append("GPU: none that this build of llama.cpp can use.")
    return lines


def _about_speed(result: "Plan") -> str:
    sources = {row.pace.source for row in result.rows if row.pace is not None}
    told = []
    if "measured" in sources:
        told.append(
            f"= is measured here by the engine, with {counted(result.depth_tokens, 'token')} in the cache."
        )
    if "bound" in sources:
        speeds = []
        if result.ram_bytes_per_s and any(row.placement != "GPU" for row in result.rows):
            busy = ", timed while other programs were at work: it may be more" if result.busy else ""
            speeds.append(f"memory is read at {result.ram_bytes_per_s / _GB:.0f} GB/s here{busy}")
        if result.vram_bytes_per_s:
            speeds.append(f"the GPU's maker states {result.vram_bytes_per_s / _GB:,.0f} GB/s")
        told.append(
            f"<= is a bound, not a measurement: each token reads all weights ({'; '.join(speeds)}). "
            f"Expect about {_reached(result):.0%} of it."
        )
    return "Tokens/s: " + (" ".join(told) or "not known for these.")


def _about_keys(result: "Plan") -> str:
    """What a typed key costs, of every model in the table."""
    dear = dict.fromkeys(row.model for row in result.rows if row.a_key_costs == "the prompt")
    if not dear:
        return "With each of these a key costs a token: all that you did not type is in the cache."
    cheap = any(row.a_key_costs == "a token" for row in result.rows)
    told = f"With {', '.join(dear)} a key costs the prompt: a recurrent model's cache cannot be cut"
    return f"{told}. With the others a key costs a token." if cheap else f"{told}."


def _reached(result: "Plan") -> float:
    """Which share of a bound to expect; of several the least."""
    return min(
        row.expected_tokens_per_s / row.pace.tokens_per_s
        for row in result.rows
        if row.pace is not None and row.pace.source == "bound"
    )


def _table(result: "Plan") -> object:
    from rich.text import Text

    from stardraftd.console.tables import FittedTable

    n_contexts = len({row.context_tokens for row in result.rows})
    n_kv_types = len({row.kv_type for row in result.rows})
    first = result.rows[0]
    title = []
    if n_contexts == 1:
        title.append(f"{counted(first.context_tokens, 'token')} of context")
    if n_kv_types == 1:
        title.append(f"KV cache in {first.kv_type}")
    gpu = bool(result.room.gpus)
    table = FittedTable(title=", ".join(title) or None, title_justify="left", title_style="bold", box=None)
    table.padding = (0, 1, 0, 0)
    table.add_column("")
    table.add_column("model", no_wrap=True)
    table.add_column("quant", no_wrap=True)
    if n_contexts > 1:
        table.add_column("context", justify="right")
    if n_kv_types > 1:
        table.add_column("KV in")
    if gpu:
        table.add_column("on", no_wrap=True)
    for name in ("weights", "KV", "buffers", "RAM", *(["VRAM"] if gpu else [])):
        table.add_column(name, justify="right")
    table.add_column("here", no_wrap=True)
    table.add_column("tokens/s", justify="right", no_wrap=True)
    for index, row in enumerate(result.rows):
        chosen = index == result.advised
        cells = [">" if chosen else "", row.model, row.quantization]
        cells += [f"{row.context_tokens:,}"] if n_contexts > 1 else []
        cells += [row.kv_type] if n_kv_types > 1 else []
        cells += [_short_place(row)] if gpu else []
        cells += [
            _gb(row.need.weights_bytes),
            _gb(row.need.kv_bytes),
            _gb(row.need.buffers_bytes + row.need.process_bytes),
            _gb(row.ram_bytes),
        ]
        cells += [_gb(row.vram_bytes)] if gpu else []
        cells += [row.grade, _speed(row)]
        table.add_row(*(Text(cell) for cell in cells), style="bold green" if chosen else _STYLES[row.grade])
    return table


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / _GB:.2f}" if n_bytes else "-"


def _speed(row: "Row") -> str:
    if row.pace is None:
        return ""
    sign = "=" if row.pace.source == "measured" else "<="
    return f"{sign}\N{NO-BREAK SPACE}{row.pace.tokens_per_s:.{0 if row.pace.tokens_per_s >= 100 else 1}f}"


def _where(row: "Row") -> str:
    if row.placement == "CPU":
        return "on the CPU"
    if row.placement == "GPU":
        return "all layers on the GPU"
    return f"{row.gpu_layers} of {counted(row.layers + 1, 'layer')} on the GPU"


def _short_place(row: "Row") -> str:
    return {"CPU": "CPU", "GPU": "GPU", "split": f"{row.gpu_layers}/{row.layers + 1}"}[row.placement]
