"""StarCoder2 as its config.json describes it, and each of its tensors' place in a GGUF.

Only what llama.cpp's StarCoder2 computes is accepted (src/models/starcoder2.cpp): layer norms, the tanh form
of GELU, plain rotary positions. Another architecture's checkpoint is refused by name.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from stardraft_quant.convert.checkpoint import Checkpoint, StoredTensor
from stardraft_quant.convert.json_file import DOWNLOAD_AGAIN
from stardraft_quant.convert.values import same_values
from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelUnsupportedError
from stardraftd.patterns import linear

ARCHITECTURE = "Starcoder2ForCausalLM"
GELU = ("gelu_pytorch_tanh", "gelu_new", "gelu_fast")  # three names of one function
OUTPUT = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"
# Computed, not learnt; old programs stored them.
_NOT_WEIGHTS = (".rotary_emb.inv_freq", ".attention.masked_bias", ".attention.bias")
# llama.cpp does not load a StarCoder2 without these, also when the model was trained without biases.
_REQUIRED_BIASES = ("attn_output", "ffn_up", "ffn_down")


class Hyperparameters(Struct, frozen=True):
    """The numbers of a StarCoder2. `sliding_window` in tokens, None where all positions are seen."""

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int
    rope_base: float
    norm_epsilon: float
    biases: bool
    tied: bool
    sliding_window: int | None
    head_size_said: int | None

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads


class Placed(Struct, frozen=True):
    """A tensor of the GGUF: name, shape (rows first), and where it is stored; all zeros without a source."""

    name: str
    shape: tuple[int, ...]
    source: StoredTensor | None

    @property
    def is_vector(self) -> bool:
        """Norms and biases, which stay 32-bit floats in every file type."""
        return len(self.shape) == 1


class Plan(Struct, frozen=True):
    """What is written, in the file's order; and what of the checkpoint is left out, with the reason."""

    tensors: tuple[Placed, ...]
    notes: tuple[str, ...]

    @property
    def zeros(self) -> tuple[str, ...]:
        return tuple(tensor.name for tensor in self.tensors if tensor.source is None)


def read_hyperparameters(config: dict[str, Any]) -> Hyperparameters:
    """Reads a config.json. Raises ModelUnsupportedError (another model), ModelFormatError (a wrong value)."""
    _check_architecture(config)
    rope_base = _rope_base(config)
    window = config.get("sliding_window")
    head_size = config.get("head_dim")
    read = Hyperparameters(
        layers=_whole(config, "num_hidden_layers", 1, 512),
        hidden=_whole(config, "hidden_size", 2, 65_536),
        ffn=_whole(config, "intermediate_size", 1, 1_048_576),
        heads=_whole(config, "num_attention_heads", 1, 1024),
        kv_heads=_whole(config, "num_key_value_heads", 1, 1024),
        vocabulary=_whole(config, "vocab_size", 1, 262_144),
        context=_whole(config, "max_position_embeddings", 1, 16_777_216),
        rope_base=rope_base,
        norm_epsilon=_positive("norm_epsilon", config.get("norm_epsilon", 1e-5)),
        biases=_flag(config, "use_bias"),
        tied=_flag(config, "tie_word_embeddings"),
        sliding_window=None if window is None else _whole(config, "sliding_window", 1, 16_777_216),
        head_size_said=None if head_size is None else _whole(config, "head_dim", 1, 65_536),
    )
    if read.hidden % read.heads or read.heads % read.kv_heads or read.head_size % 2:
        raise ModelFormatError(
            f"config.json: a hidden size of {read.hidden:,}, {read.heads} heads and {read.kv_heads} "
            "key-value heads do not fit together.",
            DOWNLOAD_AGAIN,
        )
    if read.head_size_said not in (None, read.head_size):
        raise ModelUnsupportedError(
            f"config.json: heads of {counted(read.head_size_said, 'dimension')}; llama.cpp's StarCoder2 "
            "has heads of "
            f"hidden_size / num_attention_heads, here {read.head_size}.",
            "Such a model cannot be converted.",
        )
    return read


def _check_architecture(config: dict[str, Any]) -> None:
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else None
    if named != ARCHITECTURE:
        told = (
            f"of the architecture {str(named)[:60]!r}" if named else "without 'architectures' in config.json"
        )
        raise ModelUnsupportedError(
            f"This is a checkpoint {told}; only {ARCHITECTURE} is converted here.",
            "Convert other models with llama.cpp's convert_hf_to_gguf.py: whoever made it, a GGUF with "
            "fill-in-the-middle tokens can be used.",
        )
    for key, wanted in (("hidden_act", GELU), ("norm_type", ("layer_norm",)), ("mlp_type", ("default",))):
        if (said := config.get(key, wanted[0])) not in wanted:
            raise ModelUnsupportedError(
                f"config.json: '{key}' is {str(said)[:40]!r}; llama.cpp's StarCoder2 computes {wanted[0]!r}.",
                "Converted it would give wrong answers, so it is not.",
            )


def _rope_base(config: dict[str, Any]) -> float:
    parameters = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(parameters, dict):
        raise ModelFormatError("config.json: 'rope_parameters' has to be an object.", DOWNLOAD_AGAIN)
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    if kind not in ("default", None):
        raise ModelUnsupportedError(
            f"config.json: rotary positions of the kind {str(kind)[:40]!r}; only plain ones are converted.",
            "Use the model as it was published, without a stretched context.",
        )
    return _positive("rope_theta", parameters.get("rope_theta", config.get("rope_theta", 10_000.0)))


def _whole(config: dict[str, Any], key: str, least: int, greatest: int) -> int:
    value = config.get(key)
    if type(value) is not int or not least <= value <= greatest:
        said = "missing" if value is None else f"{value!r}"[:40]
        raise ModelFormatError(
            f"config.json: '{key}' is {said}; it has to be a whole number from {least:,} to {greatest:,}.",
            DOWNLOAD_AGAIN,
        )
    return value


def _positive(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise ModelFormatError(
            f"config.json: '{key}' is {repr(value)[:40]}; it has to be a positive number.", DOWNLOAD_AGAIN
        )
    return float(value)


def _flag(config: dict[str, Any], key: str) -> bool:
    """A flag that is true where nothing is said, as in transformers' Starcoder2Config."""
    value = config.get(key, True)
    if not isinstance(value, bool):
        raise ModelFormatError(f"config.json: '{key}' has to be true or false.", DOWNLOAD_AGAIN)
    return value


def expected_shapes(wanted: Hyperparameters) -> dict[str, tuple[int, ...]]:
    """Every tensor of such a checkpoint, by its stored name; the output matrix only where it is not tied."""
    hidden, kv = wanted.hidden, wanted.head_size * wanted.kv_heads
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (wanted.vocabulary, hidden)}
    norms = ["model.norm"]
    for layer in range(wanted.layers):
        stem = f"model.layers.{layer}"
        norms += [f"{stem}.input_layernorm", f"{stem}.post_attention_layernorm"]
        for part, rows, columns in (
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", kv, hidden),
            ("self_attn.v_proj", kv, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.c_fc", wanted.ffn, hidden),
            ("mlp.c_proj", hidden, wanted.ffn),
        ):
            shapes[f"{stem}.{part}.weight"] = (rows, columns)
            if wanted.biases:
                shapes[f"{stem}.{part}.bias"] = (rows,)
    for norm in norms:
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (hidden,)
    if not wanted.tied:
        shapes[OUTPUT] = (wanted.vocabulary, hidden)
    return shapes


_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_LAYER = linear(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)")


def gguf_name(stored: str) -> str:
    """`model.layers.3.mlp.c_fc.bias` -> `blk.3.ffn_up.bias`."""
    if match := _LAYER.fullmatch(stored):
        layer, part, kind = match.groups()
        return f"blk.{layer}.{_PARTS[part]}.{kind}"
    stem, _, kind = stored.rpartition(".")
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    return f"{names[stem]}.{kind}"


def plan(checkpoint: Checkpoint, wanted: Hyperparameters) -> Plan:
    """Matches what is stored with what the configuration says; the order is that of the checkpoint.

    Raises ModelFormatError for a tensor that is missing, unknown, or of another shape.
    """
    shapes = expected_shapes(wanted)
    notes: list[str] = []
    placed: list[Placed] = []
    for stored in checkpoint.tensors:
        if stored.name.endswith(_NOT_WEIGHTS):
            continue
        if stored.name == OUTPUT and wanted.tied:
            notes.append(_second_copy(checkpoint.tensors, stored))
            continue
        shape = shapes.pop(stored.name, None)
        if shape is None:
            raise ModelFormatError(
                f"{stored.file.name} has a tensor '{stored.name[:80]}' that a StarCoder2 of this "
                "configuration does not have.",
                "Convert a checkpoint as it was published: adapters have to be merged, and config.json "
                "has to be the one that belongs to the weights.",
            )
        if stored.shape != shape:
            raise ModelFormatError(
                f"{stored.file.name}: the tensor '{stored.name}' has the shape {list(stored.shape)}; "
                f"by config.json it has to be {list(shape)}.",
                "Check that config.json belongs to these weights.",
            )
        placed.append(Placed(gguf_name(stored.name), shape, stored))
    if shapes:
        named = ", ".join(list(shapes)[:3]) + (f" and {len(shapes) - 3} more" if len(shapes) > 3 else "")
        raise ModelFormatError(f"Tensors are missing in {checkpoint.folder}: {named}.", DOWNLOAD_AGAIN)
    return Plan(tensors=(*placed, *_zero_biases(wanted)), notes=tuple(notes))


def _second_copy(tensors: Sequence[StoredTensor], output: StoredTensor) -> str:
    embedding = next((tensor for tensor in tensors if tensor.name == EMBEDDING), None)
    if embedding is None or not same_values(embedding, output):
        raise ModelFormatError(
            f"By config.json the output matrix is the embedding ('tie_word_embeddings'), but {OUTPUT} in "
            f"{output.file.name} holds other numbers.",
            "If the output matrix is meant to be used, set tie_word_embeddings to false in config.json.",
        )
    return f"{OUTPUT} is left out: it repeats the embedding, which is the output matrix too."


def _zero_biases(wanted: Hyperparameters) -> list[Placed]:
    if wanted.biases:
        return []
    return [
        Placed(f"blk.{layer}.{part}.bias", (wanted.ffn if part == "ffn_up" else wanted.hidden,), None)
        for layer in range(wanted.layers)
        for part in _REQUIRED_BIASES
    ]
