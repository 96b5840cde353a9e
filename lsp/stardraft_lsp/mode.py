"""How much is asked for: the rest of a line, or a block. Decided by the lines around the cursor alone."""

from typing import Literal

from stardraftd.protocol import Mode

_OPENERS = (":", "{", "(", "[", "=>", "->", " do", " then")


def choose_mode(configured: Literal["auto", "line", "block"], prefix: str, suffix: str) -> Mode:
    """A block after an opener or on a blank line below one, with nothing behind the cursor; else a line."""
    if configured != "auto":
        return configured
    if suffix.partition("\n")[0].strip():
        return "line"
    above, _, line = prefix.rpartition("\n")
    if line.strip():
        return "block" if line.rstrip().endswith(_OPENERS) else "line"
    last = next((text.rstrip() for text in reversed(above.split("\n")[-50:]) if text.strip()), "")
    return "block" if last.endswith(_OPENERS) else "line"
