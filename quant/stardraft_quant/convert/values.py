"""A stored tensor's numbers, a few megabytes at a time, in the type that the GGUF has them in.

Everything goes by way of 32-bit floats, as in llama.cpp's converter: bf16 is the upper half of one; to F16
numpy rounds to the nearest even, to BF16 the `gguf` package does.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import quantize
from msgspec import Struct
from numpy.typing import NDArray

from stardraft_quant.convert.checkpoint import TYPES, StoredTensor
from stardraftd.errors import ModelFormatError

CHUNK_VALUES = 4 << 20
GREATEST_F16 = 65_504.0


class Oddities(Struct):
    """Numbers that a sound checkpoint does not have: not a number, or infinite in the type converted to."""

    n_nan: int = 0
    n_infinite: int = 0


def converted(
    file: BinaryIO, tensor: StoredTensor, kind: Type, oddities: Oddities
) -> Iterator[NDArray[np.generic]]:
    """The tensor's numbers as `kind` (F32, F16 or BF16), in order, and counts the odd ones.

    `file` is the tensor's file, open. Raises ModelFormatError when it ends too early.
    """
    file.seek(tensor.offset)
    left = tensor.n_values
    while left:
        wanted = min(left, CHUNK_VALUES)
        content = file.read(wanted * TYPES[tensor.dtype])
        if len(content) != wanted * TYPES[tensor.dtype]:
            raise ModelFormatError(
                f"{tensor.file} became shorter while it was read (tensor '{tensor.name}').",
                "Let its download finish, then convert again.",
            )
        values = _as_f32(content, tensor.dtype)
        _count(values, kind, oddities)
        with np.errstate(over="ignore", invalid="ignore"):
            yield quantize(values, kind)
        left -= wanted


def same_values(one: StoredTensor, other: StoredTensor) -> bool:
    """Whether two tensors hold the same bytes in the same type and shape."""
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    with one.file.open("rb") as first, other.file.open("rb") as second:
        first.seek(one.offset)
        second.seek(other.offset)
        left = one.size_bytes
        while left:
            n = min(left, 4 * CHUNK_VALUES)
            a = first.read(n)
            if a != second.read(n) or len(a) != n:
                return False
            left -= n
    return True


def _as_f32(content: bytes, dtype: str) -> NDArray[np.float32]:
    if dtype == "F32":
        return np.frombuffer(content, "<f4")
    if dtype == "F16":
        return np.frombuffer(content, "<f2").astype(np.float32)
    values = np.frombuffer(content, "<u2").astype(np.uint32)
    values <<= 16
    return values.view(np.float32)


def _count(values: NDArray[np.float32], kind: Type, oddities: Oddities) -> None:
    # The extremes are found without another array, and are nearly always all that is needed.
    least, greatest = float(values.min()), float(values.max())
    if np.isnan(least) or np.isnan(greatest):
        oddities.n_nan += int(np.isnan(values).sum())
    elif max(-least, greatest) <= GREATEST_F16:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        # In each type that is written, as it is rounded there.
        rounded = values.astype(np.float16) if kind == Type.F16 else values
        oddities.n_infinite += int(np.isinf(rounded).sum())
