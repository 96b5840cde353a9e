"""Small StarCoder2 models for tests: random ones of any shape, and the built-in one in F32.

They carry the real tokenizer, copied from the built-in model's GGUF, so every test speaks real sentinels.
Also here: any such GGUF as the reference implementation, transformers' Starcoder2.
"""

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from gguf.quants import dequantize
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
BUILT_IN = ROOT / "daemon/stardraftd/models/stardraft-tiny-Q8_0.gguf"

FIM_KEYS = {"fim_pre_token_id": 1, "fim_mid_token_id": 2, "fim_suf_token_id": 3, "fim_pad_token_id": 4}
SEPARATOR_KEYS = {"fim_rep_token_id": 5, "fim_sep_token_id": 6}


@lru_cache(maxsize=1)
def real_tokenizer() -> tuple[list[str], list[int], list[str]]:
    """Tokens, token types and merges of the built-in model, which are StarCoder2's own."""
    fields = gguf.GGUFReader(BUILT_IN).fields
    return (
        fields["tokenizer.ggml.tokens"].contents(),
        fields["tokenizer.ggml.token_type"].contents(),
        fields["tokenizer.ggml.merges"].contents(),
    )


def _tokenizer(vocabulary: int) -> tuple[list[str], list[int], list[str]]:
    """The real tokenizer, or its first `vocabulary` tokens and the merges that make them."""
    tokens, types, merges = real_tokenizer()
    if vocabulary < len(tokens):
        tokens, types = tokens[:vocabulary], types[:vocabulary]
        known = set(tokens)
        merges = [merge for merge in merges if {*merge.split(" "), merge.replace(" ", "")} <= known]
    return tokens, types, merges


def _add_tokenizer(writer: gguf.GGUFWriter, tokens: list[str], types: list[int], merges: list[str]) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)


def random_model() -> Path:
    """A random StarCoder2 of 0.6 million parameters and 8,192 tokens, sentinels among them; made once.

    What the planner and the cache do needs a model, but no trained one. This one is a fifth as expensive as
    the built-in one, and it sees more: change one character anywhere in a file, and it says something else.
    """
    return _kept("random", layers=2, heads=4, kv_heads=2, vocabulary=8192, sharpness=3.0)


def slow_model() -> Path:
    """A random StarCoder2 that reads 1,800 tokens for a second: time enough for a test to come between."""
    return _kept("slow", layers=4, hidden=512, ffn=1024, heads=8, kv_heads=2, vocabulary=8192, dtype="F16")


def _kept(name: str, **shape: Any) -> Path:
    """A random model that is written once for all runs of this checkout."""
    made_by = hashlib.sha256(Path(__file__).read_bytes() + BUILT_IN.read_bytes()[:65536]).hexdigest()[:12]
    path = ROOT / "build" / "tests" / f"{name}-{made_by}.gguf"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        write_tiny_model(unfinished, context=16_384, **shape).replace(path)
    return path


def write_tiny_model(
    path: Path,
    *,
    layers: int = 1,
    hidden: int = 64,
    ffn: int = 128,
    heads: int = 2,
    kv_heads: int = 1,
    context: int = 512,
    seed: int = 0,
    dtype: Literal["F32", "F16"] = "F32",
    fim: bool = True,
    sep_keys: bool = True,
    vocabulary: int = 49_152,
    sharpness: float = 1.0,
) -> Path:
    """Writes a random StarCoder2 to `path` and returns it.

    fim=False leaves the FIM keys out and renames the tokens: a model without fill-in-the-middle.
    sep_keys=False leaves out the keys of `<repo_name>` and `<file_sep>`, as most published files do.
    vocabulary below 49,152 keeps the first tokens (at least 320: the special ones and all bytes).
    sharpness: with 1 a token attends to all others alike, and says itself again; with 3 it attends to
    few, and what it says depends on which they are and where they stand.
    """
    tokens, types, merges = _tokenizer(vocabulary)
    if not fim:
        tokens = [f"<reserved_{i}>" if 0 < i < 7 else token for i, token in enumerate(tokens)]
    writer = gguf.GGUFWriter(path, "starcoder2")
    writer.add_name("tiny random model")
    writer.add_block_count(layers)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if dtype == "F32" else gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, tokens, types, merges)
    keys = (FIM_KEYS if fim else {}) | (SEPARATOR_KEYS if fim and sep_keys else {})
    for key, token in keys.items():
        writer.add_uint32(f"tokenizer.ggml.{key}", token)
    for name, values in _random_weights(
        len(tokens), layers, hidden, ffn, heads, kv_heads, seed, sharpness
    ).items():
        writer.add_tensor(name, values.astype(np.float16) if dtype == "F16" and values.ndim > 1 else values)
    _write(writer)
    return path


def _random_weights(
    vocabulary: int,
    layers: int,
    hidden: int,
    ffn: int,
    heads: int,
    kv_heads: int,
    seed: int,
    sharpness: float,
) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, gain: float = 1.0) -> NDArray[np.float32]:
        return np.asarray(gain * random.standard_normal((rows, columns)) / np.sqrt(columns), np.float32)

    def vector(size: int, mean: float = 0.0) -> NDArray[np.float32]:
        return np.asarray(mean + 0.1 * random.standard_normal(size), np.float32)

    kv = hidden // heads * kv_heads
    weights = {"token_embd.weight": matrix(vocabulary, hidden)}
    for layer in range(layers):
        for name, rows, columns in (
            ("attn_q", hidden, hidden),
            ("attn_k", kv, hidden),
            ("attn_v", kv, hidden),
            ("attn_output", hidden, hidden),
            ("ffn_up", ffn, hidden),
            ("ffn_down", hidden, ffn),
        ):
            gain = sharpness if name in ("attn_q", "attn_k") else 1.0
            weights[f"blk.{layer}.{name}.weight"] = matrix(rows, columns, gain)
            weights[f"blk.{layer}.{name}.bias"] = vector(rows)
        for name in ("attn_norm", "ffn_norm"):
            weights[f"blk.{layer}.{name}.weight"] = vector(hidden, mean=1.0)
            weights[f"blk.{layer}.{name}.bias"] = vector(hidden)
    return weights | {"output_norm.weight": vector(hidden, mean=1.0), "output_norm.bias": vector(hidden)}


def write_hybrid_model(
    path: Path, *, layers: int = 2, hidden: int = 64, vocabulary: int = 4096, seed: int = 0
) -> Path:
    """Writes a random Falcon-H1 (attention and a Mamba-2 state in every layer) to `path` and returns it.

    It carries StarCoder2's tokenizer. llama.cpp can drop and copy its sequences only as a whole.
    """
    heads, kv_heads, ffn = 2, 1, 128
    conv, inner, state, groups, ssm_heads = 4, 128, 16, 1, 4
    tokens, types, merges = _tokenizer(vocabulary)
    writer = gguf.GGUFWriter(path, "falcon-h1")
    writer.add_name("tiny random hybrid")
    writer.add_block_count(layers)
    writer.add_context_length(1024)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(conv)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(ssm_heads)
    writer.add_ssm_group_count(groups)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, tokens, types, merges)
    for key, token in (FIM_KEYS | SEPARATOR_KEYS).items():
        writer.add_uint32(f"tokenizer.ggml.{key}", token)
    random = np.random.default_rng(seed)

    def tensor(name: str, *shape: int, mean: float = 0.0, deviation: float | None = None) -> None:
        spread = deviation if deviation is not None else 1 / np.sqrt(shape[-1])
        writer.add_tensor(name, np.asarray(mean + spread * random.standard_normal(shape), np.float32))

    conv_width = inner + 2 * groups * state
    kv = hidden // heads * kv_heads
    tensor("token_embd.weight", vocabulary, hidden)
    tensor("output_norm.weight", hidden, mean=1.0, deviation=0.1)
    for layer in range(layers):
        block = f"blk.{layer}"
        tensor(f"{block}.attn_norm.weight", hidden, mean=1.0, deviation=0.1)
        tensor(f"{block}.ssm_in.weight", inner + conv_width + ssm_heads, hidden)
        tensor(f"{block}.ssm_conv1d.weight", conv_width, conv)
        tensor(f"{block}.ssm_conv1d.bias", conv_width, deviation=0.1)
        tensor(f"{block}.ssm_dt.bias", ssm_heads, deviation=0.1)
        tensor(f"{block}.ssm_a", ssm_heads, 1, mean=-1.0, deviation=0.1)
        tensor(f"{block}.ssm_d", ssm_heads, 1, mean=1.0, deviation=0.1)
        tensor(f"{block}.ssm_out.weight", hidden, inner)
        tensor(f"{block}.attn_q.weight", hidden, hidden)
        tensor(f"{block}.attn_k.weight", kv, hidden)
        tensor(f"{block}.attn_v.weight", kv, hidden)
        tensor(f"{block}.attn_output.weight", hidden, hidden)
        tensor(f"{block}.ffn_norm", hidden, mean=1.0, deviation=0.1)
        tensor(f"{block}.ffn_gate.weight", ffn, hidden)
        tensor(f"{block}.ffn_up.weight", ffn, hidden)
        tensor(f"{block}.ffn_down.weight", hidden, ffn)
    _write(writer)
    return path


def rewrite(
    source: Path,
    path: Path,
    add: Callable[[gguf.GGUFWriter], object] = lambda writer: None,
    *,
    drop: tuple[str, ...] = (),
    as_f32: bool = False,
) -> Path:
    """Copies the GGUF `source` to `path`, without the keys in `drop` and with what `add` adds to them."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in ("general.architecture", *drop):
            sub_type = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub_type)
    add(writer)
    for tensor in reader.tensors:
        if as_f32:
            writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    _write(writer)
    return path


def write_dequantized(path: Path, source: Path = BUILT_IN) -> Path:
    """Writes `source` to `path` with all weights as F32, exactly the numbers that its blocks stand for."""
    return rewrite(
        source,
        path,
        lambda writer: writer.add_file_type(gguf.LlamaFileType.ALL_F32),
        drop=("general.file_type",),
        as_f32=True,
    )


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def reference_model(path: Path, sliding_window: int | None = None) -> Any:
    """The model at `path` as transformers' Starcoder2ForCausalLM: float32, eager attention."""
    import torch
    from transformers import Starcoder2Config, Starcoder2ForCausalLM

    reader = gguf.GGUFReader(path)

    def value(key: str) -> Any:
        return reader.fields[f"starcoder2.{key}"].contents()

    weights = {
        tensor.name: torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
        for tensor in reader.tensors
    }
    config: Any = Starcoder2Config(
        vocab_size=weights["token_embd.weight"].shape[0],
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"),
        max_position_embeddings=value("context_length"),
        norm_epsilon=value("attention.layer_norm_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": value("rope.freq_base")},
        hidden_act="gelu_pytorch_tanh",
        use_bias=True,
        sliding_window=sliding_window,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    config._attn_implementation = "eager"
    model: Any = Starcoder2ForCausalLM(config)
    names = {_reference_name(name): tensor for name, tensor in weights.items()}
    names["lm_head.weight"] = names["model.embed_tokens.weight"]
    model.load_state_dict(names, strict=True)
    return model.float().eval()


_REFERENCE_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}


def _reference_name(name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`."""
    match name.split("."):
        case ["blk", layer, part, kind]:
            return f"model.layers.{layer}.{_REFERENCE_NAMES[part]}.{kind}"
        case ["token_embd", kind]:
            return f"model.embed_tokens.{kind}"
        case ["output_norm", kind]:
            return f"model.norm.{kind}"
    raise ValueError(f"no tensor of a StarCoder2: {name}")
