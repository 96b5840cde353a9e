"""StarCoder2's tokenizer, rebuilt from the vocabulary and merges that its GGUF files carry.

It is the byte-level BPE of GPT-2 with every digit apart (`tokenizer.ggml.pre` is "starcoder"). Special
tokens are not registered with it: a file that has `<fim_middle>` in its text keeps it as text, in training
as in the engine, and sentinels are placed by id.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from stardraft_quant.shared.tokenizer_source import built_in_model
from stardraftd.errors import ModelUnsupportedError
from stardraftd.gguf.fim_tokens import FimTokens, fim_tokens
from stardraftd.gguf.reading import read_header

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def load_tokenizer(path: Path | None = None) -> "Tokenizer":
    """The tokenizer inside the GGUF at `path`, by default the built-in model's.

    Raises ModelError for a file that cannot be used, ModelUnsupportedError for another kind of tokenizer.
    """
    from gguf import GGUFReader
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    path = path or built_in_model()
    read_header(path)  # checked before anything else parses it
    fields = GGUFReader(path).fields
    kind = [
        fields[name].contents() if name in fields else None
        for name in ("tokenizer.ggml.model", "tokenizer.ggml.pre")
    ]
    if kind != ["gpt2", "starcoder"] or "tokenizer.ggml.merges" not in fields:
        raise ModelUnsupportedError(
            f"{path} has a tokenizer of the kind {kind[0]}/{kind[1]}, not StarCoder2's (gpt2/starcoder).",
            "Leave --tokenizer away to use the built-in model's.",
        )
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def special_tokens(path: Path | None = None) -> FimTokens:
    """The ids of the sentinels in the same file, checked as the engine checks them."""
    return fim_tokens(read_header(path or built_in_model()))
