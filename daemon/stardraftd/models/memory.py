"""How many bytes a model takes: its weights tensor by tensor, the KV cache, and the buffers to compute in.

Nothing is loaded and nothing is looked up. The numbers are those that llama.cpp's own allocator logs
("model buffer size", "KV buffer size", "compute buffer size"); tests load models and compare. Whether that
much memory is there is `plan`'s work.
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Literal, get_args

from msgspec import Struct

from stardraftd.gguf.header import WEIGHT_TYPES, TensorInfo
from stardraftd.models.catalogue import Shape

Quantization = Literal["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
KvType = Literal["f16", "q8_0"]
KV_TYPES: tuple[KvType, ...] = get_args(KvType)

# As the engine loads a model (stardraftd.engine.native.loading).
BATCH_TOKENS = 512
N_SEQUENCES = 32
CELLS_ROUNDED_TO = 256

# A GGUF with StarCoder2's tokenizer: metadata and the table of tensors, measured.
HEADER_BYTES = 1_750_000
# Python, numpy, llama.cpp's libraries and the vocabulary in memory: measured on Linux, 86 MB.
PROCESS_BYTES = 90_000_000

_KV_BYTES = {"f16": (1, 2), "q8_0": (32, 34)}  # values in a block, bytes of it
_BLOCKS = {name: (length, size) for name, length, size in WEIGHT_TYPES.values()}
_PLAIN = {"Q4_K_M": "Q4_K", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K", "Q8_0": "Q8_0", "F16": "F16"}
_MIXED = ("Q4_K_M", "Q5_K_M")


class Weight(Struct, frozen=True):
    """One tensor. `layer` is None for what is not part of a layer; `shape` is rows, then a row's length."""

    name: str
    layer: int | None
    shape: tuple[int, ...]
    type: str
    size_bytes: int


class Weights(Struct, frozen=True):
    """A model's weights, divided as llama.cpp divides them among devices.

    embedding_bytes: the token embedding, which is always in the computer's memory.
    output_bytes:    what turns the last layer's values into logits. Where the file has no such matrix
                     (`tied`), the embedding serves; on a GPU it is there a second time.
    """

    layer_bytes: tuple[int, ...]
    embedding_bytes: int
    output_bytes: int
    tied: bool

    @property
    def total_bytes(self) -> int:
        """Of all tensors in the file."""
        return sum(self.layer_bytes) + self.embedding_bytes + self.output_bytes

    @property
    def read_per_token_bytes(self) -> int:
        """What one token's evaluation has to read; of a mere look-up, next to nothing."""
        return self.total_bytes - (0 if self.tied else self.embedding_bytes)

    def on_gpu_bytes(self, gpu_layers: int) -> int:
        """In a GPU's memory. The output counts as the last layer, and is the first to go there."""
        if gpu_layers == 0:
            return 0
        output = self.output_bytes + (self.embedding_bytes if self.tied else 0)
        n = min(gpu_layers - 1, len(self.layer_bytes))
        return output + sum(self.layer_bytes[len(self.layer_bytes) - n :])

    def in_ram_bytes(self, gpu_layers: int) -> int:
        """In the computer's memory."""
        if gpu_layers == 0:
            return self.total_bytes
        n = len(self.layer_bytes) - min(gpu_layers - 1, len(self.layer_bytes))
        return self.embedding_bytes + sum(self.layer_bytes[:n])


class Need(Struct, frozen=True, kw_only=True):
    """The memory that a loaded model takes, in bytes; buffers are those of the greatest batch at full depth.

    process_bytes is the engine process itself; the daemon (37 MB) and the language server are not in it.
    """

    weights_ram_bytes: int
    weights_vram_bytes: int
    kv_ram_bytes: int
    kv_vram_bytes: int
    buffers_ram_bytes: int
    buffers_vram_bytes: int
    process_bytes: int

    @property
    def ram_bytes(self) -> int:
        return self.weights_ram_bytes + self.kv_ram_bytes + self.buffers_ram_bytes + self.process_bytes

    @property
    def vram_bytes(self) -> int:
        return self.weights_vram_bytes + self.kv_vram_bytes + self.buffers_vram_bytes

    @property
    def weights_bytes(self) -> int:
        return self.weights_ram_bytes + self.weights_vram_bytes

    @property
    def kv_bytes(self) -> int:
        return self.kv_ram_bytes + self.kv_vram_bytes

    @property
    def buffers_bytes(self) -> int:
        return self.buffers_ram_bytes + self.buffers_vram_bytes


# --- weights -----------------------------------------------------------------------------------------


def tensors(shape: Shape, quantization: Quantization) -> Iterator[Weight]:
    """Every tensor of a StarCoder2 model, with the type that llama.cpp's quantizer gives it.

    Source of the types: ggml-org/llama.cpp, src/llama-quant.cpp (`llama_tensor_get_type_impl`), for a model
    with tied embeddings and rows that are whole blocks, which those of the family are.
    """
    plain = _PLAIN[quantization]
    better = "Q6_K" if quantization in _MIXED else plain

    def weight(name: str, layer: int | None, kind: str, *dimensions: int) -> Weight:
        length, size = _BLOCKS[kind]
        assert dimensions[-1] % length == 0, f"rows of {name} are no whole blocks of {kind}"
        return Weight(name, layer, dimensions, kind, prod(dimensions) // length * size)

    def pair(name: str, layer: int | None, kind: str, *dimensions: int) -> Iterator[Weight]:
        yield weight(f"{name}.weight", layer, kind, *dimensions)
        yield weight(f"{name}.bias", layer, "F32", dimensions[0])

    # Tied to the output, so kept as exactly as an output matrix: Q6_K in every k-quant.
    embedding = "Q6_K" if quantization in (*_MIXED, "Q6_K") else plain
    yield weight("token_embd.weight", None, embedding, shape.vocabulary, shape.hidden)
    yield from pair("output_norm", None, "F32", shape.hidden)
    for i in range(shape.layers):
        sensitive = better if _uses_more_bits(i, shape.layers) else plain
        yield from pair(f"blk.{i}.attn_norm", i, "F32", shape.hidden)
        yield from pair(f"blk.{i}.attn_q", i, plain, shape.hidden, shape.hidden)
        yield from pair(f"blk.{i}.attn_k", i, plain, shape.kv_size, shape.hidden)
        yield from pair(f"blk.{i}.attn_v", i, sensitive, shape.value_size, shape.hidden)
        yield from pair(f"blk.{i}.attn_output", i, plain, shape.hidden, shape.hidden)
        yield from pair(f"blk.{i}.ffn_norm", i, "F32", shape.hidden)
        yield from pair(f"blk.{i}.ffn_up", i, plain, shape.ffn, shape.hidden)
        yield from pair(f"blk.{i}.ffn_down", i, sensitive, shape.hidden, shape.ffn)


def n_parameters(shape: Shape) -> int:
    """The numbers that a StarCoder2 model consists of."""
    return sum(prod(tensor.shape) for tensor in tensors(shape, "F16"))


def weights(shape: Shape, quantization: Quantization) -> Weights:
    """The weights of a StarCoder2 model in a quantization, without a file."""
    return _divided(
        shape.layers, ((tensor.name, tensor.size_bytes) for tensor in tensors(shape, quantization))
    )


def weights_of(layers: int, infos: Sequence[TensorInfo]) -> Weights:
    """The weights of a GGUF, by the table of tensors in its header."""
    return _divided(layers, ((tensor.name, tensor.size_bytes) for tensor in infos))


def _divided(layers: int, sizes: Iterator[tuple[str, int]]) -> Weights:
    layer_bytes = [0] * layers
    embedding = output = 0
    tied = True
    for name, size_bytes in sizes:
        first, _, rest = name.partition(".")
        number = rest.partition(".")[0]
        if first == "blk" and number.isdigit() and int(number) < layers:
            layer_bytes[int(number)] += size_bytes
        elif name == "token_embd.weight":
            embedding += size_bytes
        else:
            output += size_bytes
            tied = tied and name != "output.weight"
    return Weights(tuple(layer_bytes), embedding, output, tied)


def _uses_more_bits(layer: int, n_layers: int) -> bool:
    """Layers whose values and down-projections the mixtures (..._M) keep in Q6_K (`use_more_bits`)."""
    eighth = n_layers // 8
    return layer < eighth or layer >= 7 * n_layers // 8 or (layer - eighth) % 3 == 2


# --- cache and buffers -------------------------------------------------------------------------------


def cells(context_tokens: int) -> int:
    """The cells that llama.cpp makes for a context of so many tokens."""
    return -(-context_tokens // CELLS_ROUNDED_TO) * CELLS_ROUNDED_TO


def kv_bytes_per_token(shape: Shape, kv_type: KvType, n_layers: int | None = None) -> int:
    """Keys and values of one token, in all layers or in `n_layers` (llama-kv-cache.cpp)."""
    length, size = _KV_BYTES[kv_type]
    n = shape.layers if n_layers is None else n_layers
    return n * (shape.kv_size + shape.value_size) * size // length


def compute_bytes(
    shape: Shape, n_cells: int, *, flash_attention: bool, batch_tokens: int = BATCH_TOKENS
) -> int:
    """The greatest of what is alive at one time while a batch is evaluated: in attention, in the
    feed-forward part, or at the logits.

    Found from llama.cpp's log at five shapes and ten sizes (docs/models.md), all values being of 4 bytes: the
    mask is one for each cell (2 bytes with flash attention), the scores are one for each cell and head, five
    rows of the hidden size live beside them, and an index of 8 bytes for each value written into the cache.
    Exact where attention decides. At the logits two or three rows live; three are taken here.
    """
    row = 4 * shape.hidden
    mask = (2 if flash_attention else 4) * n_cells
    indices = 20 + (0 if flash_attention else 8 * shape.value_size)
    scores = 0 if flash_attention else 4 * shape.heads * n_cells
    attention = mask + scores + 5 * row + indices
    feed_forward = mask + 4 * shape.ffn + 3 * row + indices
    logits = 4 * shape.vocabulary + 3 * row
    return batch_tokens * max(attention, feed_forward, logits)


def output_bytes(shape: Shape) -> int:
    """The logits that are handed out: one row for each sequence."""
    return 4 * shape.vocabulary * N_SEQUENCES


def need(
    shape: Shape,
    model_weights: Weights,
    *,
    context_tokens: int,
    kv_type: KvType = "f16",
    gpu_layers: int = 0,
    n_gpus: int = 1,
    batch_tokens: int = BATCH_TOKENS,
) -> Need:
    """The memory of a model as the engine loads it.

    gpu_layers: how many go to GPUs; `shape.layers + 1` is all, the output included. 0 is the CPU alone.
    """
    n_cells = cells(context_tokens)
    n_on_gpu = max(min(gpu_layers - 1, shape.layers), 0)
    # Without a GPU the engine turns flash attention off, unless a quantized cache needs it.
    flash = gpu_layers > 0 or kv_type != "f16"
    whole = compute_bytes(shape, n_cells, flash_attention=flash, batch_tokens=batch_tokens)
    # With all layers on GPUs the inputs are made in the computer's memory: embedded tokens and the mask.
    inputs = batch_tokens * (4 * shape.hidden + 2 * n_cells)
    in_ram = inputs if gpu_layers > shape.layers else whole
    return Need(
        weights_ram_bytes=model_weights.in_ram_bytes(gpu_layers),
        weights_vram_bytes=model_weights.on_gpu_bytes(gpu_layers),
        kv_ram_bytes=n_cells * kv_bytes_per_token(shape, kv_type, shape.layers - n_on_gpu),
        kv_vram_bytes=n_cells * kv_bytes_per_token(shape, kv_type, n_on_gpu),
        buffers_ram_bytes=in_ram + output_bytes(shape),
        buffers_vram_bytes=whole * n_gpus if gpu_layers else 0,
        process_bytes=PROCESS_BYTES,
    )
