"""Positions as editors count them: UTF-8 bytes, UTF-16 code units or code points within a line.

The one place that knows encodings: what a session counts in is chosen here, and is one of `Encoding` from
then on, never a client's own word for it.
"""

from typing import Any, Literal, get_args

Encoding = Literal["utf-8", "utf-16", "utf-32"]
# LSP's own: what a client counts in that names none, or none that is known here.
DEFAULT_ENCODING: Encoding = "utf-16"


def choose_encoding(offered: Any) -> Encoding:
    """What to count in, from a client's `general.positionEncodings`: the first that is known here."""
    for name in offered if isinstance(offered, list | tuple) else ():
        for known in get_args(Encoding):
            if name == known:
                return known  # type: ignore[no-any-return]
    return DEFAULT_ENCODING


def units(text: str, encoding: Encoding) -> int:
    """The length of `text` in the encoding's units."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def index_of_unit(line: str, n_units: int, encoding: Encoding) -> int:
    """The index in `line` at which `n_units` have passed; past its end, the end.

    A position inside a character (the second half of a surrogate pair) is the character's beginning. Found
    by halving: a slice is measured at memory's speed, characters one by one are not.
    """
    if encoding == "utf-32" or line.isascii():
        return min(max(n_units, 0), len(line))
    low, high = 0, min(max(n_units, 0), len(line))
    while low < high:
        middle = (low + high + 1) // 2
        width = units(line[low:middle], encoding)
        if width <= n_units:
            low, n_units = middle, n_units - width
        else:
            high = middle - 1
    return low
