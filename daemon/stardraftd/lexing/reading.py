"""A text that grows at the end of a line, read as often as it grows, and only from its last line on.

The line that it stands on is read with it: what stands right before it may only be the beginning of a quote,
a comment or an escape that the text goes on with.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stardraftd.lexing.scanner import Event, Frame, Scanner, State

# Characters before the text that are read again: as many as the longest thing that is looked for as one.
_READ_AGAIN = 400
_N_KEPT = 3  # readings: a text loses its end now and then, and grows again


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text opens and closes.

    start: of the text in what was read; `events` have their places there.
    first: what was open before all events. after: what is open at the text's end.
    """

    start: int
    first: Frame | None
    events: tuple[Event, ...]
    after: Frame | None

    @property
    def own(self) -> Iterator[tuple[int, Event]]:
        """What happens in the text itself, and where in it."""
        return ((max(one.start - self.start, 0), one) for one in self.events if one.end > self.start)

    @property
    def before(self) -> Frame | None:
        """What is open where the text begins, as it goes on there: `1'` begins nothing before `000`."""
        frame = self.first
        for event in self.events:
            if event.end > self.start:
                break
            if event.frame is not None:
                frame = event.frame if event.kind == "open" else event.frame.outer
        return frame


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reading, and how it stood behind the last whole line of its text."""

    text: str
    reading: Reading
    n_characters: int
    n_events: int
    state: State


class GrowingText:
    """Reads texts that stand behind `line`, at whose beginning `frame` is open."""

    def __init__(self, language: str, line: str, frame: Frame | None) -> None:
        self._language = language
        self._line = line
        self._kept: list[_Kept] = []
        begin = line.rfind(" ", 0, max(len(line) - _READ_AGAIN, 0)) + 1
        scanner = Scanner(language, line, 0, frame)
        scanner.to(begin)
        self._begin = scanner.state

    def read(self, text: str) -> Reading:
        """What `text` opens and closes behind the line."""
        kept = next((one for one in self._kept if one.text == text), None)
        if kept is None:
            kept = self._read(text)
            self._kept[:] = [kept, *self._kept[: _N_KEPT - 1]]
        return kept.reading

    def _read(self, text: str) -> _Kept:
        n = len(self._line)
        n_lines = text.rfind("\n") + 1
        scanner = Scanner(self._language, self._line + text)
        events: list[Event] = []
        known = self._begun(text)
        scanner.go_to(known.state if known is not None else self._begin)
        if known is not None:
            events.extend(known.reading.events[: known.n_events])
        if n_lines:
            events.extend(scanner.read(n + n_lines))
        n_events, state = len(events), scanner.state
        events.extend(scanner.read())
        reading = Reading(n, self._begin.frame, tuple(events), scanner.frame)
        return _Kept(text, reading, n_lines, n_events, state)

    def _begun(self, text: str) -> _Kept | None:
        """A reading of whole lines with which the text begins."""
        return next(
            (one for one in self._kept if one.n_characters and text.startswith(one.text[: one.n_characters])),
            None,
        )
