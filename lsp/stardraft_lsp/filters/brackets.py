"""Brackets, strings and code within strings: what a text closes of what is open before it.

`stardraftd.lexing.scanner` reads by the language's lexis; a closer in a string or a comment closes nothing.
"""

from collections.abc import Iterator

from stardraft_lsp.filters.around import SEEN_CHARACTERS, Around
from stardraftd.lexing.scanner import Frame, Scanner, frames


def outer_closers(text: str, around: Around) -> Iterator[tuple[int, Frame]]:
    """Where a text at the cursor closes what was open there: the index of the closer, and what it closes."""
    open_before = {id(frame) for frame in frames(around.frame)}
    start = len(around.near_line)
    for event in around.scanner(text).read():
        if event.kind == "close" and event.frame is not None and id(event.frame) in open_before:
            yield event.start - start, event.frame


def closers_of(rest: str, language: str, frame: Frame | None) -> tuple[str, ...]:
    """What the rest of a line closes of what is open before it, in order, and what it closes that is not."""
    open_before = {id(one) for one in frames(frame)}
    found = []
    for event in Scanner(language, rest[:SEEN_CHARACTERS], 0, frame).read():
        if event.kind == "close" and id(event.frame) in open_before and event.frame is not None:
            found.append(f"{event.frame.kind} {event.frame.end}")
        elif event.kind == "lone":
            found.append(f"lone {rest[event.start : event.end]}")
    return tuple(found)
