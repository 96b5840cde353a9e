"""`stardraft quant verify`: what quantization lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stardraftd.console import printable
from stardraftd.console.printable import tell
from stardraftd.installed import how_to_add

EXAMPLE = """\b
Examples:
  stardraft quant verify starcoder2-3b-Q4_K_M.gguf --against starcoder2-3b-F16.gguf ~/src/project
  stardraft quant verify Q8_0.gguf Q4_K_M.gguf --against F16.gguf ~/src/project --lines 200 --chart kl.svg
  stardraft quant verify Q4_K_M.gguf --against F16.gguf --text wiki.test.raw --fail-above 0.05"""


def verify(
    *,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES",
            help="The quantized files, which end in .gguf; and folders or files of source code.",
            show_default=False,
        ),
    ],
    against: Annotated[
        Path,
        typer.Option(
            "--against", metavar="F16.gguf", help="The file that they were made from.", show_default=False
        ),
    ],
    text: Annotated[
        Path | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Instead of code: one plain text, scored as `llama-perplexity --kl-divergence` does it.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[
        int,
        typer.Option("--rows", metavar="N", min=1, help="How many rows are read; more is more exact."),
    ] = 32,
    n_ctx: Annotated[
        int,
        typer.Option("--n-ctx", metavar="N", min=16, help="Tokens in a row; its second half is scored."),
    ] = 512,
    lines: Annotated[
        int,
        typer.Option("--lines", metavar="N", min=0, help="How many lines each model is to finish as well."),
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed chooses the same code.")] = 0,
    gpu_layers: Annotated[
        int,
        typer.Option(
            "--gpu-layers", metavar="N", min=-1, help="How many layers run on the GPU; -1 is all of them."
        ),
    ] = -1,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=0, help="0 is one for each physical core.")
    ] = 0,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="All figures as one JSON object. - is stdout, and then nothing else is written there.",
            show_default=False,
        ),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(
            "--chart", metavar="FILE", help="Draw the KL divergence: .svg or .png.", show_default=False
        ),
    ] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(
            "--fail-above",
            metavar="KL",
            help="Exit with code 1 if a file's mean KL divergence is above this.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure what quantized files lost, against the file that they were made from.

    Both predict the same tokens of your own code, in fill-in-the-middle form. Shown are the KL divergence
    between their predictions, how often their likeliest token is the same, and perplexity. One model is in
    memory at a time; the reference's predictions take 1.6 GB of disk meanwhile, with 32 rows.
    """
    from stardraftd.errors import ModelError

    try:
        from stardraft_quant.verify.report import render, write_json
        from stardraft_quant.verify.verification import Options, Report
        from stardraft_quant.verify.verification import verify as measure
    except ImportError as error:
        raise ModelError(
            f"Verifying model files needs more than the base installation: {error}.",
            how_to_add("quant"),
        ) from error
    _check_outputs(json, chart)
    models, places = _told_apart(files)
    with _progress() as on_progress:
        report: Report = measure(
            Options(
                models=models,
                reference=against,
                places=places,
                text=text,
                n_ctx=n_ctx,
                n_rows=rows,
                n_lines=lines,
                seed=seed,
                gpu_layers=gpu_layers,
                threads=threads,
            ),
            on_progress,
        )
    if chart is not None:
        from stardraft_quant.verify.chart import draw

        draw(report, chart)
    if json is not None:
        write_json(report, json)
    if json != "-":
        _show(render(report))
    worse = [one for one in report.models if fail_above is not None and one.divergence.kl.value > fail_above]
    for one in worse:
        kl = one.divergence.kl.value
        tell(f"{one.model.file}: KL divergence {kl:.4g} is above {fail_above:g}.", to_stderr=True)
    if worse:
        raise typer.Exit(1)


def _told_apart(files: list[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """(models, places with code): a model's name ends in .gguf. Raises RequestError for no model."""
    from stardraftd.errors import RequestError

    models = tuple(file for file in files if file.suffix.lower() == ".gguf")
    if not models:
        raise RequestError("No file to verify is named.", "Name files that end in .gguf, then your code.")
    return models, tuple(file for file in files if file not in models)


def _check_outputs(json: str | None, chart: Path | None) -> None:
    """What cannot be written is told before minutes of measuring."""
    from stardraftd.errors import RequestError

    if chart is not None:
        from stardraft_quant.shared.chart_file import check_chart

        check_chart(chart)
    if json not in (None, "-") and not (folder := Path(str(json)).absolute().parent).is_dir():
        raise RequestError(f"There is no folder {folder}.", "Name another one in --json.")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar with the time left, on stderr."""
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = printable.console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda what, done, total: progress.update(
            task, description=escape(what), completed=done, total=total or None
        )


def _show(report: object) -> None:
    """A report."""

    printable.console().print(report)
