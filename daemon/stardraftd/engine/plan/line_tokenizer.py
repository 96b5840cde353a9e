"""Tokenizing a text that was tokenized a key ago: lines that were seen before are looked up.

StarCoder2's tokenizer (llama.cpp's pre-tokenizers "starcoder" and its like) first splits a text at rules in
which no piece holds both a visible character and a line end behind it. So a text may be cut in front of a
line end that follows a visible ASCII character, and the parts' tokens, one after the other, are the whole
text's: `tests/engine/test_line_tokenizer.py` compares them. The lines of a file are then tokenized once, and
a key costs one line instead of 28 kB (10 ms).

Other pre-tokenizers join punctuation and line ends (Qwen's, Llama 3's); their texts are tokenized whole.
"""

import re
from array import array
from functools import lru_cache

from stardraftd.engine.native.llama import Model

# Values of `tokenizer.ggml.pre` whose rules are GPT-2's, digits apart or not (llama.cpp, llama-vocab.cpp).
SPLITTING_AT_LINES = frozenset({"starcoder", "refact", "smollm", "codeshell", "gpt-2", "command-r"})
_BEFORE_LINE_END = re.compile(rb"(?<=[!-~])(?=\n)")
MAX_LINES = 32_768
MAX_CACHED_LINE_BYTES = 512


class LineTokenizer:
    """A model's tokenizer that remembers lines. It gives what `Model.tokenize` gives."""

    def __init__(self, model: Model, pre_tokenizer: str) -> None:
        self._model = model
        self._splits = pre_tokenizer in SPLITTING_AT_LINES
        self._line = lru_cache(maxsize=MAX_LINES)(model.tokenize)
        self.piece = lru_cache(maxsize=16_384)(model.piece)

    def tokenize(self, text: bytes) -> "array[int]":
        """Token ids of UTF-8 `text`; special tokens in it stay text. The caller owns the array."""
        if not self._splits:
            return self._model.tokenize(text)
        ids = array("i")
        for line in _BEFORE_LINE_END.split(text):
            ids += self._line(line) if len(line) <= MAX_CACHED_LINE_BYTES else self._model.tokenize(line)
        return ids
