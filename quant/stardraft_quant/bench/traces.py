"""Traces of editing: their format, reading and checking them, and making them by typing an edit again.

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

`make_trace` makes one from two versions of a file: it types each difference as a person would, with pauses,
auto-closed brackets, automatic indentation, typing errors and accepted suggestions. The times are drawn, not
recorded; everything is decided by the seed.

    python -m stardraft_quant.bench.traces --out DIR FILE_BEFORE FILE_AFTER
    python -m stardraft_quant.bench.traces --out DIR --commits REPOSITORY
    python -m stardraft_quant.bench.traces --out DIR --retype FUNCTION FILE
"""

import argparse
import ast
import difflib
import hashlib
import math
import random
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from stardraftd.errors import StardraftError
from stardraftd.prose import counted

Kind = Literal["key", "newline", "delete", "jump", "accept", "paste"]

MAX_TRACE_BYTES = 60_000  # of one that `--commits` writes


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


# --- reading -------------------------------------------------------------------------------------------


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
            "`python -m stardraft_quant.bench.traces --help` says how one is made.",
        ) from error
    check_trace(trace, str(path))
    return trace


def bundled_traces() -> tuple[Path, ...]:
    """The traces that are part of this package."""
    folder = Path(str(resources.files("stardraft_quant.bench").joinpath("traces")))
    return tuple(sorted(folder.glob("*.json")))


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
    if _sha256(text) != trace.sha256:
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


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- making --------------------------------------------------------------------------------------------

CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
QUOTES = "\"'"
INDENT = 4

KEY_MS = 145.0
BACKSPACE_MS = 110.0
LINE_PAUSE_MS = 650.0
READ_MS = 420.0  # before a suggestion is accepted
JUMP_MS = 1400.0
SPREAD = 0.35  # of the logarithm of a pause

TYPO_SHARE = 0.015
ACCEPT_SHARE = 0.3
MIN_ACCEPTED = 8
MIN_PASTED = 60
MAX_BACKSPACED = 8


def make_trace(
    before: str,
    after: str,
    name: str,
    seed: int,
    *,
    source: str = "two versions of a file",
    language: str = "python",
) -> Trace:
    """A person who edits `before` into `after`, difference by difference, from the top.

    Line ends must be LF. Raises TraceError when the two are equal.
    """
    if before == after:
        raise TraceError(
            f"{name}: both versions are equal, so there is nothing to type.", "Name two that differ."
        )
    typist = _Typist(before, random.Random(seed))  # noqa: S311 - no secret is made of it
    for start, old, new in _differences(before, after):
        typist.replace(start, old, new, is_pasted=len(new.strip()) >= MIN_PASTED and new.strip() in before)
    typist.put_right(after)
    trace = Trace(
        name=name,
        source=source,
        language=language,
        text=before,
        sha256=_sha256(after),
        events=tuple(typist.events),
    )
    check_trace(trace, name)
    return trace


def _differences(before: str, after: str) -> Iterator[tuple[int, str, str]]:
    """(where, old, new) of each difference, from the top; `where` is in the text edited so far."""
    old_lines, new_lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    done = 0  # what the differences before this one have added
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        start = sum(map(len, old_lines[:i1])) + done
        old, new = "".join(old_lines[i1:i2]), "".join(new_lines[j1:j2])
        done += len(new) - len(old)
        yield _narrowed(start, old, new, "".join(new_lines[:j1]))


def _narrowed(start: int, old: str, new: str, above: str) -> tuple[int, str, str]:
    """The difference without what is equal at both ends; new lines begin at the end of the line above."""
    n_head = _n_common(old, new)
    old, new, start = old[n_head:], new[n_head:], start + n_head
    n_tail = _n_common(old[::-1], new[::-1])
    old, new = old[: len(old) - n_tail], new[: len(new) - n_tail]
    if not old and n_head == 0 and above.endswith("\n") and new.endswith("\n"):
        return start - 1, "", "\n" + new[:-1]
    return start, old, new


def _n_common(one: str, other: str) -> int:
    n = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        n += 1
    return n


class _Typist:
    """A person at an editor that closes brackets and indents, as VS Code does.

    Invariant while a text is typed: the file is what stood above, what of the text was typed, `_surplus`
    spaces of indentation that will go, `_pending` (closing brackets that the editor added), and what stood
    below; the cursor is before `_pending`. At the end both are empty.
    """

    def __init__(self, text: str, rng: random.Random) -> None:
        self.events: list[Event] = []
        self._text = text
        self._rng = rng
        self._t_ms = 0.0
        self._cursor = 0
        self._surplus = 0
        self._pending = ""

    def replace(self, start: int, old: str, new: str, *, is_pasted: bool) -> None:
        """Goes to `start`, takes `old` away, and types or pastes `new`."""
        if not self.events or start + len(old) != self._cursor:
            # To the end of what goes, if it goes by Backspace; else a selection begins at its start.
            by_key = len(old) <= MAX_BACKSPACED and "\n" not in old
            self._do("jump", JUMP_MS, start + (len(old) if by_key else 0))
        self._take_away(start, old)
        if new and is_pasted:
            self._do("paste", READ_MS, start, insert=new)
        elif new:
            self._type(new)

    def put_right(self, target: str) -> None:
        """Mends what the editor's brackets and indentation left wrong, as a person would at the end."""
        n_head = _n_common(self._text, target)
        old, new = self._text[n_head:], target[n_head:]
        n_tail = _n_common(old[::-1], new[::-1])
        old, new = old[: len(old) - n_tail], new[: len(new) - n_tail]
        if old or new:
            self.replace(n_head, old, new, is_pasted=True)

    def _take_away(self, start: int, old: str) -> None:
        if len(old) <= MAX_BACKSPACED and "\n" not in old:
            for n_left in range(len(old) - 1, -1, -1):
                self._do("delete", BACKSPACE_MS, start + n_left, remove=1)
        else:
            self._do("delete", READ_MS, start, remove=len(old))

    # --- typing ------------------------------------------------------------------------------------

    def _type(self, target: str) -> None:
        done = 0
        while done < len(target):
            done += self._step(target, done)
        left = self._surplus + len(self._pending)
        if left:
            self._do("delete", BACKSPACE_MS, self._cursor - self._surplus, remove=left)
        self._surplus, self._pending = 0, ""

    def _step(self, target: str, done: int) -> int:
        """Does the next thing; returns how many characters of `target` are there by it."""
        char = target[done]
        blank = self._pending[: len(self._pending) - len(self._pending.lstrip())]
        if blank and self._pending[len(blank) :] and target.startswith(self._pending[: len(blank) + 1], done):
            return self._step_over(len(blank) + 1)
        if blank and self._pending[len(blank) :].startswith(char):
            self._do("delete", BACKSPACE_MS, self._cursor, remove=len(blank), cursor=self._cursor)
            self._pending = self._pending[len(blank) :]
        if char == "\n":
            return self._enter(target, done)
        accepted = self._accepted(target, done)
        if accepted:
            self._do("accept", READ_MS, self._cursor, insert=accepted)
            return len(accepted)
        if target.startswith(" " * INDENT, done) and self._is_at_indent():
            self._do("key", KEY_MS, self._cursor, insert=" " * INDENT)  # Tab
            return INDENT
        self._key(char)
        return 1

    def _key(self, char: str) -> None:
        if self._pending.startswith(char):
            self._do("key", KEY_MS, self._cursor, remove=1, insert=char)
            self._pending = self._pending[1:]
            return
        if char.isalpha() and self._rng.random() < TYPO_SHARE:
            self._do("key", KEY_MS, self._cursor, insert=self._rng.choice("abcdefghijklmnopqrstuvwxyz"))
            self._do("delete", 2 * BACKSPACE_MS, self._cursor - 1, remove=1)
        if self._is_closed_by_editor(char):
            self._do("key", KEY_MS, self._cursor, insert=char + CLOSERS[char], cursor=self._cursor + 1)
            self._pending = CLOSERS[char] + self._pending
        else:
            self._do("key", KEY_MS, self._cursor, insert=char)

    def _is_closed_by_editor(self, char: str) -> bool:
        if char not in CLOSERS:
            return False
        behind = self._text[self._cursor : self._cursor + 1]
        if behind and not behind.isspace() and behind not in ")]}":
            return False
        ahead = self._text[: self._cursor][-1:]
        return char not in QUOTES or not (ahead.isalnum() or ahead in ("_", "\\", '"', "'"))

    def _step_over(self, n_characters: int) -> int:
        """The closing bracket stands on a line of its own: the person goes behind it."""
        self._do("jump", KEY_MS, self._cursor + n_characters)
        self._pending = self._pending[n_characters:]
        return n_characters

    def _enter(self, target: str, done: int) -> int:
        """Enter: the editor indents, the person corrects it."""
        if self._pending[:1] in tuple(QUOTES):
            self._do("delete", BACKSPACE_MS, self._cursor, remove=1, cursor=self._cursor)
            self._pending = self._pending[1:]
        line = self._text[self._text.rfind("\n", 0, self._cursor) + 1 : self._cursor]
        indent = line[: len(line) - len(line.lstrip(" "))]
        opens = line.rstrip()[-1:]
        deeper = indent + " " * INDENT if opens and opens in ":([{" else indent
        split = ""
        if self._pending and CLOSERS.get(opens) == self._pending[0]:
            split = "\n" + indent  # Enter between brackets puts the closing one below
        start = self._cursor - self._surplus
        self._do(
            "newline",
            LINE_PAUSE_MS,
            start,
            remove=self._surplus,
            insert="\n" + deeper + split,
            cursor=start + 1 + len(deeper),
        )
        self._pending = split + self._pending
        return 1 + self._correct_indent(deeper, target, done + 1)

    def _correct_indent(self, given: str, target: str, done: int) -> int:
        """Makes the editor's indentation the target's; returns how much of the target it is."""
        self._surplus = 0
        rest = target[done:]
        wanted = rest[: len(rest) - len(rest.lstrip(" "))]
        if rest[len(wanted) :][:1] in ("", "\n") and not wanted:
            self._surplus = len(given)  # an empty line: the editor takes its indentation away later
            return 0
        if len(given) > len(wanted):
            excess = len(given) - len(wanted)
            self._do("delete", BACKSPACE_MS, self._cursor - excess, remove=excess)
            return len(wanted)
        return len(given)

    def _is_at_indent(self) -> bool:
        line = self._text[self._text.rfind("\n", 0, self._cursor) + 1 : self._cursor]
        return not line.strip(" ")

    def _accepted(self, target: str, done: int) -> str:
        """What of the line a suggestion gives here; mostly ""."""
        line = self._text[self._text.rfind("\n", 0, self._cursor) + 1 : self._cursor]
        rest = target[done:].partition("\n")[0]
        if len(line.strip()) != 4 or len(rest) < MIN_ACCEPTED or self._rng.random() > ACCEPT_SHARE:
            return ""
        if not self._pending:
            return rest
        return _up_to_closer(rest, self._pending[0])

    def _do(
        self,
        kind: Kind,
        pause_ms: float,
        at: int,
        *,
        remove: int = 0,
        insert: str = "",
        cursor: int | None = None,
    ) -> None:
        """Records an event, and does it."""
        self._t_ms += pause_ms * math.exp(self._rng.gauss(0.0, SPREAD))
        if cursor == at + len(insert):
            cursor = None
        event = Event(t_ms=round(self._t_ms), kind=kind, at=at, remove=remove, insert=insert, cursor=cursor)
        self._text = event.apply(self._text)
        self._cursor = event.cursor_after
        self.events.append(event)


def _up_to_closer(text: str, closer: str) -> str:
    """What of `text` stands inside the bracket or quote that `closer` ends; "" if it is short."""
    depth = 0
    for n, char in enumerate(text):
        if char == closer and depth == 0:
            return text[:n] if n >= MIN_ACCEPTED else ""
        depth += (char in "([{") - (char in ")]}")
    return ""


# --- the command ---------------------------------------------------------------------------------------


def encode_trace(trace: Trace) -> bytes:
    """The JSON file of a trace: one event on a line, so that a difference can be read."""
    head = msgspec.json.encode(msgspec.structs.replace(trace, events=()))
    lines = b",\n".join(b"  " + msgspec.json.encode(event) for event in trace.events)
    return head[: -len(b"[]}")] + b"[\n" + lines + b"\n]}\n"


def commit_traces(repository: Path, limit: int, seed: int) -> Iterator[Trace]:
    """Traces of the newest commits' small changes of Python files. Raises TraceError without git."""
    listing = _git(
        repository, "log", "--no-merges", "--diff-filter=M", "--name-only", "--format=%x00%H %s", "--", "*.py"
    )
    n_found = 0
    for entry in listing.split("\0")[1:]:
        title, *paths = [line for line in entry.splitlines() if line]
        commit, _, subject = title.partition(" ")
        for path in paths:
            before, after = (_git(repository, "show", f"{at}:{path}") for at in (f"{commit}~", commit))
            n_typed = sum(len(new) for _start, _old, new in _differences(before, after))
            if n_found == limit or not 120 <= n_typed <= 2000:
                continue
            name = f"{Path(path).stem}-{commit[:7]}"
            trace = make_trace(before, after, name, seed, source=f"{path}, commit {commit[:12]}: {subject}")
            if len(encode_trace(trace)) <= MAX_TRACE_BYTES:
                n_found += 1
                yield trace


def retype_trace(file: Path, function: str, seed: int) -> Trace:
    """A trace of typing one function or class of a file, the rest of which stands. Raises TraceError."""
    after = _read(file)
    found = [
        node
        for node in ast.walk(ast.parse(after))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == function
    ]
    if not found:
        raise TraceError(f"{file} has no function or class {function}.", "Name one that is in the file.")
    lines = after.splitlines(keepends=True)
    first, last = found[0].lineno - 1, found[0].end_lineno or found[0].lineno
    before = "".join(lines[:first] + lines[last:])
    return make_trace(
        before, after, f"{file.stem}-{function}", seed, source=f"{file.name}: {function}, typed again"
    )


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", b"") or str(error).encode()
        raise TraceError(
            f"The commits of {repository} cannot be read: {told.decode(errors='replace').strip()}",
            "Name a folder with a git repository.",
        ) from error
    return done.stdout.decode(errors="replace").replace("\r\n", "\n")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} cannot be read: {error}.", "Name a text file in UTF-8.") from error


def _wanted(given: argparse.Namespace) -> Iterator[Trace]:
    if given.commits is not None:
        yield from commit_traces(given.commits, given.limit, given.seed)
    elif given.retype is not None and len(given.files) == 1:
        yield retype_trace(given.files[0], given.retype, given.seed)
    elif given.retype is None and len(given.files) == 2:
        before, after = given.files
        source = f"{before.name} to {after.name}"
        yield make_trace(_read(before), _read(after), after.stem, given.seed, source=source)
    else:
        raise TraceError(
            "There is nothing to make a trace of.",
            "Give FILE_BEFORE FILE_AFTER, --commits, or --retype and a FILE.",
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m stardraft_quant.bench.traces", description="Make traces by typing an edit again."
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="FILE_BEFORE FILE_AFTER")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Where the traces are written."
    )
    parser.add_argument("--commits", type=Path, metavar="REPOSITORY", help="Type its newest commits again.")
    parser.add_argument("--limit", type=int, default=20, help="The most traces of --commits.")
    parser.add_argument("--retype", metavar="FUNCTION", help="Type a function of FILE again.")
    parser.add_argument("--seed", type=int, default=0, help="Decides the times, errors and acceptances.")
    given = parser.parse_args(arguments)
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        for trace in _wanted(given):
            path = given.out / f"{trace.name}.json"
            path.write_bytes(encode_trace(trace))
            n_bytes = len(trace.text.encode())
            print(f"{path}: {counted(len(trace.events), 'event')} on {counted(n_bytes, 'byte')}")
    except (StardraftError, OSError) as error:
        parser.exit(1, f"{error}\n{getattr(error, 'hint', '')}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
