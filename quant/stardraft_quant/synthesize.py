"""A model of a true shape with random weights: how fast and how large a real one is here, before a download.

The blocks of the quantized formats are drawn at random directly (with scales that give weights a standard
deviation of 0.02), so nothing is quantized and nothing has to be in memory at once: the file is written
tensor by tensor. It predicts nonsense; its speed, memory and size are those of the real model, because which
tensor gets which type is decided as llama.cpp's quantizer does (src/llama-quant.cpp, for a model with
tied embeddings).

It says nothing but six tokens, all of them two characters, and never that a text ends: the rows of all others
in the embedding, which is the output matrix too, are small. So answers of equally many tokens are equally
long, whoever asks, and nothing in them is a word or a bracket that an editor would cut or take back.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from msgspec import Struct
from numpy.typing import NDArray

from stardraft_quant.shared.unfinished import check_room, finish, unfinished
from stardraftd.gguf.reading import read_header
from stardraftd.models.catalogue import Shape

FileType = Literal["Q4_K_M", "Q8_0", "F16"]
FILE_TYPES: dict[FileType, int] = {"F16": 1, "Q8_0": 7, "Q4_K_M": 15}  # llama.h, enum llama_ftype
WEIGHT_DEVIATION = 0.02
NORM_EPSILON = 1e-5
EMBEDDING = "token_embd.weight"
SAID = frozenset(("Ġ$", "Ġ%", "Ġ?", "Ġ@", "Ġ^", "Ġ~"))  # as the vocabulary writes a space and a mark
QUIET = 0.005
# Kept when a tokenizer is copied from another model's file.
TOKENIZER_PREFIX = "tokenizer."

Blocks = NDArray[np.uint8]


class Tensor(Struct, frozen=True):
    """A tensor to be: `shape` as numpy has it (rows, columns)."""

    name: str
    shape: tuple[int, ...]
    type: Type

    @property
    def row_bytes(self) -> tuple[int, ...]:
        """The shape with the last dimension in bytes, as the writer wants it for quantized types."""
        block, size = gguf.GGML_QUANT_SIZES[self.type]
        return (*self.shape[:-1], self.shape[-1] // block * size)

    @property
    def size_bytes(self) -> int:
        return math.prod(self.row_bytes)


def tensors(shape: Shape, n_vocab: int, file_type: FileType) -> Iterator[Tensor]:
    """All tensors of a StarCoder2 model in the order of the file."""
    plain = {"F16": Type.F16, "Q8_0": Type.Q8_0, "Q4_K_M": Type.Q4_K}[file_type]
    better = Type.Q6_K if file_type == "Q4_K_M" else plain

    def linear(name: str, rows: int, columns: int, kind: Type) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", (rows, columns), kind)
        yield Tensor(f"{name}.bias", (rows,), Type.F32)

    def norm(name: str) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", (shape.hidden,), Type.F32)
        yield Tensor(f"{name}.bias", (shape.hidden,), Type.F32)

    # The embedding is the output matrix too, and is kept more exactly for that.
    yield Tensor(EMBEDDING, (n_vocab, shape.hidden), better)
    yield from norm("output_norm")
    for i in range(shape.layers):
        sensitive = better if _uses_more_bits(i, shape.layers) else plain
        yield from norm(f"blk.{i}.attn_norm")
        yield from linear(f"blk.{i}.attn_q", shape.hidden, shape.hidden, plain)
        yield from linear(f"blk.{i}.attn_k", shape.kv_size, shape.hidden, plain)
        yield from linear(f"blk.{i}.attn_v", shape.kv_size, shape.hidden, sensitive)
        yield from linear(f"blk.{i}.attn_output", shape.hidden, shape.hidden, plain)
        yield from norm(f"blk.{i}.ffn_norm")
        yield from linear(f"blk.{i}.ffn_up", shape.ffn, shape.hidden, plain)
        yield from linear(f"blk.{i}.ffn_down", shape.hidden, shape.ffn, sensitive)


def _uses_more_bits(layer: int, n_layers: int) -> bool:
    """Layers whose values and down-projections llama.cpp's Q4_K_M keeps in Q6_K (`use_more_bits`)."""
    eighth = n_layers // 8
    return layer < eighth or layer >= 7 * n_layers // 8 or (layer - eighth) % 3 == 2


def synthesize(
    shape: Shape,
    file_type: FileType,
    out: Path,
    *,
    tokenizer_from: Path,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Writes the model to `out`, all or nothing; returns its size in bytes.

    tokenizer_from: a GGUF whose tokenizer is copied. `on_progress` gets bytes written, and in all.
    Raises ModelError when the tokenizer's file is not usable or the disk has no room.
    """
    read_header(tokenizer_from)  # checked before anything else parses it
    fields = {
        name: field
        for name, field in gguf.GGUFReader(tokenizer_from).fields.items()
        if name.startswith(TOKENIZER_PREFIX)
    }
    tokens = fields["tokenizer.ggml.tokens"].contents()
    wanted = list(tensors(shape, len(tokens), file_type))
    total = sum(tensor.size_bytes for tensor in wanted)
    with unfinished(out) as temporary:
        check_room(out, total)
        with contextlib.closing(gguf.GGUFWriter(temporary, "starcoder2")) as writer:
            writer.add_name(f"{shape.name}, random weights")
            writer.add_description("Random weights in the true shape: for measuring speed and memory only.")
            write_shape(writer, shape, file_type)
            for name, field in fields.items():
                copy_field(writer, name, field)
            for tensor in wanted:
                writer.add_tensor_info(
                    tensor.name, tensor.row_bytes, np.dtype(np.uint8), tensor.size_bytes, tensor.type
                )
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            done = 0
            random = np.random.default_rng(seed)
            for tensor in wanted:
                data = _random(tensor, random)
                if tensor.name == EMBEDDING:
                    _quieten(data, tensor, [row for row, token in enumerate(tokens) if token not in SAID])
                writer.write_tensor_data(data)
                done += tensor.size_bytes
                on_progress(done, total)
        finish(temporary, out)
    return out.stat().st_size


def write_shape(writer: gguf.GGUFWriter, shape: Shape, file_type: FileType) -> None:
    """The hyper-parameters that llama.cpp reads of a StarCoder2 model."""
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_eps(NORM_EPSILON)
    writer.add_file_type(FILE_TYPES[file_type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def copy_field(writer: gguf.GGUFWriter, name: str, field: gguf.ReaderField) -> None:
    """A field of another GGUF, as it stands there."""
    element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(name, field.contents(), field.types[0], sub_type=element)


def _random(tensor: Tensor, random: np.random.Generator) -> NDArray[np.generic]:
    """The tensor's data. Biases are 0, norms are 1, and matrices have the deviation of a fresh model."""
    if tensor.type == Type.F32:
        value = 1.0 if tensor.name.endswith("norm.weight") else 0.0
        return np.full(tensor.shape, value, np.float32)
    block, _ = gguf.GGML_QUANT_SIZES[tensor.type]
    n_blocks = int(np.prod(tensor.shape)) // block
    return _BLOCKS[tensor.type](n_blocks, random)


def _f16(blocks: int, random: np.random.Generator) -> NDArray[np.generic]:
    out = np.empty(blocks, np.float16)
    for start in range(0, blocks, 1 << 24):
        part = out[start : start + (1 << 24)]
        part[:] = random.standard_normal(len(part), np.float32) * WEIGHT_DEVIATION
    return out


def _quieten(data: NDArray[Any], tensor: Tensor, rows: list[int]) -> None:
    """Scales these rows of the embedding by QUIET, in place. The first layer's norm takes that back."""
    by_row = data.reshape(tensor.shape[0], -1)
    if tensor.type == Type.F16:
        by_row[rows] *= np.float16(QUIET)
        return
    block, n_bytes = gguf.GGML_QUANT_SIZES[tensor.type]
    blocks = by_row.reshape(tensor.shape[0], tensor.shape[1] // block, n_bytes)
    scale = _SCALES[tensor.type]
    drawn = float(np.frombuffer(blocks[0, 0, scale].tobytes(), np.float16)[0])
    blocks[rows, :, scale] = _half(drawn * QUIET)


def _half(value: float) -> Blocks:
    return np.frombuffer(np.float16(value).tobytes(), np.uint8)


def _random_bytes(blocks: int, size: int, random: np.random.Generator) -> Blocks:
    return np.frombuffer(random.bytes(blocks * size), np.uint8).reshape(blocks, size).copy()


def _q8_0(blocks: int, random: np.random.Generator) -> Blocks:
    """ggml-common.h, block_q8_0: a half, and 32 numbers of 8 bits (deviation 73.9 when uniform)."""
    out = _random_bytes(blocks, 34, random)
    out[:, :2] = _half(WEIGHT_DEVIATION / 73.9)
    return out


def _q4_k(blocks: int, random: np.random.Generator) -> Blocks:
    """block_q4_K: d and dmin, 12 bytes of scales and minimums, 256 numbers of 4 bits (deviation 4.61).

    A weight is d * scale * number - dmin * minimum. Scale and minimum are 32 everywhere, dmin is 7.5 d: so
    the mean is 0.
    """
    out = _random_bytes(blocks, 144, random)
    d = WEIGHT_DEVIATION / (32 * 4.61)
    out[:, 0:2] = _half(d)
    out[:, 2:4] = _half(7.5 * d)
    out[:, 4:12] = 0xA0  # the low six bits are 32, the upper two are bits 4 and 5 of the later ones
    out[:, 12:16] = 0
    return out


def _q6_k(blocks: int, random: np.random.Generator) -> Blocks:
    """block_q6_K: 256 numbers of 6 bits less 32 (deviation 18.5), 16 scales, a half."""
    out = _random_bytes(blocks, 210, random)
    out[:, 192:208] = 16
    out[:, 208:210] = _half(WEIGHT_DEVIATION / (16 * 18.5))
    return out


# Where a block of a quantized embedding has the half that its numbers are multiplied by.
_SCALES = {Type.Q8_0: slice(0, 2), Type.Q6_K: slice(208, 210)}
_BLOCKS: dict[Type, Callable[[int, np.random.Generator], NDArray[np.generic]]] = {
    Type.F16: _f16,
    Type.Q8_0: _q8_0,
    Type.Q4_K: _q4_k,
    Type.Q6_K: _q6_k,
}
