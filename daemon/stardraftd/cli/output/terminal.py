"""The two streams that a user reads, made safe: for any terminal's encoding, and for any text.

Whatever a console of this module shows is made visible (printable.py) on its way, also what a table or a
progress bar is made of; where a suggestion goes into a pipe, it is left as it is.
"""

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import StyleType

from stardraftd.console.printable import console
from stardraftd.console.prose import columns, fitted, labelled


def prepare_streams() -> None:
    """Makes stdout and stderr take any text: a pipe gets UTF-8, a terminal what its encoding can show."""
    for stream in (sys.stdout, sys.stderr):  # None where the descriptor is closed
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
    return console(stderr=False)


@cache
def err() -> "Console":
    """Everything else: progress, notices, errors."""
    return console(stderr=True)


def raw_out() -> BinaryIO:
    """stdout as bytes, for machines: JSON is UTF-8 whatever the terminal's encoding."""
    sys.stdout.flush()
    return sys.stdout.buffer


def write(
    to: "Console", text: str, style: "StyleType" = "", end: str = "\n", *, raw_in_pipe: bool = False
) -> None:
    """Writes `text` as it stands: no markup, wrapping or cropping, tabs kept; in color if there is.

    raw_in_pipe: a program that reads it gets it unchanged.
    """
    if raw_in_pipe and not to.is_terminal:
        to.file.write(text + end)
        to.file.flush()
        return
    from rich.segment import Segment, Segments
    from rich.style import Style

    parsed = to.get_style(style) if style else Style.null()
    to.print(Segments([Segment(text + end, parsed)]), end="", soft_wrap=True)


def paragraph(to: "Console", text: str, style: "StyleType" = "") -> None:
    """Writes prose, its lines broken between words where the terminal is narrower."""
    write(to, fitted(text, columns(to.file)), style)


def entry(
    to: "Console",
    label: str,
    text: str,
    *,
    label_width: int,
    style: "StyleType" = "",
    text_style: "StyleType" = "",
) -> None:
    """Writes one line of a list: a label in `style`, and beside it, or below it, its text."""
    told = labelled(label, text, label_width, columns(to.file))
    write(to, told[: len(label)], style, end="")
    write(to, told[len(label) :], text_style)


def silence_stdout() -> None:
    """After a write that failed: what is still buffered goes nowhere, so the interpreter's exit is quiet."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
