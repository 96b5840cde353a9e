"""The two streams that a person reads, made safe: for any terminal's encoding, and for any text.

A file or a model may hold escape sequences and invisible marks that turn a terminal's text around; what is
shown on a terminal goes through `visible` first. What goes into a pipe or a file is left as it is.
"""

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import StyleType

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_DIRECTIONS = [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in [*_CONTROLS, *_DIRECTIONS]
    if chr(code) not in "\t\n"
}


def prepare_streams() -> None:
    """Makes stdout and stderr take any text: a pipe gets UTF-8, a terminal what its encoding can show."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue  # a test's or an embedder's stream
        if stream.isatty():
            reconfigure(errors="replace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")


@cache
def out() -> "Console":
    """What was asked for."""
    return _console(stderr=False)


@cache
def err() -> "Console":
    """Everything else: progress, notices, errors."""
    return _console(stderr=True)


def raw_out() -> BinaryIO:
    """stdout as bytes, for machines: JSON is UTF-8 whatever the terminal's encoding."""
    sys.stdout.flush()
    return sys.stdout.buffer


def visible(text: str) -> str:
    """`text` with everything that would move the cursor or hide something written out, as `\\x1b`."""
    return text.translate(_VISIBLE)


def write(console: "Console", text: str, style: "StyleType" = "", end: str = "\n") -> None:
    """Writes `text` as it stands: no markup, wrapping or cropping, tabs kept; in colour if there is."""
    from rich.segment import Segment, Segments
    from rich.style import Style

    shown = visible(text) if console.is_terminal else text
    parsed = console.get_style(style) if style else Style.null()
    console.print(Segments([Segment(shown + end, parsed)]), end="", soft_wrap=True)


def silence_stdout() -> None:
    """After a broken pipe: what is still buffered goes nowhere, so the interpreter's exit is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
