"""StarCoder2's tokenizer, built with the `tokenizers` package from a GGUF's tokens and merges.

It shares no code with llama.cpp, and knows no special tokens: every text is only text to it.
"""

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

from tests.support.tiny_models import real_tokenizer


class ReferenceTokenizer:
    def __init__(self) -> None:
        tokens, _, merges = real_tokenizer()
        pairs = [(first, second) for first, second in (merge.split(" ") for merge in merges)]
        self._tokens = tokens
        self._tokenizer = Tokenizer(BPE({token: index for index, token in enumerate(tokens)}, pairs))
        self._tokenizer.pre_tokenizer = Sequence(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
        )
        self._tokenizer.decoder = ByteLevelDecoder()

    def special(self, text: str) -> int:
        """The id of a special token, by its text."""
        return self._tokens.index(text)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text
