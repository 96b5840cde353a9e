"""What a GGUF's header says, as plain data, and the format's tables. Reading it is `gguf`'s work.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from enum import IntEnum

from msgspec import Struct

Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...]

TOKENS_KEY = "tokenizer.ggml.tokens"
TOKEN_TYPES_KEY = "tokenizer.ggml.token_type"  # noqa: S105
SCORES_KEY = "tokenizer.ggml.scores"
MERGES_KEY = "tokenizer.ggml.merges"


class ValueType(IntEnum):
    """The types of metadata values."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


class TokenType(IntEnum):
    """The entries of `tokenizer.ggml.token_type`."""

    UNDEFINED = 0
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


# Types that weights are stored in: number -> (name, elements in a block, bytes in a block). Those that
# ggml uses only while it computes (Q8_1, Q8_K) and the integer types never hold weights of a language model.
WEIGHT_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}

# `general.file_type`, llama.h's enum llama_ftype.
FILE_TYPES: dict[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}


class TensorInfo(Struct, frozen=True):
    """One tensor. `shape` is in GGUF's order (a row's length first), `offset` in bytes from `data_offset`."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size_bytes: int


class SpecialToken(Struct, frozen=True):
    """A token's text, and its type where the file tells types."""

    text: str
    type: TokenType | None


class Header(Struct, frozen=True, kw_only=True):
    """A GGUF's header, checked.

    metadata:       scalars, and arrays of at most 64 entries as tuples.
    array_lengths:  the number of entries of every array, those that were not kept included.
    special_tokens: by id, the tokens that a metadata key names (`..._token_id`), and those whose text is
                    known as a special token's; the rest of the vocabulary is not kept.
    data_offset:    where the tensors' data begins, in bytes.
    """

    version: int
    metadata: dict[str, Value]
    array_lengths: dict[str, int]
    special_tokens: dict[int, SpecialToken]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    file_size_bytes: int

    @property
    def architecture(self) -> str:
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        """The name that the file gives itself, "" when it gives none."""
        return self.text("general.name")

    @property
    def n_layers(self) -> int:
        return self.integer(f"{self.architecture}.block_count")

    @property
    def n_context_trained(self) -> int:
        """The positions that the model knows, in tokens."""
        return self.integer(f"{self.architecture}.context_length")

    @property
    def is_recurrent(self) -> bool:
        """Whether the model keeps one state for a text, in some or all layers, not a cell for each token.

        llama.cpp's files have the size of such a state under `ssm` (Mamba, Falcon-H1, Qwen3-Next) or `wkv`
        (RWKV). `llama_model_is_recurrent` and `llama_model_is_hybrid` say the same of a loaded model.
        """
        prefixes = (f"{self.architecture}.ssm.", f"{self.architecture}.wkv.")
        return any(key.startswith(prefixes) for key in self.metadata)

    @property
    def vocabulary_size(self) -> int:
        return self.array_lengths.get(TOKENS_KEY, 0)

    @property
    def file_type(self) -> str:
        """How most weights are stored: "Q4_K_M", "Q8_0", ...; else the largest tensor's type."""
        # llama.cpp adds 1024 to a type that it guessed.
        said = FILE_TYPES.get(self.integer("general.file_type", -1) & ~1024)
        return said or max(self.tensors, key=lambda tensor: tensor.size_bytes).type

    @property
    def weights_bytes(self) -> int:
        return sum(tensor.size_bytes for tensor in self.tensors)

    def text(self, key: str, default: str = "") -> str:
        """A string of the metadata; `default` when it is absent or not a string."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else default

    def integer(self, key: str, default: int = 0) -> int:
        """An integer of the metadata; `default` when it is absent or not an integer."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else default
