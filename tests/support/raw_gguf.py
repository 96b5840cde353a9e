"""A GGUF's keys and tensors, read and written as plainly as can be, with nothing that does so elsewhere.

For comparing whole files, and for wrong ones: the `gguf` package's reader takes seconds for a vocabulary, and
its writer writes only what makes sense.
"""

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

# Value types to struct's letters, and those that have none.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
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
        return text() if kind == STRING else number(SCALARS[kind])

    assert content[:4] == b"GGUF"
    assert number("I") == 3
    n_tensors, n_keys = number("Q"), number("Q")
    keys: dict[str, tuple[Any, Any]] = {}
    for _ in range(n_keys):
        key, kind = text(), number("I")
        if kind == ARRAY:
            entry, length = number("I"), number("Q")
            keys[key] = ((ARRAY, entry), [value(entry) for _ in range(length)])
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


def written(raw: RawGguf) -> bytearray:
    """The bytes of a file with these keys and tensors, whatever they are."""
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(raw.tensors), len(raw.keys)))
    for key, (kind, value) in raw.keys.items():
        out += _text(key)
        if isinstance(kind, tuple):
            _, entry = kind
            out += struct.pack("<IIQ", ARRAY, entry, len(value))
            for one in value:
                out += _one(entry, one)
        else:
            out += struct.pack("<I", kind) + _one(kind, value)
    data = bytearray()
    for name, (shape, kind, content) in raw.tensors.items():
        data += bytes(-len(data) % 32)
        out += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += content
    out += bytes(-len(out) % 32)
    return out + data


def _one(kind: int, value: Any) -> bytes:
    return _text(value) if kind == STRING else struct.pack(f"<{SCALARS[kind]}", value)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data
