"""A table that fits: where the terminal is too narrow for its columns, each row becomes a few lines.

Everything that this project prints as a table is one of these. Cells are never cut: rich's own table would
shorten numbers to what room there is.
"""

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.table import Table  # noqa: TID251 - the class of which this is the better one
from rich.text import Text

from stardraftd.console.prose import fitted, measured

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult  # noqa: TID251 - to name their types alone

_UNLIMITED = 10_000
_INDENT = "  "
_UNBROKEN = "\N{NO-BREAK SPACE}"


class FittedTable(Table):
    """rich's table, as wide as its widest cells, or else its rows one below the other.

    A row on its own begins with its left-aligned cells, whose titles stand once above all rows; the others
    follow as "title: value", on as many lines as they need. What stands in the cells has to be text.
    """

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        if self._natural_width(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield Text(fitted(str(self.title), options.max_width), style=self.title_style or "")
        if self.box is not None:  # which has a line above its header, too
            yield Text("")
        if self.show_header and (titles := ", ".join(filter(None, self._titles[: self._n_names]))):
            yield Text(fitted(titles, options.max_width), style=self.header_style or "bold")
        for row, told in zip(self.rows, self._told(options.max_width), strict=True):
            lines = fitted(told, options.max_width, hang=2 * len(_INDENT))
            yield Text(lines.replace(_UNBROKEN, " "), style=row.style or "")

    def __rich_measure__(self, console: "Console", options: "ConsoleOptions") -> Measurement:
        width = min(self._natural_width(console, options), options.max_width)
        return Measurement(width, width)

    def _natural_width(self, console: "Console", options: "ConsoleOptions") -> int:
        return super().__rich_measure__(console, options.update_width(_UNLIMITED)).maximum

    @property
    def _titles(self) -> list[str]:
        return [str(column.header) if self.show_header else "" for column in self.columns]

    @property
    def _n_names(self) -> int:
        """How many columns name the row; without a header one, a label of what there is to say."""
        n = len(list(takewhile(lambda column: column.justify == "left", self.columns)))
        return n if self.show_header else min(n, 1)

    def _told(self, width: int) -> Iterator[str]:
        """Each row in words. A number stays beside its title, where there is room for both."""
        titles, names = self._titles, self._n_names
        for cells in zip(*(map(str, column.cells) for column in self.columns), strict=True):
            heading = " ".join(filter(str.strip, cells[:names]))
            pairs = [
                _whole(f"{title}: {cell}" if title else cell, width - 2 * len(_INDENT))
                for title, cell in zip(titles[names:], cells[names:], strict=True)
                if cell.strip()
            ]
            begin = [heading] if heading else []
            yield "\n".join([*begin, f"{_INDENT if heading else ''}{'; '.join(pairs)}"])


def _whole(pair: str, width: int) -> str:
    return pair.replace(" ", _UNBROKEN) if measured(pair) < width else pair
