"""`stardraft quant imatrix`: which of a model's inputs matter on one's own code."""

from pathlib import Path
from typing import Annotated

import typer

from stardraftd.console import printable
from stardraftd.console.printable import tell
from stardraftd.console.prose import counted
from stardraftd.installed import how_to_add

EXAMPLE = """\b
Examples:
  stardraft quant imatrix starcoder2-3b-F16.gguf imatrix.gguf ~/src/my-project
  stardraft quant imatrix starcoder2-3b-F16.gguf imatrix.gguf --text calibration.txt
  stardraft quant quantize starcoder2-3b-F16.gguf mine.gguf --imatrix imatrix.gguf"""


def imatrix(
    *,
    model: Annotated[Path, typer.Argument(metavar="MODEL.gguf", help="The model; its F16 file is best.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.gguf", help="Where to write the importance matrix.")],
    code: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CODE", help="Folders with source code, or single files.", show_default=False),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="A text to be taken as it is instead, cut as llama-imatrix cuts it.",
            show_default=False,
        ),
    ] = None,
    chunks: Annotated[
        int | None,
        typer.Option(
            "--chunks", min=1, help="Pieces to evaluate: 128 of code, or all of a text.", show_default=False
        ),
    ] = None,
    context: Annotated[int, typer.Option("--context", help="Tokens in a piece.")] = 512,
    seed: Annotated[int, typer.Option("--seed", help="The same seed cuts the code at the same places.")] = 0,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads; 0 is one for each core.")] = 0,
    gpu_layers: Annotated[
        int, typer.Option("--gpu-layers", min=-1, help="Layers on the GPU; -1 is all of them.")
    ] = -1,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.gguf if it is there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, and nothing else.")
    ] = False,
) -> None:
    """Find out which of a model's inputs matter most on your own code, so that quantizing keeps those.

    The code is read as the model meets it in use: with a gap to fill in. The result is a file for
    `stardraft quant quantize --imatrix`; llama.cpp's llama-quantize reads it too. It has sums in it and the
    folders' names, none of the code. A piece takes a 3B model some 40 seconds of one core.
    """
    from stardraftd.errors import ModelError, RequestError

    if bool(code) == (text is not None):
        raise RequestError(
            "What the model is to be evaluated on is not said.",
            "Name folders with source code, or give --text FILE.",
        )
    if out.exists() and not force:
        raise RequestError(f"{out} is there already.", "Name another file, or give --force to overwrite it.")
    try:
        from stardraft_quant.imatrix import compute as computing
    except ImportError as error:
        raise ModelError(
            f"Computing an importance matrix needs more than the base installation: {error}.",
            how_to_add("quant"),
        ) from error
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from stardraft_quant.code.files import code_files

    documents = code_files(code) if code else []
    settings = computing.Settings(
        n_chunks=chunks or (0 if text else 128),
        context_tokens=context,
        seed=seed,
        n_threads=threads,
        gpu_layers=gpu_layers,
    )
    bar = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*bar, console=printable.console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        if text is not None:
            report = computing.imatrix_of_text(model, out, text, settings, on_progress=show)
        else:
            report = computing.imatrix_of_code(model, out, documents, settings, on_progress=show)
    if as_json:
        import msgspec

        tell(msgspec.json.encode(report).decode())
        return
    files = f" from {counted(report.n_files, 'file')}" if report.n_files else ""
    tell(
        f"{report.path}: {counted(report.n_entries, 'weight')}, seen at {counted(report.n_tokens, 'token')} "
        f"({counted(report.n_chunks, 'chunk')}{files}) in {report.seconds:.0f} s."
    )
    tell(f"To use it: stardraft quant quantize {model} OUT.gguf --imatrix {report.path}")
