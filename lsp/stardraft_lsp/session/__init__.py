"""When to ask: one request per document, the newest wins, the cache first."""

from stardraft_lsp.session.ask import (
    Ask,
)
from stardraft_lsp.session.session import (
    Session,
)

__all__ = [
    "Ask",
    "Session",
]
