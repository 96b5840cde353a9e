"""What is done before anybody asks: documents read, parsed, declarations looked up."""

from stardraft_lsp.ahead.ahead import (
    Ahead,
    checked,
)

__all__ = [
    "Ahead",
    "checked",
]
