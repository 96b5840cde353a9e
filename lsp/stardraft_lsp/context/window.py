"""The text around a cursor as it can be sent: LF line ends, and in UTF-8 whatever an editor holds."""

from stardraftd import cursor_window
from stardraftd.cursor_window import MAX_PREFIX_BYTES, MAX_SUFFIX_BYTES, Window

__all__ = ["Window", "window"]


def window(
    text: str,
    offset: int,
    max_prefix_bytes: int = MAX_PREFIX_BYTES,
    max_suffix_bytes: int = MAX_SUFFIX_BYTES,
) -> Window:
    """The text before and after `offset`, at most so many bytes of UTF-8 each."""
    around = cursor_window.window(text, offset, max_prefix_bytes, max_suffix_bytes)
    return Window(_sendable(around.prefix), _sendable(around.suffix))


def _sendable(text: str) -> str:
    """`text` with LF line ends, and in UTF-8: JSON can carry half a surrogate pair, which UTF-8 has not."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
