"""One line on the terminal that says what is awaited, and is gone when something else is shown."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from stardraftd.cli.output.terminal import err
from stardraftd.console.printable import visible

if TYPE_CHECKING:
    from rich.progress import Progress


class Activity:
    """The line, on stderr; where stderr is no terminal there is none.

    A context manager: the line is gone and the cursor is back however the block ends.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def say(self, text: str, fraction: float | None = None) -> None:
        """Shows `text`; with a bar when it is known how far it is (0 to 1)."""
        if not err().is_terminal:
            return
        if self._progress is None:
            self._progress = _progress()
            self._progress.add_task("", total=None)
            self._progress.start()
        self._progress.update(
            self._progress.task_ids[0],
            description=visible(text),
            completed=fraction or 0.0,
            total=None if fraction is None else 1.0,
        )

    def end(self) -> None:
        """Takes the line away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _progress() -> "Progress":
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    return Progress(
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        console=err(),
        transient=True,
    )
