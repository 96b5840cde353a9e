"""Which files are near enough to a document to be read for it."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

# Nearly all that helps is in the nearest 300 kB; more is searched at every key.
MAX_BYTES = 1_000_000
MAX_FILE_BYTES = 300_000


def nearest(path: str, sizes: Mapping[str, tuple[int, T]]) -> tuple[list[tuple[str, T]], list[tuple[str, T]]]:
    """The files of the document's folder, and the nearest others, up to MAX_BYTES together.

    sizes: the size in bytes of each file that may be read, and what it is known by.
    """
    here = path.split("/")[:-1]
    ordered = sorted((distance(here, other), other) for other in sizes)
    folder: list[tuple[str, T]] = []
    others: list[tuple[str, T]] = []
    total = 0
    for steps, other in ordered:
        size, known = sizes[other]
        if size > MAX_FILE_BYTES:
            continue
        total += size
        if total > MAX_BYTES:
            break
        (others if steps else folder).append((other, known))
    return folder, others


def distance(here: list[str], path: str) -> int:
    """Steps from a folder, in its parts, to a file's folder: up and down."""
    there = path.split("/")[:-1]
    common = 0
    for one, other in zip(here, there, strict=False):
        if one != other:
            break
        common += 1
    return len(here) + len(there) - 2 * common
