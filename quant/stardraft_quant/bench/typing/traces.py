"""Traces of editing: their format, reading, checking and writing them.

A trace is one JSON file:

    name        of the trace, as the report shows it
    source      where the text comes from, in words
    language    the LSP's language id
    text        the file when the recording starts; line ends are LF
    sha256      of the file (UTF-8) when it ends: replaying all events must give it
    events      what the person did, in order of time

An event is one change, or one move of the cursor, as an editor reports it:

    t_ms        milliseconds since the start; never less than the event's before
    kind        what the person did
        key         typed one key, which inserts `insert`. With an auto-closed bracket or quote `insert` has
                    both and the cursor stands between; a closing one that is there already is typed over
                    (`remove` 1, `insert` the same).
        newline     Enter: "\\n" and the indentation that the editor adds
        delete      took away `remove` characters: Backspace, Delete, or a selection
        jump        put the cursor at `at`
        accept      took a suggestion. It inserts the recorded text whatever was suggested, so that everyone
                    who is measured sees the same file
        paste       inserted text from elsewhere
    at          where, in characters (Unicode code points) from the start of the file
    remove      characters taken away from there on
    insert      what is inserted there
    cursor      where the cursor is afterwards; left out, it is at the end of what was inserted

`typist` makes one of two versions of a file; `make_traces` is the command.
"""

import hashlib
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from stardraftd.console.prose import counted
from stardraftd.errors import StardraftError

Kind = Literal["key", "newline", "delete", "jump", "accept", "paste"]


class TraceError(StardraftError):
    """A trace cannot be read, or its events do not fit its text."""

    code = "trace"


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that the person did; see the module's docstring."""

    t_ms: int
    kind: Kind
    at: int
    remove: int = 0
    insert: str = ""
    cursor: int | None = None

    @property
    def cursor_after(self) -> int:
        return self.at + len(self.insert) if self.cursor is None else self.cursor

    @property
    def is_auto_closed(self) -> bool:
        """Whether the editor added a closing bracket or quote to the key."""
        return self.kind == "key" and self.cursor_after < self.at + len(self.insert)

    def apply(self, text: str) -> str:
        """The file after the event."""
        return text[: self.at] + self.insert + text[self.at + self.remove :]


class Trace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    source: str
    language: str
    text: str
    sha256: str
    events: tuple[Event, ...]


def replay(trace: Trace) -> str:
    """The file after all events."""
    text = trace.text
    for event in trace.events:
        text = event.apply(text)
    return text


# --- reading and writing -------------------------------------------------------------------------------


def load_trace(path: Path) -> Trace:
    """Reads and checks a trace. Raises TraceError, which names the file and the event."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TraceError(
            f"The trace {path} cannot be read: {error.strerror or error}.", "Name a trace's JSON file."
        ) from error
    try:
        trace = msgspec.json.decode(content, type=Trace)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(
            f"The trace {path} is not as a trace must be: {error}.",
            "`python -m stardraft_quant.bench.typing.make_traces --help` says how one is made.",
        ) from error
    check_trace(trace, str(path))
    return trace


def encode_trace(trace: Trace) -> bytes:
    """The JSON file of a trace: one event on a line, so that a difference can be read."""
    head = msgspec.json.encode(msgspec.structs.replace(trace, events=()))
    lines = b",\n".join(b"  " + msgspec.json.encode(event) for event in trace.events)
    return head[: -len(b"[]}")] + b"[\n" + lines + b"\n]}\n"


def bundled_traces() -> tuple[Path, ...]:
    """The traces that are part of this package."""
    folder = Path(str(resources.files("stardraft_quant.bench.typing").joinpath("traces")))
    return tuple(sorted(folder.glob("*.json")))


def trace_path(given: str) -> Path:
    """The file of that path, or the bundled trace of that name; an absolute path."""
    bundled = {path.stem: path for path in bundled_traces()}
    path = Path(given).expanduser()
    return bundled[given] if given in bundled and not path.exists() else path.absolute()


def check_trace(trace: Trace, place: str) -> None:
    """Raises TraceError unless every event fits the text as it is then, and the end is the recorded one."""
    if "\r" in trace.text:
        raise TraceError(f"{place}: its text has CR line ends.", "Write it with LF line ends.")
    if not trace.events:
        raise TraceError(f"{place}: it has no events.", "Record or make at least one.")
    text, t_ms = trace.text, 0
    for number, event in enumerate(trace.events):
        wrong = _wrong(event, text, t_ms)
        if wrong:
            raise TraceError(f"{place}: event {number} ({event.kind}) {wrong}.", "Make the trace again.")
        text, t_ms = event.apply(text), event.t_ms
    if text_sha256(text) != trace.sha256:
        raise TraceError(
            f"{place}: after its last event the text is not the recorded one (sha256 differs).",
            "The trace was edited or is damaged; make it again.",
        )


def _wrong(event: Event, text: str, t_ms: int) -> str:
    """What is wrong with an event on this text after this time; "" if nothing is."""
    size_after = len(text) - event.remove + len(event.insert)
    checks = (
        (event.t_ms < t_ms, f"is at {event.t_ms} ms, before the one before it ({t_ms} ms)"),
        (
            not 0 <= event.at <= len(text),
            f"is at {event.at}, but the text has {counted(len(text), 'character')}",
        ),
        (event.remove < 0, "removes less than nothing"),
        (
            event.at + event.remove > len(text),
            f"removes {counted(event.remove, 'character')}, more than there are",
        ),
        ("\r" in event.insert, "inserts a CR"),
        (
            event.cursor is not None and not 0 <= event.cursor <= size_after,
            f"leaves the cursor at {event.cursor}, outside the text",
        ),
        (event.kind == "jump" and bool(event.remove or event.insert), "changes the text"),
        (event.kind == "delete" and (not event.remove or bool(event.insert)), "is not a deletion"),
        (event.kind == "newline" and not event.insert.startswith("\n"), "does not insert a line end"),
        (event.kind in ("key", "accept", "paste") and not event.insert, "inserts nothing"),
    )
    return next((sentence for is_wrong, sentence in checks if is_wrong), "")


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
