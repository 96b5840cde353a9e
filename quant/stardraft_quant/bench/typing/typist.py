"""A trace from two versions of a file: a user types each difference, with pauses and typing errors.

The editor closes brackets and indents, and some suggestions are accepted. The times are drawn, not recorded;
everything is decided by the seed.
"""

import difflib
import math
import random
from collections.abc import Iterator

from stardraft_quant.bench.typing.traces import Event, Kind, Trace, TraceError, check_trace, text_sha256
from stardraft_quant.shared.prefixes import common_prefix

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
    """A user who edits `before` into `after`, difference by difference, from the top.

    Line ends must be LF. Raises TraceError when the two are equal.
    """
    if before == after:
        raise TraceError(
            f"{name}: both versions are equal, so there is nothing to type.", "Name two that differ."
        )
    typist = _Typist(before, random.Random(seed))  # noqa: S311 - no secret is made of it
    for start, old, new in differences(before, after):
        typist.replace(start, old, new, is_pasted=len(new.strip()) >= MIN_PASTED and new.strip() in before)
    typist.put_right(after)
    trace = Trace(
        name=name,
        source=source,
        language=language,
        text=before,
        sha256=text_sha256(after),
        events=tuple(typist.events),
    )
    check_trace(trace, name)
    return trace


def differences(before: str, after: str) -> Iterator[tuple[int, str, str]]:
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
    n_head = common_prefix(old, new)
    old, new, start = old[n_head:], new[n_head:], start + n_head
    n_tail = common_prefix(old[::-1], new[::-1])
    old, new = old[: len(old) - n_tail], new[: len(new) - n_tail]
    if not old and n_head == 0 and above.endswith("\n") and new.endswith("\n"):
        return start - 1, "", "\n" + new[:-1]
    return start, old, new


class _Typist:
    """A user at an editor that closes brackets and indents, as VS Code does.

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
        """Mends what the editor's brackets and indentation left wrong, as a user would at the end."""
        n_head = common_prefix(self._text, target)
        old, new = self._text[n_head:], target[n_head:]
        n_tail = common_prefix(old[::-1], new[::-1])
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
        """The closing bracket stands on a line of its own: the user goes behind it."""
        self._do("jump", KEY_MS, self._cursor + n_characters)
        self._pending = self._pending[n_characters:]
        return n_characters

    def _enter(self, target: str, done: int) -> int:
        """Enter: the editor indents, the user corrects it."""
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
