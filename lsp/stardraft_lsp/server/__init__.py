"""The language server: its process, its handlers, and the session with one editor."""

from stardraft_lsp.server.editor_session import (
    EditorSession,
)
from stardraft_lsp.server.server import (
    StardraftServer,
)

__all__ = [
    "EditorSession",
    "StardraftServer",
]
