"""Tiny models of random weights for the engine's self-test: one for each way that weights are stored.

llama.cpp has other machine code for each type of weights. The built-in model is Q8_0; a build whose code for
Q4_K alone is broken would pass with it, and fail with StarCoder2-3B. So a one-layer StarCoder2 is written for
each type: random blocks of the type's own layout, the same bytes on every computer, with no quantizer in
between. Layouts: ggml-org/llama.cpp, ggml/src/ggml-common.h.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

# Of which tokens the data file holds logits.
KERNEL_COLUMNS = range(0, 256, 17)
VOCABULARY, HIDDEN, FFN, HEADS, KV_HEADS, CONTEXT = 256, 256, 512, 4, 2, 512
_KV = HIDDEN // HEADS * KV_HEADS
_ALIGNMENT = 32
_F32 = 0


@dataclass(frozen=True)
class WeightType:
    """How a type's weights are stored: blocks of `n` weights in `size` bytes.

    number:  ggml's own (`enum ggml_type` in ggml.h).
    scales:  for each float16 in a block its offset and its value, chosen so that weights are some 1/16 wide.
    masked:  bytes [start, end) of a block that are random under a mask.
    """

    name: str
    number: int
    n: int
    size: int
    scales: tuple[tuple[int, float], ...] = ()
    masked: tuple[int, int, int] | None = None


# What StarCoder2 is offered in, and what files of other models mostly hold.
WEIGHT_TYPES = (
    WeightType("F32", 0, 1, 4),
    WeightType("F16", 1, 1, 2),
    WeightType("BF16", 30, 1, 2),
    WeightType("Q4_0", 2, 32, 18, ((0, 0.0136),)),
    WeightType("Q4_1", 3, 32, 20, ((0, 0.0136), (2, -0.1))),
    WeightType("Q5_0", 6, 32, 22, ((0, 0.0068),)),
    WeightType("Q5_1", 7, 32, 24, ((0, 0.0068), (2, -0.1))),
    WeightType("Q8_0", 8, 32, 34, ((0, 0.00085),)),
    WeightType("Q2_K", 10, 256, 84, ((80, 0.004), (82, 0.006))),
    WeightType("Q3_K", 11, 256, 110, ((108, 0.0015),)),
    WeightType("Q4_K", 12, 256, 144, ((0, 0.00025), (2, 0.0019))),
    WeightType("Q5_K", 13, 256, 176, ((0, 0.00012), (2, 0.0019))),
    WeightType("Q6_K", 14, 256, 210, ((208, 0.0002),), masked=(192, 208, 0x1F)),
    WeightType("IQ4_NL", 20, 32, 18, ((0, 0.001),)),
    WeightType("IQ4_XS", 23, 256, 136, ((0, 0.00006),)),
)


def write_kernel_model(path: Path, kind: WeightType) -> Path:
    """Writes a StarCoder2 of one layer, all its matrices of `kind`, without a tokenizer. Returns `path`."""
    random = np.random.PCG64(kind.number + 1)
    tensors: list[tuple[str, tuple[int, ...], int, bytes]] = []

    def matrix(name: str, rows: int, columns: int) -> None:
        tensors.append((name, (columns, rows), kind.number, _blocks(random, kind, rows * columns).tobytes()))

    def vector(name: str, size: int, mean: float) -> None:
        values = (mean + 0.1 * _floats(random, size)).astype("<f4")
        tensors.append((name, (size,), _F32, values.tobytes()))

    matrix("token_embd.weight", VOCABULARY, HIDDEN)
    for name, rows, columns in (
        ("attn_q", HIDDEN, HIDDEN),
        ("attn_k", _KV, HIDDEN),
        ("attn_v", _KV, HIDDEN),
        ("attn_output", HIDDEN, HIDDEN),
        ("ffn_up", FFN, HIDDEN),
        ("ffn_down", HIDDEN, FFN),
    ):
        matrix(f"blk.0.{name}.weight", rows, columns)
        vector(f"blk.0.{name}.bias", rows, 0.0)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        vector(f"{name}.weight", HIDDEN, 1.0)
        vector(f"{name}.bias", HIDDEN, 0.0)
    path.write_bytes(_gguf(tensors))
    return path


def kernel_tokens() -> list[int]:
    """The text that these models read: CONTEXT token ids."""
    return [int(token) for token in _raw(np.random.PCG64(0), CONTEXT)]  # VOCABULARY is 256


def _raw(random: np.random.PCG64, n_bytes: int) -> Bytes:
    """Random bytes. A bit generator's raw numbers are the same in every version of numpy."""
    words = np.asarray(random.random_raw((n_bytes + 7) // 8), dtype="<u8")
    return words.view(np.uint8)[:n_bytes]


def _floats(random: np.random.PCG64, n: int) -> NDArray[np.float32]:
    """Uniform over [-1, 1), in steps that float16 and bfloat16 hold exactly."""
    return np.asarray((_raw(random, n).astype(np.float32) - 128) / 128, np.float32)


def _blocks(random: np.random.PCG64, kind: WeightType, n_weights: int) -> Bytes:
    if kind.n == 1:
        values = _floats(random, n_weights) * np.float32(0.125)
        if kind.name == "F16":
            return values.astype("<f2").view(np.uint8)
        halves = values.astype("<f4").view("<u4")
        return (halves >> 16).astype("<u2").view(np.uint8) if kind.name == "BF16" else halves.view(np.uint8)
    blocks = _raw(random, n_weights // kind.n * kind.size).reshape(-1, kind.size).copy()
    if kind.masked is not None:
        start, end, mask = kind.masked
        blocks[:, start:end] &= mask
    for offset, value in kind.scales:
        blocks[:, offset : offset + 2] = np.array([value], "<f2").view(np.uint8)
    return blocks.reshape(-1)


def _gguf(tensors: list[tuple[str, tuple[int, ...], int, bytes]]) -> bytes:
    """A GGUF file, version 3 (ggml-org/ggml, docs/gguf.md)."""
    keys: dict[str, str | int | float] = {
        "general.architecture": "starcoder2",
        "tokenizer.ggml.model": "no_vocab",
        "starcoder2.vocab_size": VOCABULARY,
        "starcoder2.block_count": 1,
        "starcoder2.context_length": CONTEXT,
        "starcoder2.embedding_length": HIDDEN,
        "starcoder2.feed_forward_length": FFN,
        "starcoder2.attention.head_count": HEADS,
        "starcoder2.attention.head_count_kv": KV_HEADS,
        "starcoder2.rope.dimension_count": HIDDEN // HEADS,
        "starcoder2.rope.freq_base": 10_000.0,
        "starcoder2.attention.layer_norm_epsilon": 1e-5,
    }
    header = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)))
    for key, value in keys.items():
        header += _string(key)
        match value:
            case str():
                header += struct.pack("<I", 8) + _string(value)
            case int():
                header += struct.pack("<II", 4, value)
            case float():
                header += struct.pack("<If", 6, value)
    data = bytearray()
    for name, shape, number, content in tensors:
        header += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, number, len(data))
        data += content + bytes(-len(content) % _ALIGNMENT)
    return bytes(header + bytes(-len(header) % _ALIGNMENT) + data)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
