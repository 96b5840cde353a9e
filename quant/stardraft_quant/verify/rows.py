"""Which tokens two models are compared on: code laid out as it is asked for in use, or a plain text.

A row is what a model reads in one go, from position 0. Scored is its second half, where what came before is
enough to go by: so does llama.cpp's `llama-perplexity`, and a plain text is cut exactly as it does it.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from stardraft_quant.code.document import Document
from stardraft_quant.code.fim_examples import Cut, Encode, Examples, Layout
from stardraftd.console.prose import counted
from stardraftd.engine.native import llama
from stardraftd.errors import PathError, RequestError
from stardraftd.gguf.fim_tokens import FimTokens

Rows = list[list[int]]


def first_scored(n_columns: int) -> int:
    """The first position whose next token is scored; the last is `n_columns` - 2."""
    return n_columns // 2


def n_scored(rows: Rows) -> int:
    """How many tokens of all rows are scored."""
    return sum(len(row) - 1 - first_scored(len(row)) for row in rows)


def encoder(model: llama.Model) -> Encode:
    """The model's own tokenizer, for as long as it is open; what looks like a special token stays text."""
    return lambda text: model.tokenize(text.encode("utf-8", "replace")).tolist()


def examples_of(documents: Sequence[Document], encode: Encode, tokens: FimTokens) -> Examples:
    """Examples as StarCoder2 was trained on them; plain PSM for a vocabulary without its separators."""
    if tokens.separator is None or tokens.repository is None:
        return PsmExamples(documents, encode, tokens)
    return Examples(documents, encode, tokens)


class PsmExamples(Examples):
    """Fill-in-the-middle in the layout that all such models know: prefix, suffix, middle; no files."""

    def __init__(self, documents: Sequence[Document], encode: Encode, tokens: FimTokens) -> None:
        # What is drawn here never has a separator; those of the form with files only have to be there.
        end = tokens.end_of_text
        super().__init__(documents, encode, replace(tokens, separator=end, repository=end))

    def _files(self, rng: random.Random, document: Document, *, with_path: bool) -> list[int]:  # noqa: ARG002
        return []

    def prompt(self, layout: Layout, head: str, cut: Cut) -> list[int]:  # noqa: ARG002
        return super().prompt("psm", head, cut)


def text_rows(model: llama.Model, file: Path, n_rows: int, n_columns: int) -> Rows:
    """A text's tokens in pieces of `n_columns`, at most `n_rows`, as llama-perplexity takes them.

    A line end at the end of the file is dropped; a vocabulary that wants a token at the beginning of a text
    gets it in place of each piece's first. Raises PathError, RequestError when the text is too short.
    """
    ids = encoder(model)(_text(file).removesuffix("\n"))
    start = model.first_token
    if start is not None:
        ids.insert(0, start)
    if len(ids) < n_columns:
        raise RequestError(
            f"{file} has {counted(len(ids), 'token')}, and a row takes {n_columns:,}.",
            "Give a longer text, or a smaller --n-ctx.",
        )
    rows = [ids[i : i + n_columns] for i in range(0, len(ids) - n_columns + 1, n_columns)][:n_rows]
    return rows if start is None else [[start, *row[1:]] for row in rows]


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise PathError(
            f"{file} cannot be read: {error.strerror or error}.", "Name a text file in --text."
        ) from error
