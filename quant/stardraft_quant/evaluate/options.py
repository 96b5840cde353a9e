"""The options that several of the commands have, and what is the same in all of them."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.console import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTERRUPTED = 130

Items = Annotated[int, typer.Option("--items", metavar="N", min=0, help="How many places; 0 is all.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed chooses the same places.")]


def check_outputs(json: Path | None, chart: Path | None) -> None:
    """Raises StardraftError for a file that could not be written: to be known before minutes of measuring."""
    from stardraftd.errors import RequestError

    if chart is not None:
        from stardraft_quant.shared.chart_file import check_chart

        check_chart(chart)
    for file in (json, chart):
        if file is not None and str(file) != "-" and not file.absolute().parent.is_dir():
            raise RequestError(
                f"There is no folder {file.absolute().parent}.", f"Name another one than {file}."
            )


@contextmanager
def progress(total: int) -> "Iterator[Callable[[int], None]]":
    """A bar with the time left, on stderr, if that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = printable.console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), "answers,", TimeRemainingColumn(), "left")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("answering", total=total)
        yield lambda n_done: progress.update(bar, completed=n_done)
