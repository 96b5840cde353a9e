"""`stardraft quant quantize`: a smaller file of the same model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraftd.console import printable
from stardraftd.console.printable import tell
from stardraftd.console.prose import counted
from stardraftd.installed import how_to_add

if TYPE_CHECKING:
    from stardraft_quant.quantize import QuantizationReport

EXAMPLE = """\b
Examples:
  stardraft quant quantize starcoder2-3b-F16.gguf starcoder2-3b-Q4_K_M.gguf
  stardraft quant quantize F16.gguf IQ4_XS.gguf --type IQ4_XS --imatrix imatrix.gguf"""

Tensor = Literal["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K"]


def quantize(
    *,
    source: Annotated[Path, typer.Argument(metavar="SOURCE.gguf", help="The model in F16, BF16 or F32.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.gguf", help="Where to write the smaller one.")],
    file_type: Annotated[
        Literal[
            "F16",
            "BF16",
            "Q8_0",
            "Q6_K",
            "Q5_K_M",
            "Q5_K_S",
            "Q5_0",
            "Q5_1",
            "Q4_K_M",
            "Q4_K_S",
            "Q4_0",
            "Q4_1",
            "IQ4_NL",
            "IQ4_XS",
            "Q3_K_L",
            "Q3_K_M",
            "Q3_K_S",
            "Q2_K",
        ],
        typer.Option(
            "--type",
            metavar="TYPE",
            help="How its weights are stored; the number is about the bits of each: F16, BF16, Q8_0, Q6_K, "
            "Q5_K_M, Q5_K_S, Q5_0, Q5_1, Q4_K_M, Q4_K_S, Q4_0, Q4_1, IQ4_NL, IQ4_XS, Q3_K_L, Q3_K_M, Q3_K_S "
            "or Q2_K.",
        ),
    ] = "Q4_K_M",
    imatrix: Annotated[
        Path | None,
        typer.Option(
            "--imatrix",
            metavar="FILE",
            help="An importance matrix of this model, from `stardraft quant imatrix` or llama-imatrix.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads; 0 is one for each core.")] = 0,
    pure: Annotated[bool, typer.Option("--pure", help="Keep no tensor better than the type says.")] = False,
    embedding_type: Annotated[
        Tensor | None,
        typer.Option("--embedding-type", help="How the token embedding is stored.", show_default=False),
    ] = None,
    output_type: Annotated[
        Tensor | None,
        typer.Option(
            "--output-type",
            help="How the output matrix is stored, if it is one of its own.",
            show_default=False,
        ),
    ] = None,
    allow_requantize: Annotated[
        bool,
        typer.Option("--allow-requantize", help="Take a source that is quantized already: it gets worse."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.gguf if it is there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, and nothing else.")
    ] = False,
) -> None:
    """Make a model's file smaller by storing its weights in fewer bits.

    Q4_K_M is less than a third of F16's size; Q8_0 is about half of it, and hardly differs from it in what
    it answers. The tensors are those that llama.cpp's llama-quantize makes. Interrupted, it leaves nothing
    behind.
    """
    from stardraftd.errors import ModelError, RequestError

    if out.exists() and not force and not (source.exists() and out.samefile(source)):
        raise RequestError(f"{out} is there already.", "Name another file, or give --force to overwrite it.")
    try:
        from stardraft_quant.quantize import quantizing
    except ImportError as error:
        raise ModelError(
            f"Quantizing needs more than the base installation: {error}.",
            how_to_add("quant"),
        ) from error
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("quantizing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[tensor]}"),
    )
    with Progress(*columns, console=printable.console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, tensor="")
        report = quantizing.quantize(
            source,
            out,
            file_type,
            imatrix=imatrix,
            n_threads=threads,
            pure=pure,
            embedding_type=embedding_type,
            output_type=output_type,
            allow_requantize=allow_requantize,
            on_progress=lambda done, total, tensor: progress.update(
                task, completed=done, total=total, tensor=tensor
            ),
        )
    if as_json:
        import msgspec

        tell(msgspec.json.encode(report).decode())
    else:
        _show(report)


def _show(report: "QuantizationReport") -> None:
    for warning in report.warnings:
        tell(f"Note: {warning}", to_stderr=True)
    share = report.size_bytes / report.source_bytes
    types = ", ".join(f"{n} {name}" for name, n in report.types.items())
    tell(
        f"{report.path}: {counted(report.size_bytes, 'byte')}, {share:.0%} of the source, "
        f"{report.bits_per_weight:.2f} bits a weight, in {report.seconds:.0f} s."
    )
    tell(f"Tensors: {types}.")
    if report.n_fallback:
        tell(
            f"{report.n_fallback} of them have rows that do not fit the blocks of {report.file_type}, "
            "and are stored in another type."
        )
    if report.imatrix_datasets:
        tell(f"Importance matrix: {report.imatrix_datasets[0]} ({counted(report.imatrix_chunks, 'chunk')}).")
    if report.n_unimportant > 1:
        tell(f"It says nothing of {report.n_unimportant} of the tensors that were quantized.")
    tell(f"To use it: stardraft daemon restart --model {report.path}")
