"""What a GGUF's values have to be together, so that llama.cpp can load and run the model without aborting.

Single values and sizes are checked where they are read (`gguf`). Here: the architecture, the
hyper-parameters that llama.cpp divides by or asserts on, the vocabulary, and the tensors' types.
"""

from collections.abc import Mapping
from pathlib import Path

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelUnsupportedError
from stardraftd.gguf.header import MERGES_KEY, SCORES_KEY, TOKEN_TYPES_KEY, TOKENS_KEY, Header

# Architectures of models that were trained for fill-in-the-middle, by llama.cpp's names.
ARCHITECTURES = frozenset(
    {
        "codeshell",
        "deepseek2",
        "falcon-h1",
        "gemma",
        "glm4moe",
        "granite",
        "granitemoe",
        "llama",
        "qwen2",
        "qwen2moe",
        "qwen3",
        "qwen3moe",
        "qwen3next",
        "refact",
        "seed_oss",
        "stablelm",
        "starcoder",
        "starcoder2",
    }
)
TOKENIZERS = ("gpt2", "llama")

USE_ANOTHER = (
    "Use a model trained for fill-in-the-middle, such as StarCoder2-3B; "
    "the built-in model is one, too: stardraft model use built-in."
)
CONVERT_AGAIN = "Download the model again, or convert it again with a current llama.cpp."

# Key below the architecture's name, the least and the greatest value that a model can have. The required
# ones are those that llama.cpp itself cannot do without.
_REQUIRED = (
    ("block_count", 1, 512),
    ("context_length", 1, 16_777_216),
    ("embedding_length", 1, 65_536),
    ("attention.head_count", 1, 1024),
)
_OPTIONAL = (
    ("feed_forward_length", 0, 1_048_576),
    ("attention.head_count_kv", 0, 1024),
    ("attention.key_length", 1, 4096),
    ("attention.value_length", 1, 4096),
    ("attention.sliding_window", 0, 16_777_216),
    ("rope.dimension_count", 2, 4096),  # at 0 ggml's rotation never ends
    ("vocab_size", 1, 1_048_576),
    ("expert_count", 0, 1024),
    ("expert_used_count", 0, 1024),
    ("expert_shared_count", 0, 1024),
    ("expert_group_count", 0, 1024),
    ("expert_group_used_count", 0, 1024),
    ("leading_dense_block_count", 0, 512),
    ("nextn_predict_layers", 0, 511),
    ("ssm.conv_kernel", 1, 64),
    ("ssm.inner_size", 1, 1_048_576),
    ("ssm.state_size", 1, 65_536),
    ("ssm.time_step_rank", 1, 65_536),
    ("ssm.group_count", 1, 65_536),
)
# llama.cpp ends the process at any other (llama-model.cpp, llama_rope_scaling_type_from_string).
_ROPE_SCALING = ("none", "linear", "yarn", "longrope")

# llama.cpp writes a token with a character outside GPT-2's byte alphabet out in full, for each such character
# (llama-vocab.cpp, llama_decode_text): at about 100 ns a byte of it.
MAX_TOKEN_BYTES = 1024
MAX_REWRITTEN_BYTES = 10_000_000
# The characters that stand for the 256 bytes (openai/gpt-2, encoder.py, bytes_to_unicode).
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_WITHOUT_ALPHABET = dict.fromkeys((*_PRINTABLE, *range(0x100, 0x100 + 256 - len(_PRINTABLE))))


def check_header(header: Header, path: Path) -> None:
    """Raises ModelUnsupportedError or ModelFormatError when llama.cpp should not be given this file."""
    _check_kind(header, path)
    _check_hyperparameters(header, path)
    _check_tensors(header, path)


def check_vocabulary(header: Header, path: Path, token_ids: Mapping[bytes, int]) -> None:
    """Checks the tokenizer's parts against each other. `token_ids` is the whole vocabulary.

    Raises ModelUnsupportedError or ModelFormatError.
    """
    model = header.text("tokenizer.ggml.model")
    if not token_ids:
        raise ModelUnsupportedError(
            f"{path} has no vocabulary (key '{TOKENS_KEY}'): it is not a whole language model.", USE_ANOTHER
        )
    if model not in TOKENIZERS:
        raise ModelUnsupportedError(
            f"{path} has a tokenizer of the kind {model[:40]!r}; {' and '.join(TOKENIZERS)} can be used.",
            USE_ANOTHER,
        )
    n = len(token_ids)
    for key in (TOKEN_TYPES_KEY, SCORES_KEY):
        length = header.array_lengths.get(key, n)
        if length != n:
            raise ModelFormatError(
                f"{path}: '{key}' has {counted(length, 'entry', 'entries')} for a vocabulary of "
                f"{counted(n, 'token')}.",
                CONVERT_AGAIN,
            )
    if model == "gpt2" and MERGES_KEY not in header.array_lengths:
        raise ModelFormatError(f"{path}: the tokenizer's merges ('{MERGES_KEY}') are missing.", CONVERT_AGAIN)
    _check_tokens(header, token_ids, path, byte_alphabet=model == "gpt2")
    if model == "gpt2":
        missing = [byte for byte in b"\n\t" + bytes(range(0x20, 0x7F)) if not _spelled(byte, token_ids)]
        if missing:
            raise ModelFormatError(
                f"{path}: the vocabulary has no token for the byte 0x{missing[0]:02X}.", CONVERT_AGAIN
            )
    if model == "llama":
        # What no token spells is tokenised byte by byte; llama.cpp ends the process if one is not there.
        for byte in range(256):
            if b"<0x%02X>" % byte not in token_ids and bytes([byte]) not in token_ids:
                raise ModelFormatError(
                    f"{path}: the vocabulary has no token for the byte 0x{byte:02X}.", CONVERT_AGAIN
                )


def _spelled(byte: int, token_ids: Mapping[bytes, int]) -> bool:
    """Whether a byte is a token by itself; those below 0x21 stand 256 higher in GPT-2's alphabet."""
    return chr(byte if byte > 0x20 else byte + 0x100).encode() in token_ids


def _foreign(text: bytes) -> str:
    """The characters of UTF-8 `text` that are not in GPT-2's byte alphabet."""
    return text.decode("utf-8", "replace").translate(_WITHOUT_ALPHABET)


def _check_tokens(header: Header, token_ids: Mapping[bytes, int], path: Path, *, byte_alphabet: bool) -> None:
    """What reading the vocabulary costs llama.cpp is bounded: a file could keep it busy for hours."""
    longest = max(token_ids, key=len)
    if len(longest) > MAX_TOKEN_BYTES:
        raise ModelFormatError(
            f"{path}: the token {token_ids[longest]:,} has {counted(len(longest), 'byte')}; the most are "
            f"{MAX_TOKEN_BYTES:,}.",
            CONVERT_AGAIN,
        )
    if not byte_alphabet or not _foreign(b"\n".join(token_ids)).strip("\n"):
        return
    costs = [len(_foreign(token)) * len(token) for token in token_ids]
    n_rewritten, dearest = sum(costs), max(costs)
    n_repeated = header.vocabulary_size - len(token_ids)
    if n_rewritten + n_repeated * dearest > MAX_REWRITTEN_BYTES:
        raise ModelFormatError(
            f"{path}: the vocabulary is not in the byte alphabet that its kind of tokenizer has "
            "(tokenizer.ggml.model is 'gpt2'); llama.cpp would need minutes or hours to read it.",
            CONVERT_AGAIN,
        )


def _check_kind(header: Header, path: Path) -> None:
    kind = header.text("general.type", "model")
    if kind != "model":
        raise ModelUnsupportedError(
            f"{path} is not a model but a part of one (general.type is {kind[:40]!r}).", USE_ANOTHER
        )
    if header.integer("split.count") > 1:
        raise ModelUnsupportedError(
            f"{path} is one of {counted(header.integer('split.count'), 'file')} of a split model; "
            "it cannot be loaded in parts.",
            "Join them first: `llama-gguf-split --merge FIRST-FILE OUTPUT.gguf`, then use the output.",
        )
    if header.architecture not in ARCHITECTURES:
        raise ModelUnsupportedError(
            f"{path} is of the architecture {header.architecture[:40]!r}; those of models that complete code "
            f"inside a file are {', '.join(sorted(ARCHITECTURES))}.",
            USE_ANOTHER,
        )
    if not header.tensors:
        raise ModelUnsupportedError(
            f"{path} has a vocabulary but no weights: it is not a whole model.", USE_ANOTHER
        )


def _check_hyperparameters(header: Header, path: Path) -> None:
    for key, least, greatest in _REQUIRED + _OPTIONAL:
        name = f"{header.architecture}.{key}"
        if name not in header.metadata and name not in header.array_lengths:
            if (key, least, greatest) in _REQUIRED:
                raise ModelFormatError(f"{path}: the key '{name}' is missing.", CONVERT_AGAIN)
            continue
        value = header.metadata.get(name)
        # Some architectures give a value per layer.
        if value == () or (isinstance(value, tuple) and len(value) != header.n_layers):
            raise ModelFormatError(
                f"{path}: the key '{name}' has {counted(len(value), 'value')}; "
                f"it has to be one number, or one for each of {counted(header.n_layers, 'layer')}.",
                CONVERT_AGAIN,
            )
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= greatest:
                shown = "an array" if number is None else repr(number)[:40]
                raise ModelFormatError(
                    f"{path}: the key '{name}' is {shown}; "
                    f"it has to be a whole number from {least:,} to {greatest:,}.",
                    CONVERT_AGAIN,
                )
    for key in ("rope.freq_base", "attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon"):
        name = f"{header.architecture}.{key}"
        real = header.metadata.get(name, 1.0)
        if not isinstance(real, float) or not 0 <= real < 1e30:
            raise ModelFormatError(
                f"{path}: the key '{name}' is {repr(real)[:40]}, not a sensible number.", CONVERT_AGAIN
            )
    _check_together(header, path)
    if header.architecture == "starcoder2":
        _check_heads(header, path)


def _check_together(header: Header, path: Path) -> None:
    """Numbers that llama.cpp asserts to fit to each other."""
    prefix = header.architecture
    n_experts = header.integer(f"{prefix}.expert_count")
    used = _by_layer(header, "expert_used_count")
    n_groups = header.integer(f"{prefix}.expert_group_count")
    n_predicting = header.integer(f"{prefix}.nextn_predict_layers")
    width = header.integer(f"{prefix}.embedding_length") // max(1, *_by_layer(header, "attention.head_count"))
    head_size = header.integer(f"{prefix}.attention.key_length", width)
    n_rotated = header.integer(f"{prefix}.rope.dimension_count", head_size)
    wrong = ""
    if n_experts and not all(1 <= n <= n_experts for n in used or (0,)):
        wrong = f"{max(used, default=0):,} of {n_experts:,} experts are used"
    elif not n_experts and any(used):
        wrong = f"{max(used):,} experts are used, but there are none"
    elif n_groups and (not n_experts or n_experts % n_groups):
        wrong = f"{n_experts:,} experts in {n_groups:,} groups"
    elif n_predicting >= header.n_layers:
        wrong = f"layers that predict further tokens: {n_predicting:,} of {header.n_layers:,}"
    elif header.integer(f"{prefix}.leading_dense_block_count") > header.n_layers:
        wrong = "there are more leading dense layers than layers"
    elif head_size < 1:
        wrong = "there are more heads than embedding dimensions"
    elif n_rotated > head_size or n_rotated % 2:
        wrong = f"rotated dimensions of a head: {n_rotated:,} of {head_size:,}"
    if wrong:
        raise ModelFormatError(f"{path}: the numbers do not fit together: {wrong}.", CONVERT_AGAIN)
    scaling = header.metadata.get(f"{prefix}.rope.scaling.type", "none")
    if scaling not in _ROPE_SCALING:
        raise ModelFormatError(
            f"{path}: the key '{prefix}.rope.scaling.type' is {repr(scaling)[:40]}; "
            f"it has to be one of {', '.join(_ROPE_SCALING)}.",
            CONVERT_AGAIN,
        )


def _by_layer(header: Header, key: str) -> tuple[int, ...]:
    """The integers of a key below the architecture's name: one, or one for each layer; () when absent."""
    value = header.metadata.get(f"{header.architecture}.{key}", ())
    values = value if isinstance(value, tuple) else (value,)
    return tuple(one for one in values if isinstance(one, int) and not isinstance(one, bool))


def _check_heads(header: Header, path: Path) -> None:
    """llama.cpp's StarCoder2 asserts that a head's width, keys, values and rotation are of one size."""
    width = header.integer("starcoder2.embedding_length")
    heads = header.integer("starcoder2.attention.head_count")
    kv_heads = header.integer("starcoder2.attention.head_count_kv", heads)
    if not heads or not kv_heads or width % heads or heads % kv_heads or width // heads % 2:
        raise ModelFormatError(
            f"{path}: {width:,} embedding dimensions, {heads} heads and {kv_heads} KV heads "
            "do not fit together.",
            CONVERT_AGAIN,
        )
    for key in ("rope.dimension_count", "attention.key_length", "attention.value_length"):
        dimensions = header.integer(f"starcoder2.{key}", width // heads)
        if dimensions != width // heads:
            raise ModelFormatError(
                f"{path}: the key 'starcoder2.{key}' is {dimensions}, "
                f"but a head has {counted(width // heads, 'dimension')}.",
                CONVERT_AGAIN,
            )


def _check_tensors(header: Header, path: Path) -> None:
    for tensor in header.tensors:
        # Norms and biases: llama.cpp writes them as F32 only, and its kernels abort on some other types.
        if len(tensor.shape) == 1 and tensor.type != "F32":
            raise ModelFormatError(
                f"{path}: the tensor '{tensor.name}' has one dimension and is stored as {tensor.type}; "
                "norms and biases have to be F32.",
                CONVERT_AGAIN,
            )
    embedding = next((tensor for tensor in header.tensors if tensor.name == "token_embd.weight"), None)
    wanted = (header.integer(f"{header.architecture}.embedding_length"), header.vocabulary_size)
    if embedding is None:
        raise ModelFormatError(f"{path}: the tensor 'token_embd.weight' is missing.", CONVERT_AGAIN)
    if embedding.shape != wanted:
        raise ModelFormatError(
            f"{path}: the tensor 'token_embd.weight' has the shape {list(embedding.shape)}; "
            f"with this vocabulary and embedding length it has to be {list(wanted)}.",
            CONVERT_AGAIN,
        )
