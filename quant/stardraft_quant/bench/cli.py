"""`stardraft bench ...`: the commands. What measures is imported when a command runs."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraft_quant.shared.model_file import Model, model_path
from stardraftd.console import printable
from stardraftd.console.printable import tell
from stardraftd.installed import how_to_add
from stardraftd.interruption import ended_like_ctrl_c

if TYPE_CHECKING:
    from rich.console import RenderableType

SPEED_EXAMPLES = """\b
Examples:
  stardraft bench speed                                        the built-in model
  stardraft bench speed --synthetic starcoder2-3b              before a download: random weights, true shape
  stardraft bench speed --model starcoder2-3b-Q4_K_M.gguf --depths 0,1024,4096 --chart speed.svg
  stardraft bench speed --against ~/llama.cpp/build/bin/llama-bench"""
TYPING_EXAMPLES = """\b
Examples:
  stardraft bench typing --trace lines                         the built-in model, a small file: 20 s
  stardraft bench typing --model starcoder2-3b-Q4_K_M.gguf --trace session.json
  stardraft bench typing --peer llama-server=/path/to/llama-server --runs 3"""

Tell = Callable[[str], None]

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else.")]

bench = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure how fast a model is on this computer.",
)


@bench.callback(invoke_without_command=True)
def _bench(context: typer.Context) -> None:
    """Measure how fast a model is on this computer.

    Times depend on what else the computer does: close what you can, and look at the spread.
    """
    context.with_resource(ended_like_ctrl_c())
    if context.invoked_subcommand is None:
        tell(context.get_help())


@bench.command(epilog=SPEED_EXAMPLES)
def speed(
    *,
    model: Model = None,
    synthetic: Annotated[
        Literal["starcoder2-3b", "starcoder2-7b", "starcoder2-15b"] | None,
        typer.Option(
            "--synthetic",
            help="A model of this shape with random weights, written for the measurement and then deleted. "
            "Speed and memory are those of the real one.",
            show_default=False,
        ),
    ] = None,
    file_type: Annotated[
        Literal["Q4_K_M", "Q8_0", "F16"], typer.Option("--type", help="How --synthetic stores its weights.")
    ] = "Q4_K_M",
    depths: Annotated[
        str | None,
        typer.Option(
            "--depths",
            metavar="N,N,...",
            help="How many tokens are in the cache at each measurement. By default 0, 256, 1024 and "
            "2048, if they fit.",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", metavar="N", min=1, help="How often each is measured.")] = 2,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=0, help="0 is one for each physical core.")
    ] = 0,
    gpu_layers: Annotated[
        int,
        typer.Option(
            "--gpu-layers", metavar="N", min=-1, help="How many layers run on the GPU; -1 is all of them."
        ),
    ] = -1,
    context_tokens: Annotated[
        int, typer.Option("--context-tokens", metavar="N", min=1, help="Size of the KV cache in tokens.")
    ] = 8192,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="PATH",
            help="A llama-bench of llama.cpp: it measures the same, and the two take turns.",
            show_default=False,
        ),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(
            "--chart", metavar="FILE", help="Draw speed against depth: .svg or .png.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure prefill and decode speed, what batches cost, and memory.

    The model is loaded as the engine does it, and decodes nonsense: speed does not depend on the text. With
    a 3B model on two cores it takes five to ten minutes. The daemon is neither used nor stopped; if it has a
    model loaded, that stays in memory beside this one. What was measured is kept for `stardraft model plan`.
    """
    from stardraft_quant.bench.chart import draw
    from stardraft_quant.bench.speed import SpeedOptions, run_speed
    from stardraft_quant.bench.speed_table import render
    from stardraft_quant.shared.chart_file import check_chart
    from stardraftd.paths import engine_cache_dir

    if chart is not None:
        check_chart(chart)
    with _telling() as tell, _measured_model(model, synthetic, file_type, tell) as path:
        options = SpeedOptions(
            model=path,
            depths=_depths(depths),
            threads=threads,
            gpu_layers=gpu_layers,
            context_tokens=context_tokens,
            runs=runs,
            peer=against.expanduser().absolute() if against is not None else None,
            remember_in=engine_cache_dir(),
        )
        report = run_speed(options, tell)
    if chart is not None:
        draw(report, chart)
    if json:
        _write_json(report)
    else:
        _show(render(report))


@bench.command(epilog=TYPING_EXAMPLES)
def typing(
    *,
    model: Model = None,
    traces: Annotated[
        list[str] | None,
        typer.Option(
            "--trace",
            metavar="FILE|NAME",
            help="Recorded editing to replay: a file, or one that comes with stardraft (complete, "
            "engine_process, lines, options, prompt, server); by default all of those. Can be repeated.",
            show_default=False,
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option(
            "--peer",
            metavar="NAME=PATH",
            help="Replay through this as well; NAME is llama-server, PATH its program. Can be repeated.",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", metavar="N", min=1, help="How often it is replayed.")] = 1,
    max_tokens: Annotated[
        int,
        typer.Option(
            "--max-tokens",
            metavar="N",
            min=1,
            help="The most tokens of a suggestion, on all sides. Random weights never end a line: "
            "8 is a line's worth.",
        ),
    ] = 64,
    greedy_peer: Annotated[
        bool,
        typer.Option(
            "--greedy-peer",
            help="The peer takes the likeliest token, as stardraft does. llama.vim's samplers end the "
            "suggestions of a model with random weights at once.",
        ),
    ] = False,
    mode: Annotated[
        Literal["stepwise", "realtime"],
        typer.Option("--mode", help="Wait for each answer, or keep the recorded times."),
    ] = "stepwise",
    json: Json = False,
) -> None:
    """Replay recorded editing, and measure what each key costs and how long it takes.

    It goes through a language server and a daemon of its own; yours are left alone. There is a suggestion at
    every key, also where yours would be cut or left out, for what is measured is what one costs. With a peer,
    both models are in memory; the sides take turns at each event, and there are ratios only if their
    answers are equally long.
    """
    from stardraft_quant.bench.typing.benchmark import TypingOptions, run_typing
    from stardraft_quant.bench.typing.table import render
    from stardraft_quant.bench.typing.traces import trace_path

    options = TypingOptions(
        model=model_path(model),
        traces=tuple(trace_path(trace) for trace in traces or ()),
        peers=tuple(_peer(peer) for peer in peers or ()),
        runs=runs,
        mode=mode,
        max_tokens=max_tokens,
        greedy_peer=greedy_peer,
    )
    with _telling() as tell:
        report = run_typing(options, tell)
    if json:
        _write_json(report)
    else:
        _show(render(report))


# --- what was typed --------------------------------------------------------------------------------------


@contextmanager
def _measured_model(
    model: str | None, synthetic: str | None, file_type: Literal["Q4_K_M", "Q8_0", "F16"], tell: Tell
) -> Iterator[Path]:
    """The file to measure; a synthetic one is there until the end of the block. Raises StardraftError."""
    from stardraftd.errors import ModelError, RequestError

    if synthetic is None:
        yield model_path(model)
        return
    if model is not None:
        raise RequestError("--model and --synthetic name two models.", "Give one of them.")
    try:
        from stardraft_quant.synthesize import synthesize
    except ImportError as error:
        raise ModelError(
            f"Making a synthetic model needs more than the base installation: {error}.",
            how_to_add("quant"),
        ) from error
    from stardraft_quant.shared.tokenizer_source import built_in_model
    from stardraftd.models.catalogue import SHAPES
    from stardraftd.models.store import Store

    path = Store().unfinished(f"synthetic-{os.getpid()}.gguf")
    try:
        synthesize(
            SHAPES[synthetic],
            file_type,
            path,
            tokenizer_from=built_in_model(),
            on_progress=lambda done, total: tell(f"writing a synthetic {synthetic}, {done / total:.0%}"),
        )
        yield path
    finally:
        path.unlink(missing_ok=True)


def _depths(given: str | None) -> tuple[int, ...]:
    from stardraftd.errors import RequestError

    if given is None:
        return ()
    numbers = [number.strip() for number in given.split(",")]
    wrong = [number for number in numbers if not (number.isascii() and number.isdigit())]
    if wrong:
        raise RequestError(
            f'"{wrong[0]}" in --depths is not a number of tokens.', "Separate them by commas: 0,256,1024."
        )
    return tuple(int(number) for number in numbers)


def _peer(given: str) -> tuple[str, Path]:
    from stardraftd.errors import RequestError

    name, sign, path = given.partition("=")
    if not (name and sign and path):
        raise RequestError(
            f'"{given}" names no peer.', "Give its name and its program: llama-server=/path/to/llama-server."
        )
    return name, Path(path).expanduser().absolute()


# --- what is shown ---------------------------------------------------------------------------------------


@contextmanager
def _telling() -> Iterator[Tell]:
    """What is being measured now, on stderr, if that is a terminal."""
    from rich.text import Text

    console = printable.console(stderr=True)
    if not console.is_terminal:
        yield lambda _sentence: None
        return
    with console.status("starting") as status:
        yield lambda sentence: status.update(Text(sentence))


def _show(report: "RenderableType") -> None:
    """A report."""

    printable.console().print(report)


def _write_json(report: object) -> None:
    import msgspec

    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
