"""One suggestion on the screen: what the edits of its document say about it.

An editor need not say anything: that a suggestion was taken, or typed, is seen in the document. Where the
editor does say so, its word counts.
"""

from typing import Literal

from stardraft_lsp.stats.edits import Edit
from stardraft_lsp.stats.facts import Cost, Outcome, PartKind, Source
from stardraft_lsp.text.positions import index_of_unit

# What editors insert for one key.
_PAIRS = frozenset({"()", "[]", "{}", "<>", '""', "''", "``"})
# A key gives one character, or a line end with its indentation; more at once was taken by a command.
_MIN_TAKEN_CHARS = 2

Seen = Literal["untouched", "typed", "finished", "left"]


class Suggestion:
    """A suggestion from its showing to its end.

    origin: where its first character stands or would stand. done: how much of it stands in the document.
    Invariants: `text[:done]` stands at `origin`; accepted + typed >= done, and more only between an
    editor's word that something was accepted and the edit that does it.
    """

    def __init__(self, key: int, uri: str, language: str, text: str, origin: int, *, lead: str = "") -> None:
        self.key = key
        self.uri = uri
        self.language = language
        self.text = text
        self.origin = origin
        self.lead = lead
        self.done = 0
        self.accepted = 0
        self.typed = 0
        self.told = False
        self.is_taken = False
        self.part: PartKind = ""
        self.invoked = False
        self.waited_ms: float | None = None
        self.source: Source = "model"
        self.cost: Cost | None = None
        self.shown_at_s = 0.0
        self.at_ms = 0
        self.settled_at_s: float | None = None
        self.left_by: Edit | None = None

    @property
    def place(self) -> int:
        """Where the next character of it would stand."""
        return self.origin + self.done

    @property
    def rest(self) -> str:
        return self.text[self.done :]

    def is_same(self, text: str, offset: int) -> bool:
        """Whether showing `text` at `offset` is this suggestion again: its rest, grown or cut."""
        rest = self.rest
        alike = bool(rest) and (text.startswith(rest) or rest.startswith(text))
        return alike and offset == self.place and not self.is_taken

    def show_again(self, text: str) -> None:
        self.text = self.text[: self.done] + text
        self.accepted = min(self.accepted, len(self.text) - self.typed)

    def see(self, edit: Edit) -> Seen:
        """What an edit means for it; "left" is that the user went another way."""
        place, rest = self.place, self.rest
        if edit.start <= place <= edit.end and (self._takes_rest(edit) or self.is_taken):
            return self._finish(edit)
        if edit.start == edit.end == place and edit.text:
            return self._inserted(edit.text, rest)
        if edit.end < place and edit.end <= self.origin:
            self.origin += edit.delta
            return "untouched"
        if edit.end == place and not edit.text and self.origin <= edit.start < edit.end:
            self._take_back(edit.end - edit.start)
            return "typed"
        return "untouched" if edit.start >= place else "left"

    def tell_accepted(self) -> None:
        """The editor says that all of it is accepted; the edit may come before or after."""
        self.told = self.is_taken = True
        self.accepted = max(self.accepted, len(self.text) - self.typed)

    def tell_part(self, n_units: int, base: int) -> None:
        """The editor says how much is accepted: UTF-16 units of what it was given, `base` into this."""
        given = self.lead + self.text if base == 0 else self.text[base:]
        length = base + index_of_unit(given, n_units, "utf-16") - (len(self.lead) if base == 0 else 0)
        length = min(max(length, 0), len(self.text))
        self.told = True
        self.accepted = max(self.accepted, length - self.typed)
        self.part = _part(self.text, length)
        if length == len(self.text):
            self.is_taken = True

    def outcome(self, otherwise: Outcome) -> Outcome:
        """How it ended; `otherwise` when nothing of it was wanted."""
        if self.is_taken or self.done >= len(self.text):
            return "accepted" if self.accepted else "typed"
        return "partial" if self.accepted else otherwise

    def _takes_rest(self, edit: Edit) -> bool:
        """Whether the edit puts in the whole rest: alone, behind what it repeats, or behind the lead."""
        rest = self.rest
        if not edit.text.endswith(rest) or len(rest) < _MIN_TAKEN_CHARS or edit.text in _PAIRS:
            return False
        head = edit.text[: len(edit.text) - len(rest)]
        if self.done == 0 and self.lead and edit.start == self.origin:
            return head == self.lead
        return len(head) == self.place - edit.start and bool(rest.strip())

    def _finish(self, edit: Edit) -> Seen:
        """All of the rest is there. What the editor made of it while it put it in counts as it."""
        self.is_taken = True
        self.accepted = len(self.text) - self.typed
        if self._takes_rest(edit):
            self.origin = edit.start + len(edit.text) - len(self.rest) - self.done
            self.done = len(self.text)
        return "finished"

    def _inserted(self, new: str, rest: str) -> Seen:
        if new in _PAIRS and not rest.startswith(new) and rest.startswith(new[0]):
            new = new[0]  # the closer behind it is the editor's
        if not rest.startswith(new):
            return "left"
        uncounted = self.done + len(new) - self.accepted - self.typed
        if uncounted > 0:
            if len(new.strip()) >= _MIN_TAKEN_CHARS and new not in _PAIRS:
                self.accepted += uncounted
                self.part = _part(self.text, self.done + len(new))
            else:
                self.typed += uncounted
        self.done += len(new)
        if self.done == len(self.text):
            return "finished"
        return "typed"

    def _take_back(self, n_chars: int) -> None:
        self.done -= n_chars
        from_typed = min(n_chars, self.typed)
        self.typed -= from_typed
        self.accepted = max(0, self.accepted - (n_chars - from_typed))


def _part(text: str, length: int) -> PartKind:
    """Whether the first `length` characters end with a line of the text or inside one."""
    if length <= 0:
        return ""
    ends_line = length >= len(text) or text[length] in "\r\n" or text[length - 1] in "\r\n"
    return "line" if ends_line else "word"
