"""LSP itself: pygls adjusted at its seams, odd clients' parameters read, items written."""

from stardraft_lsp.protocol.connection import (
    Protocol,
)

__all__ = [
    "Protocol",
]
