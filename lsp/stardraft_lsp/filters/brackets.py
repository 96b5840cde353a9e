"""Brackets, strings and code within strings: what a text closes of what is open before it.

`stardraftd.lexing.scanner` reads by the language's lexis; a closer in a string or a comment closes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stardraft_lsp.filters.around import SEEN_CHARACTERS, Around
from stardraftd.lexing.reading import Reading
from stardraftd.lexing.scanner import Frame, Scanner, frames


def outer_closers(reading: Reading) -> Iterator[tuple[int, Frame]]:
    """Where a text at the cursor closes what was open there: the index of the closer, and what it closes."""
    open_before = {id(frame) for frame in frames(reading.before)}
    for at, event in reading.own:
        if event.kind == "close" and event.frame is not None and id(event.frame) in open_before:
            yield at, event.frame


def opened_by(reading: Reading) -> Iterator[Frame]:
    """What a text at the cursor opens and leaves open, the innermost first."""
    open_before = {id(frame) for frame in frames(reading.before)}
    return (frame for frame in frames(reading.after) if id(frame) not in open_before)


def n_open_on_line(around: Around, reading: Reading) -> int:
    """How much of what is open at the cursor was opened on its line."""
    known = {id(frame) for frame in frames(around.line_frame)}
    return sum(id(frame) not in known for frame in frames(reading.before))


@dataclass(frozen=True)
class Rest:
    """What the rest of a line does to what is open before it.

    closers: what it closes of that, in order, and what it closes that is not open. frames: the former.
    n_lone: how many closers close nothing. n_open: how many strings of the line are left open.
    """

    closers: tuple[str, ...]
    frames: tuple[Frame, ...]
    n_lone: int
    n_open: int

    def is_better(self, than: "Rest") -> bool:
        """Whether less is wrong with it, and it closes all that the other closes."""
        if self.n_lone < than.n_lone:
            return self.n_open <= than.n_open
        return self.n_lone == than.n_lone and self.n_open < than.n_open and not than.closers


def rest_from(around: Around, frame: Frame | None) -> Rest:
    """The rest of the cursor's line, read with `frame` open before it.

    A string of the line that the rest does not end is being typed, and the rest closes what is around it.
    """
    rest = around.rest[:SEEN_CHARACTERS]
    open_above = {id(one) for one in frames(around.line_frame)}
    n_open = 0
    while (
        frame is not None
        and frame.is_text
        and id(frame) not in open_above
        and not _ends_in(rest, frame, around)
    ):
        n_open += frame.kind == "string"
        frame = frame.outer
    return _read(around, rest, frame, open_above, n_open)


def closes_all(text: str, around: Around, now: Rest) -> bool:
    """Whether a text has closed all that the rest of the line closes."""
    still_open = {id(frame) for frame in frames(around.reading(text).after)}
    return not any(id(frame) in still_open for frame in now.frames)


def _ends_in(rest: str, frame: Frame, around: Around) -> bool:
    """Whether a text ends within the rest of the line."""
    scanner = Scanner(around.lexis, rest, 0, frame)
    return any(event.kind == "close" and event.frame is frame for event in scanner.read())


def _read(around: Around, rest: str, frame: Frame | None, open_above: set[int], n_open: int) -> Rest:
    open_before = {id(one) for one in frames(frame)}
    closers: list[str] = []
    closed: list[Frame] = []
    n_lone = 0
    scanner = Scanner(around.lexis, rest + "\n", 0, frame)
    for event in scanner.read():
        one = event.frame
        if event.kind == "close" and one is not None and id(one) in open_before:
            closers.append(f"{one.kind} {one.end}")
            closed.append(one)
        elif event.kind == "lone":
            n_lone += 1
            closer = rest[event.start : event.end]
            skipped = _with_end(closer, scanner.frame)
            closers.append(f"{skipped.kind} {closer}" if skipped is not None else f"lone {closer}")
            scanner.frame = skipped.outer if skipped is not None else scanner.frame
        elif event.kind == "ended" and one is not None and one.kind == "string":
            n_open += 1
    left = (
        one
        for one in frames(scanner.frame)
        if one.is_text and (one.is_multiline or one.kind == "string") and id(one) not in open_above
    )
    return Rest(tuple(closers), tuple(closed), n_lone, n_open + sum(1 for _ in left))


def _with_end(closer: str, frame: Frame | None) -> Frame | None:
    """The nearest bracket around that a closer ends, if what is open within it were closed."""
    for one in frames(frame):
        if one.is_text:
            return None
        if one.end == closer:
            return one
    return None
