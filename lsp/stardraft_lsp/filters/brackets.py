"""Brackets, strings and code within strings: what a text closes of what is open before it.

`stardraftd.lexing.scanner` reads by the language's lexis; a closer in a string or a comment closes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stardraft_lsp.filters.around import SEEN_CHARACTERS, Around
from stardraftd.lexing.scanner import Frame, Scanner, frames


def outer_closers(text: str, around: Around) -> Iterator[tuple[int, Frame]]:
    """Where a text at the cursor closes what was open there: the index of the closer, and what it closes."""
    open_before = {id(frame) for frame in frames(around.frame)}
    start = len(around.near_line)
    for event in around.scanner(text).read():
        if event.kind == "close" and event.frame is not None and id(event.frame) in open_before:
            yield event.start - start, event.frame


@dataclass(frozen=True)
class Rest:
    """What the rest of a line does to what is open before it.

    closers: what it closes of that, in order, and what it closes that is not open. n_wrong: how many closers
    close nothing, and how many strings of the line are left open.
    """

    closers: tuple[str, ...]
    n_wrong: int


def rest_from(around: Around, frame: Frame | None) -> Rest:
    """The rest of the cursor's line, read with `frame` open before it."""
    rest = around.rest[:SEEN_CHARACTERS]
    open_above = {id(one) for one in frames(around.line_frame)}
    open_before = {id(one) for one in frames(frame)}
    closers: list[str] = []
    n_wrong = 0
    scanner = Scanner(around.lexis, rest + "\n", 0, frame)
    for event in scanner.read():
        one = event.frame
        if event.kind == "close" and one is not None and id(one) in open_before:
            closers.append(f"{one.kind} {one.end}")
        elif event.kind == "lone":
            n_wrong += 1
            closer = rest[event.start : event.end]
            skipped = _with_end(closer, scanner.frame)
            closers.append(f"{skipped.kind} {closer}" if skipped is not None else f"lone {closer}")
            scanner.frame = skipped.outer if skipped is not None else scanner.frame
        elif event.kind == "ended" and one is not None and one.kind == "string":
            n_wrong += 1
    left = (
        one
        for one in frames(scanner.frame)
        if one.is_text and (one.is_multiline or one.kind == "string") and id(one) not in open_above
    )
    return Rest(tuple(closers), n_wrong + sum(1 for _ in left))


def _with_end(closer: str, frame: Frame | None) -> Frame | None:
    """The nearest bracket around that a closer ends, if what is open within it were closed."""
    for one in frames(frame):
        if one.is_text:
            return None
        if one.end == closer:
            return one
    return None
