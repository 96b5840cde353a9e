"""The language server: its process, its handlers, and the session with one editor."""

from stardraft_lsp.server.server import (
    Ask,
    StardraftServer,
)

__all__ = [
    "Ask",
    "StardraftServer",
]
