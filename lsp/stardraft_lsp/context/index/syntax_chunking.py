"""Chunks that are definitions, by the syntax tree: for open documents, whose chunks are looked at most.

Not for the whole workspace: with trees an index of 5,000 files took twice the processor time and 48 MB more.
"""

from collections.abc import Iterator

from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.context.index.chunking import Chunk, LineChunker
from stardraft_lsp.context.index.outlining import GRAMMARS
from stardraft_lsp.syntax.chunks import chunks_of_text

_BUDGET_MS = 60.0


class SyntaxChunker:
    """Cuts at functions, classes and what is between them; by lines alone where there is no grammar.

    A chunk has `most_lines` and `most_characters` at most, as those of `LineChunker`.
    """

    def __init__(self, most_lines: int = 30, most_characters: int = 1_500) -> None:
        self._most_lines = most_lines
        self._most_characters = most_characters
        self._by_lines = LineChunker(most_lines, most_characters)

    def chunks(self, lines: list[str], path: str) -> Iterator[Chunk]:
        grammar = GRAMMARS.get(family_of(path))
        if grammar is None:
            yield from self._by_lines.chunks(lines, path)
            return
        for piece in chunks_of_text("\n".join(lines), grammar, self._most_lines, _BUDGET_MS):
            part = lines[piece.start_line : piece.end_line]
            if sum(len(line) + 1 for line in part) <= self._most_characters:
                yield Chunk(piece.start_line, piece.n_lines)
            else:
                for chunk in self._by_lines.chunks(part, path):
                    yield Chunk(piece.start_line + chunk.first_line, chunk.n_lines)
