"""The chunks of token ids that an importance matrix is computed on: code as the model meets it in use.

With the tokens of the repository form they are the training program's examples (PSM and SPM v2, with and
without a path and another file); without them, plain PSM. A text is cut as llama-imatrix cuts it.
"""

import random
from collections.abc import Iterator, Sequence

from stardraft_quant.code.document import Document
from stardraft_quant.code.fim_examples import Encode, Examples, cut_at_cursor
from stardraftd.console.prose import counted
from stardraftd.errors import RequestError
from stardraftd.gguf.fim_tokens import FimTokens

PIECE_CHARS = 1400


def code_rows(
    documents: Sequence[Document], encode: Encode, tokens: FimTokens, *, seed: int, n: int, columns: int
) -> Iterator[list[int]]:
    """`n` rows of `columns` ids, for a seed always the same."""
    if tokens.separator is not None and tokens.repository is not None:
        examples = Examples(documents, encode, tokens)
        for number in range(n):
            yield from examples.batch(seed, number, 1, columns)
        return
    for number in range(n):
        rng = random.Random(f"{seed}/{number}")  # noqa: S311 - examples are drawn, not secrets
        row: list[int] = []
        while len(row) < columns:
            row += _psm(rng, rng.choice(documents).text, encode, tokens)
        yield row[:columns]


def _psm(rng: random.Random, text: str, encode: Encode, tokens: FimTokens) -> list[int]:
    start = rng.randrange(max(1, len(text) - PIECE_CHARS))
    start = text.rfind("\n", 0, start) + 1
    cut = cut_at_cursor(rng, text[start : start + PIECE_CHARS])
    prefix, suffix = [tokens.prefix, *encode(cut.prefix)], [tokens.suffix, *encode(cut.suffix)]
    return [*prefix, *suffix, tokens.middle, *encode(cut.middle), tokens.end_of_text]


def text_rows(ids: Sequence[int], *, n: int, columns: int) -> Iterator[list[int]]:
    """The text's chunks in their order: `n` of them, or all with 0. Raises RequestError for a short text."""
    if len(ids) < 2 * columns:
        raise RequestError(
            f"The text has {counted(len(ids), 'token')}; two chunks of {columns} are the least.",
            "Give a longer text, or a smaller --context.",
        )
    whole = len(ids) // columns
    for number in range(min(n, whole) if n else whole):
        yield list(ids[number * columns : (number + 1) * columns])
