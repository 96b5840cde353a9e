"""Sentences for a reader: counted nouns, and lines that fit the terminal's width.

Words and numbers are never cut. A line that is too long goes on below, indented under where its text began;
a word that is longer than the line, as a path can be, stays whole. Nothing here imports more than the
standard library: the help needs it, too.
"""

import os
import unicodedata
from collections.abc import Iterator
from typing import IO

# A column of text that is narrower than this is hard to read: it goes below its label instead.
_LEAST = 24
_BESIDE = "  "  # two spaces or more inside a line stand between a label and its text


def counted(number: float, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 token", "2 tokens", "1,024 tokens"; `plural` where it is not noun + "s"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def columns(stream: IO[str] | None) -> int | None:
    """How wide lines may be on `stream`: as COLUMNS says, else the terminal; None, no limit, in a pipe."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given) > 0:
        return int(given)
    try:
        if stream is None or not stream.isatty():
            return None
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # no descriptor, or a closed one
        return None


def fitted(text: str, width: int | None, hang: int = 0) -> str:
    """`text` with every line broken between words so that it fits; lines that fit stay as they are.

    hang: so many columns are indented where a line goes on, besides the line's own indentation.
    """
    if width is None:
        return text
    return "\n".join(broken for line in text.split("\n") for broken in _broken(line, width, hang))


def labelled(label: str, text: str, label_width: int, width: int | None = None) -> str:
    """`label`, and `text` in a column beside it, or below it where that column would be too narrow."""
    if width is None:
        return f"{label:<{label_width}}{text}".rstrip().replace("\n", f"\n{' ' * label_width}")
    least = max(_LEAST, *map(_cells, text.split()), 0)
    if width - label_width < least and measured(text) > width - label_width:
        below = fitted("\n".join(f"  {line}" for line in text.split("\n")), width)
        return f"{label.rstrip()}\n{below}" if label.strip() else below
    first, *rest = fitted(text, width - label_width).split("\n")
    return "\n".join([f"{label:<{label_width}}{first}".rstrip(), *(" " * label_width + one for one in rest)])


def measured(text: str) -> int:
    """The columns that the longest line of `text` takes on a terminal."""
    return max(map(_cells, text.split("\n")))


def _cells(line: str) -> int:
    if line.isascii():
        return len(line)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in line
    )


def _broken(line: str, width: int, hang: int) -> Iterator[str]:
    if _cells(line) <= width:
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    body = line[indent:]
    label, beside, text = body.partition(_BESIDE)
    if beside and text.strip():
        text_at = len(line) - len(text.lstrip(" "))
        if width - text_at >= _LEAST:
            yield from _filled(line[:text_at], text.lstrip(" "), text_at, width)
            return
        yield from _filled(" " * indent, label.rstrip(), indent + max(hang, 2), width)
        yield from _filled(" " * (indent + 4), text.lstrip(" "), indent + 4, width)
        return
    point = 2 if body.startswith(("- ", "* ")) else 0
    yield from _filled(" " * indent, body, indent + max(hang, point), width)


def _filled(begin: str, text: str, hang: int, width: int) -> Iterator[str]:
    """`begin` and the words of `text`; lines after the first begin with `hang` spaces."""
    line, is_empty = begin, True
    for word in filter(None, text.split(" ")):
        wider = f"{line}{word}" if is_empty else f"{line} {word}"
        if is_empty or _cells(wider) <= width:
            line, is_empty = wider, False
        else:
            yield line
            line = " " * hang + word
    yield line
