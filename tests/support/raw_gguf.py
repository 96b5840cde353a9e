"""A GGUF's keys and tensors, read as plainly as can be and with nothing that writes or checks them elsewhere.

For comparing whole files: the `gguf` package's reader takes seconds for a vocabulary.
"""

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

# Value types to struct's letters; 8 is a string, 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_BYTES = {0: 4, 1: 2, 30: 2}  # F32, F16, BF16


class RawGguf(NamedTuple):
    """keys: (type, value), an array's type as (9, type of its entries). tensors: (shape, type, bytes)."""

    keys: dict[str, tuple[Any, Any]]
    tensors: dict[str, tuple[tuple[int, ...], int, bytes]]


def read_raw(path: Path) -> RawGguf:
    """Reads the file at `path`, whose tensors are all F32, F16 or BF16."""
    content, position = path.read_bytes(), 4

    def number(letter: str) -> Any:
        nonlocal position
        (value,) = struct.unpack_from(f"<{letter}", content, position)
        position += struct.calcsize(f"<{letter}")
        return value

    def text() -> str:
        nonlocal position
        length = number("Q")
        position += length
        return content[position - length : position].decode("utf-8")

    def value(kind: int) -> Any:
        return text() if kind == 8 else number(_SCALARS[kind])

    assert content[:4] == b"GGUF"
    assert number("I") == 3
    n_tensors, n_keys = number("Q"), number("Q")
    keys: dict[str, tuple[Any, Any]] = {}
    for _ in range(n_keys):
        key, kind = text(), number("I")
        if kind == 9:
            entry, length = number("I"), number("Q")
            keys[key] = ((9, entry), [value(entry) for _ in range(length)])
        else:
            keys[key] = (kind, value(kind))
    infos = [
        (text(), tuple(number("Q") for _ in range(number("I"))), number("I"), number("Q"))
        for _ in range(n_tensors)
    ]
    start = position + -position % 32
    return RawGguf(
        keys,
        {
            name: (shape, kind, content[start + offset :][: math.prod(shape) * _BYTES[kind]])
            for name, shape, kind, offset in infos
        },
    )
