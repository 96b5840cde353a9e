"""Positions as editors count them: UTF-8 bytes, UTF-16 code units or code points within a line."""

from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]


def units(text: str, encoding: Encoding) -> int:
    """The length of `text` in the encoding's units."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(char > "\uffff" for char in text)


def index_of_unit(line: str, n_units: int, encoding: Encoding) -> int:
    """The index in `line` at which `n_units` have passed; past its end, the end.

    A position inside a character (the second half of a surrogate pair) is the character's beginning.
    """
    if encoding == "utf-32" or line.isascii():
        return min(max(n_units, 0), len(line))
    passed = 0
    for index, char in enumerate(line):
        passed += _width(char, encoding)
        if passed > n_units:
            return index
    return len(line)


def _width(char: str, encoding: Encoding) -> int:
    if encoding == "utf-16":
        return 2 if char > "\uffff" else 1
    code = ord(char)
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
