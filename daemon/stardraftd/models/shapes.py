"""The shapes of models: the published StarCoder2 family, and that of any GGUF by its header.

Numbers only. How many bytes they come to is `memory`'s work.
"""

from msgspec import Struct

from stardraftd.gguf.header import Header

# The tokens of every StarCoder2 model (bigcode/starcoder2-3b, config.json: vocab_size).
VOCABULARY = 49_152


class Shape(Struct, frozen=True):
    """Hyper-parameters of a model with plain attention.

    key_length, value_length: of one head; 0 is hidden / heads, as in StarCoder2.
    context: positions that it was trained with.
    """

    name: str
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    context: int
    rope_base: float
    key_length: int = 0
    value_length: int = 0
    vocabulary: int = VOCABULARY

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def kv_size(self) -> int:
        """Values of one token's keys, in one layer."""
        return (self.key_length or self.head_size) * self.kv_heads

    @property
    def value_size(self) -> int:
        """Values of one token's values, in one layer; in StarCoder2 as many as `kv_size`."""
        return (self.value_length or self.head_size) * self.kv_heads


# bigcode/starcoder2-{3b,7b,15b}, config.json.
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("starcoder2-3b", 30, 3072, 12288, 24, 2, 16384, 999999.4420358813),
        Shape("starcoder2-7b", 32, 4608, 18432, 36, 4, 16384, 1000000.0),
        Shape("starcoder2-15b", 40, 6144, 24576, 48, 4, 16384, 100000.0),
    )
}


def shape_of(header: Header, name: str) -> Shape:
    """The shape of a GGUF.

    Where layers differ from each other the greatest number counts, so memory is rather over-estimated. A
    feed-forward part with a gate has two rows of `ffn` at a time; `ffn` is then twice what the file names.
    """
    prefix = header.architecture
    heads = max(_greatest(header, f"{prefix}.attention.head_count", 1), 1)
    gated = any("ffn_gate." in tensor.name or "ffn_gate_exps." in tensor.name for tensor in header.tensors)
    base = header.metadata.get(f"{prefix}.rope.freq_base", 10_000.0)
    return Shape(
        name=name,
        layers=header.n_layers,
        hidden=header.integer(f"{prefix}.embedding_length"),
        ffn=_greatest(header, f"{prefix}.feed_forward_length", 0) * (2 if gated else 1),
        heads=heads,
        kv_heads=_greatest(header, f"{prefix}.attention.head_count_kv", heads),
        context=header.n_context_trained,
        rope_base=float(base) if isinstance(base, int | float) else 10_000.0,
        key_length=header.integer(f"{prefix}.attention.key_length"),
        value_length=header.integer(f"{prefix}.attention.value_length"),
        vocabulary=header.vocabulary_size,
    )


def _greatest(header: Header, key: str, default: int) -> int:
    """An integer of the metadata, or the greatest of one for each layer."""
    value = header.metadata.get(key)
    if isinstance(value, tuple):
        return max((one for one in value if isinstance(one, int)), default=default)
    return header.integer(key, default)
