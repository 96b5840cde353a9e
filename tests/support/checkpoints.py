"""Random StarCoder2 checkpoints as they lie on the Hub: made with transformers, with the real tokenizer."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from tests.support.tiny_models import real_tokenizer

N_VOCAB = 49_152


@lru_cache(maxsize=1)
def tokenizer_json() -> str:
    """StarCoder2's tokenizer.json, made from the built-in model's tokens and merges."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokens, types, merges = real_tokenizer()
    pairs = [(first, second) for first, second in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(BPE({token: index for index, token in enumerate(tokens)}, pairs))
    tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = ByteLevelDecoder()
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    text: str = tokenizer.to_str()
    return text


def write_tokenizer(folder: Path, tokenizer_class: str = "PreTrainedTokenizerFast") -> None:
    """Writes tokenizer.json and tokenizer_config.json to `folder`."""
    end = "<|endoftext|>"
    folder.joinpath("tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    options = {"tokenizer_class": tokenizer_class, "bos_token": end, "eos_token": end, "unk_token": end}
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(options), encoding="utf-8")


def write_checkpoint(
    folder: Path,
    *,
    dtype: Literal["F32", "F16", "BF16"] = "F32",
    layers: int = 2,
    hidden: int = 48,
    ffn: int = 160,
    heads: int = 6,
    kv_heads: int = 2,
    vocabulary: int = N_VOCAB,
    biases: bool = True,
    tied: bool = True,
    sliding_window: int | None = 64,
    shard_size: str = "10GB",
    seed: int = 0,
) -> Any:
    """Writes a random checkpoint to `folder`; returns the model it was saved from."""
    import torch
    from transformers import Starcoder2Config, Starcoder2ForCausalLM

    config: Any = Starcoder2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=ffn,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=512,
        norm_epsilon=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 999999.4420358813},
        hidden_act="gelu_pytorch_tanh",
        use_bias=biases,
        tie_word_embeddings=tied,
        sliding_window=sliding_window,
        bos_token_id=0,
        eos_token_id=0,
    )
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model: Any = Starcoder2ForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Fresh biases are zeros and fresh norms are ones: mistakes with them would not be seen.
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "norm" in name:
                parameter.normal_(1, 0.1)
            else:
                parameter.normal_(0, parameter.shape[-1] ** -0.5)
    model = model.to({"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype])
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, max_shard_size=shard_size)
    write_tokenizer(folder)
    return model.eval()


def write_plain_checkpoint(folder: Path, *, shards: int = 1, vocabulary: int = 512, seed: int = 0) -> Path:
    """Writes a tiny F32 checkpoint with numpy alone, in one file or several; returns `folder`.

    One layer, 32 dimensions, two heads, and the first tokens of the real tokenizer.
    """
    import numpy as np
    from safetensors.numpy import save_file

    from stardraft_quant.convert.architecture import expected_shapes, read_hyperparameters

    config = {
        "architectures": ["Starcoder2ForCausalLM"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": 32,
        "intermediate_size": 48,
        "max_position_embeddings": 256,
        "norm_epsilon": 1e-5,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "num_key_value_heads": 1,
        "rope_theta": 10_000.0,
        "sliding_window": 64,
        "tie_word_embeddings": True,
        "use_bias": True,
        "vocab_size": vocabulary,
    }
    folder.mkdir(parents=True)
    folder.joinpath("config.json").write_text(json.dumps(config), encoding="utf-8")
    _write_plain_tokenizer(folder, vocabulary)
    random = np.random.default_rng(seed)
    shapes = expected_shapes(read_hyperparameters(config))
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    if shards == 1:
        save_file(weights, folder / "model.safetensors")
        return folder
    names = list(weights)
    weight_map = {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        save_file({name: weights[name] for name in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    folder.joinpath("model.safetensors.index.json").write_text(
        json.dumps({"weight_map": weight_map}), "utf-8"
    )
    return folder


def _write_plain_tokenizer(folder: Path, vocabulary: int) -> None:
    tokens, types, merges = real_tokenizer()
    known = set(tokens[:vocabulary])
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {"id": index, "content": tokens[index], "special": True, "normalized": False}
            for index in range(vocabulary)
            if types[index] == 3
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(tokens[:vocabulary])},
            "merges": [m for m in merges if {*m.split(" "), m.replace(" ", "")} <= known],
        },
    }
    folder.joinpath("tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    options = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(options), encoding="utf-8")
