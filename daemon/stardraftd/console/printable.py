"""Foreign text made fit to be shown: names of files and models, what other programs said, source text.

Escape sequences would drive the terminal, marks of direction turn a line around, and characters that take no
room hide what a name is. All of them are written out, as `\\x1b`. Everything for a user goes through here:
the terminal (`tell`, `console`), messages to an editor, the log as it is shown. What a program reads is
left as it is: JSON, and a suggestion in a pipe.
"""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from stardraftd.console.prose import columns, fitted

if TYPE_CHECKING:
    from rich.console import Console

_HIDDEN = [
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0xAD, 0x61C, 0x115F, 0x1160, 0x180E, 0x3164, 0xFEFF, 0xFFA0),
    *(0x200B, 0x200E, 0x200F),  # the joiners between them are a part of letters and pictures
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xD800, 0xE000),  # bytes of a file's name that are no UTF-8
    *range(0xFFF0, 0xFFFC),
    *range(0xE0000, 0xE0100),  # tags: a whole alphabet that nobody sees
]


# How wide a table may be where it is not on a terminal.
IN_A_PIPE = 200


def _written_out(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_ONE_LINE = {code: _written_out(code) for code in _HIDDEN if chr(code) != "\t"}
_LINES = {code: text for code, text in _ONE_LINE.items() if chr(code) != "\n"}


def visible(text: str) -> str:
    """`text` with everything that would drive a terminal or hide something written out; lines stay lines."""
    return text.translate(_LINES)


def visible_line(text: str) -> str:
    """As `visible`, for what is to be one line, as a name within a sentence."""
    return text.translate(_ONE_LINE)


def tell(text: str = "", *, to_stderr: bool = False, fit: bool = True) -> None:
    """Writes a line for a reader to stdout, at once. Raises OSError where that cannot be written.

    fit: a line longer than the terminal is broken between words; not so for what is data, as a log is.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is not None:  # there may be none: `command >&-`
        stream.write(fitted(visible(text), columns(stream) if fit else None) + "\n")
        stream.flush()


def console(*, stderr: bool = False, width: int | None = None) -> "Console":
    """A console of rich's on which everything is visible, and markup is text; a pipe has room for all."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Visible(Console):
        """Every table, bar and line comes by `render`; rich's own control codes are marked as such."""

        @property
        def width(self) -> int:
            """A terminal's own; what goes into a pipe or a file has room, unless COLUMNS says otherwise.

            Where it does not say so, rich takes 80, and cuts off what is longer.
            """
            if width is not None or self.is_terminal:
                return super().width
            return columns(self.file) or IN_A_PIPE

        @width.setter
        def width(self, new: int) -> None:
            self._width = new

        @property
        def options(self) -> ConsoleOptions:
            return super().options.update(width=self.width)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    return Visible(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)
