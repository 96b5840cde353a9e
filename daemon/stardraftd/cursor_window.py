"""The text around a cursor that is sent to the daemon: whole lines, bounded in bytes.

The window's beginning stands still while you type and then moves by a quarter of the window at once: whenever
it moves, what the engine had cached of the prefix is worthless.
"""

from typing import NamedTuple

# 48,000 bytes are about the 16,384 tokens that the largest prompt
# has, so more would only be thrown away; after the cursor half of that says where the code is going.
MAX_PREFIX_BYTES = 48_000
MAX_SUFFIX_BYTES = 24_000


class Window(NamedTuple):
    """The text before and after the cursor."""

    prefix: str
    suffix: str


def window(
    text: str,
    offset: int,
    max_prefix_bytes: int = MAX_PREFIX_BYTES,
    max_suffix_bytes: int = MAX_SUFFIX_BYTES,
) -> Window:
    """The text before and after `offset`, at most so many bytes of UTF-8 each."""
    return Window(_prefix(text, offset, max_prefix_bytes), _suffix(text, offset, max_suffix_bytes))


def _prefix(text: str, offset: int, limit: int) -> str:
    step = max(limit // 4, 1)
    start = max(-(-(offset - limit) // step) * step, 0)
    while start < offset:
        line_start = _next_line(text, start, offset) if start else 0
        prefix = text[line_start:offset]
        if _n_bytes(prefix) <= limit:
            return prefix
        start += step
    return ""


def _next_line(text: str, start: int, offset: int) -> int:
    """The first line start at or after `start`; `start` itself inside a line longer than the window."""
    line_end = text.find("\n", start - 1, offset)
    return line_end + 1 if line_end >= 0 else start


def _suffix(text: str, offset: int, limit: int) -> str:
    suffix = text[offset : offset + limit]
    if _n_bytes(suffix) > limit:
        suffix = suffix.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
    if offset + len(suffix) == len(text):
        return suffix
    line_end = suffix.rfind("\n")
    return suffix[: line_end + 1] if line_end >= 0 else suffix


def _n_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
