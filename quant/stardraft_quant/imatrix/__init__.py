"""Importance matrices: computed, read, written."""

from stardraft_quant.imatrix.compute import (
    Settings,
    imatrix_of_code,
    imatrix_of_text,
)

__all__ = [
    "Settings",
    "imatrix_of_code",
    "imatrix_of_text",
]
