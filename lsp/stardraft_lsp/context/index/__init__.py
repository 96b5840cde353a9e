"""The workspace as chunks: scanned, cut, watched."""

from stardraft_lsp.context.index.index import (
    ChunkRef,
    Index,
    Piece,
    lines_of,
    text_of,
)

__all__ = [
    "ChunkRef",
    "Index",
    "Piece",
    "lines_of",
    "text_of",
]
