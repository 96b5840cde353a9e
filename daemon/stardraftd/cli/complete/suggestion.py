"""A completion as it is shown: to a user at a terminal, in a pipe, or to a program."""

from typing import Protocol

import msgspec

from stardraftd.cli.output.activity import Activity
from stardraftd.cli.output.errors import show_warning
from stardraftd.cli.output.terminal import err, out, paragraph, raw_out, write
from stardraftd.cli.output.wording import NOTHING, figures_line
from stardraftd.console.prose import counted
from stardraftd.protocol.completion import Done, Failed, Loading, Plan, Text
from stardraftd.protocol.http import Notice, StreamEvent

LINES_BEFORE = 5
LINES_BEHIND = 3
MAX_LINE_CHARACTERS = 400

_CONTEXT = "dim"
_SUGGESTION = "bold cyan"


class View(Protocol):
    """Shows the events of one completion, in their order."""

    def show(self, event: StreamEvent) -> None: ...


class JsonView:
    """The events as NDJSON on stdout, each as soon as it is there."""

    def show(self, event: StreamEvent) -> None:
        stream = raw_out()
        stream.write(msgspec.json.encode(event) + b"\n")
        stream.flush()


class TextView:
    """For a user: the suggestion on stdout, everything else on stderr.

    On a terminal the suggestion stands in color between the file's own lines, dimmed. In a pipe it is
    alone, and ends with a line end.
    """

    def __init__(self, activity: Activity, prefix: str, suffix: str) -> None:
        self._activity = activity
        self._before = _last_lines(prefix)
        self._behind = _first_lines(suffix)
        self._begun = False

    def show(self, event: StreamEvent) -> None:
        match event:
            case Loading():
                doing = "Checking the engine" if event.checking else f"Loading {event.model}"
                self._activity.say(doing, event.fraction)
            case Notice():
                self._activity.end()
                show_warning(event.message, event.hint)
            case Plan():
                self._activity.end()
                if event.context_cut:
                    show_warning(*_cut(event))
                self._begin()
            case Text():
                self._begin()
                write(out(), event.text, _SUGGESTION, end="", raw_in_pipe=True)
            case Done():
                self._begin()
                self._end(event)
            case Failed() if self._begun:
                write(out(), "")

    def _begin(self) -> None:
        self._activity.end()
        if not self._begun and out().is_terminal:
            write(out(), self._before, _CONTEXT, end="")
        self._begun = True

    def _end(self, done: Done) -> None:
        if out().is_terminal:
            write(out(), self._behind, _CONTEXT)
        elif done.text and not done.text.endswith("\n"):
            write(out(), "")
        if not done.text:
            paragraph(err(), NOTHING[done.finish_reason], "yellow")
        if done.figures is not None:
            paragraph(err(), figures_line(done.figures))


def _cut(plan: Plan) -> tuple[str, str]:
    """Why not all of the other files was shown to the model, and how much of them was."""
    room = counted(plan.n_chunks_most, "token")
    message = f"The other files do not fit: the prompt of this model has room for {room} of them."
    if plan.n_chunks:
        shown = f"{counted(plan.n_chunks, 'token')} of them were shown, from the last ones named."
    else:
        shown = "Nothing of them was shown: not even a path and one line of the last one named fit."
    return message, shown


def _last_lines(prefix: str) -> str:
    lines = prefix.split("\n")[-LINES_BEFORE - 1 :]
    return "\n".join(line if len(line) <= MAX_LINE_CHARACTERS else _tail(line) for line in lines).lstrip("\n")


def _first_lines(suffix: str) -> str:
    lines = suffix.split("\n")[: LINES_BEHIND + 1]
    return "\n".join(line if len(line) <= MAX_LINE_CHARACTERS else _head(line) for line in lines).rstrip("\n")


def _tail(line: str) -> str:
    return f"...{line[-MAX_LINE_CHARACTERS:]}"


def _head(line: str) -> str:
    return f"{line[:MAX_LINE_CHARACTERS]}..."
