"""What the session calls: it follows suggestions and accepted texts, and hands finished facts to the writer.

All calls come from one thread, the event loop's; each costs microseconds, and none raises. Identities of
suggestions are the caller's: `new_id` makes one, and an item's command, or llm-ls's request_id, carries it.
"""

import math
import random
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from stardraft_lsp.stats.edits import Edit
from stardraft_lsp.stats.facts import Cost, Fate, Look, Outcome, Silence, Source
from stardraft_lsp.stats.kept import LOOKS_S, Kept
from stardraft_lsp.stats.suggestion import Suggestion
from stardraft_lsp.stats.writer import Writer
from stardraftd.errors import StardraftError
from stardraftd.protocol.completion import Figures

# Identities that an editor may still speak of, and costs of generations that may still be shown.
MAX_KNOWN = 256
MAX_UNSHOWN = 64
# Accepted texts that are followed at once; their longest, and how much longer what stands there may be.
MAX_FOLLOWED = 64
MAX_ACCEPTED_CHARS = 20_000
MAX_NOW_CHARS = 60_000
# How long after an edit an editor may say that the edit was the acceptance.
LATE_WORD_S = 2.0
# A timer may come a little before its time.
EARLY_S = 0.1
_MAX_NAME = 64


class _Followed:
    """An accepted text between its acceptance and its last look. `looks` are what is still to come."""

    def __init__(self, key: int, uri: str, kept: Kept, since_s: float) -> None:
        self.key = key
        self.uri = uri
        self.kept = kept
        self.since_s = since_s
        self.looks = list(LOOKS_S)


class Recorder:
    """The suggestions of one editor.

    file:     `store.stats_path()`; it is made when there is something to write.
    editor:   the editor's name, without anything that tells one person from another.
    text_of:  a document's text now, None when it is closed.
    later:    calls a function after so many seconds, such as `loop.call_later`; without it accepted texts
              are looked at when something else happens.
    tell:     gets a StardraftError once when the file cannot be used, from the writer's thread.
    clock_s:  monotonic; wall_s: since 1970.
    enabled:  `editor.stats`; nothing is kept or written while it is false. May be changed at any time.

    Invariants: at most one suggestion of each document is open; every open one ends in one row.
    """

    def __init__(
        self,
        file: Path,
        *,
        editor: str = "",
        text_of: Callable[[str], str | None] = lambda _uri: None,
        later: Callable[[float, Callable[[], None]], object] | None = None,
        tell: Callable[[StardraftError], None] = lambda _error: None,
        clock_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
        enabled: bool = True,
    ) -> None:
        self._text_of = text_of
        self._later = later
        self._clock_s = clock_s
        self._wall_s = wall_s
        self._enabled = enabled
        self._writer = Writer(file, plain_name(editor) or "editor", tell)
        self._open: dict[str, Suggestion] = {}
        self._known: OrderedDict[str, tuple[Suggestion, int]] = OrderedDict()
        self._unshown: OrderedDict[str, tuple[Cost, str]] = OrderedDict()
        self._followed: list[_Followed] = []
        self._last_key = 0
        self._next_look_s = math.inf  # when the timer comes

    @staticmethod
    def new_id() -> str:
        """An identity for a suggestion."""
        return str(uuid.uuid4())

    @property
    def enabled(self) -> bool:
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self._enabled = enabled
        if not enabled:
            self._open.clear()
            self._known.clear()
            self._unshown.clear()
            self._followed.clear()

    # --- what the daemon and the session say -------------------------------------------------------

    def figures(
        self,
        identity: str,
        figures: Figures,
        *,
        language: str = "",
        n_chunks: int = 0,
        n_chunks_reused: int = 0,
    ) -> None:
        """What a generation cost. It may come before `shown` or after; one that is never shown is waste.

        One that is told before `shown` again cost that, too: a line that went on as a block.
        """
        if not self._enabled:
            return
        cost = _cost(figures, n_chunks, n_chunks_reused)
        known = self._known.get(identity)
        if known is None:
            before = self._unshown.get(identity)
            self._unshown[identity] = (before[0].with_more(cost) if before else cost, language)
            while len(self._unshown) > MAX_UNSHOWN:
                self._discard(next(iter(self._unshown)))
        elif known[0].cost is None and known[0].settled_at_s is None:
            known[0].cost = cost
        else:
            self._tally("again", language or known[0].language, cost)

    def shown(
        self,
        identity: str,
        *,
        uri: str,
        language: str,
        text: str,
        offset: int,
        lead: str = "",
        invoked: bool = False,
        waited_ms: float | None = None,
        source: Source = "model",
    ) -> None:
        """A suggestion was given to the editor.

        text:   with the document's own line ends, as it would be inserted.
        offset: where its item's range begins. lead: what the item puts before `text`, as when it repeats a
                selected entry of the editor's list.
        The rest of a suggestion that is being typed through, or one that grew, is the same suggestion.
        """
        if not self._enabled or not text:
            return
        now = self._clock_s()
        open_one = self._open.get(uri)
        if open_one is not None and not lead and open_one.is_same(text, offset):
            open_one.show_again(text)
            self._remember(identity, open_one, open_one.done)
            self._take_cost(identity, open_one)
            return
        if open_one is not None:
            self._settle(open_one, "ignored")
        fresh = Suggestion(self._new_key(), uri, language, text, offset, lead=lead)
        fresh.shown_at_s, fresh.at_ms = now, int(self._wall_s() * 1000)
        fresh.invoked, fresh.waited_ms, fresh.source = invoked, waited_ms, source
        self._open[uri] = fresh
        self._remember(identity, fresh, 0)
        self._take_cost(identity, fresh)

    def silent(self, reason: str, language: str = "", *, identity: str = "", n_generated: int = 0) -> None:
        """A question was answered with nothing. n_generated: tokens that had come until it was cancelled;
        `identity` where `figures` told what it cost."""
        if not self._enabled:
            return
        cost, _language = self._unshown.pop(identity, (Cost(n_generated=n_generated), ""))
        self._tally(reason, language, cost)

    # --- what the editor says ----------------------------------------------------------------------

    def accepted(self, identity: str) -> None:
        """The editor says that all of it was accepted; before or after the edit that did it."""
        known = self._known.get(identity)
        if known is None or not self._enabled:
            return
        suggestion = known[0]
        if suggestion.settled_at_s is None:
            suggestion.tell_accepted()
            if suggestion.done >= len(suggestion.text):
                self._settle(suggestion, "ignored")
        else:
            self._hear_late(suggestion)

    def partially_accepted(self, identity: str, length: int) -> None:
        """The editor says that so many UTF-16 units of what it was given are accepted, counted from its
        beginning, so that each word more makes it greater."""
        known = self._known.get(identity)
        if known is None or not self._enabled:
            return
        suggestion, base = known
        if suggestion.settled_at_s is None:
            suggestion.tell_part(length, base)

    def rejected(self, identity: str) -> None:
        """The editor says that the user does not want it."""
        known = self._known.get(identity)
        if known is not None and self._enabled and known[0].settled_at_s is None:
            self._settle(known[0], "rejected")

    def edited(self, uri: str, edit: Edit) -> None:
        """One change of a document; changes come in their order, after the document has them."""
        if not self._enabled:
            return
        for followed in self._followed:
            if followed.uri == uri:
                followed.kept.apply(edit)
        suggestion = self._open.get(uri)
        if suggestion is not None:
            self._follow_edit(suggestion, edit)
        if self._later is None:
            self.look()

    def closed(self, uri: str) -> None:
        """A document was closed. What was accepted in it is not followed any more."""
        suggestion = self._open.get(uri)
        if suggestion is not None:
            self._settle(suggestion, "ignored")
        self._followed = [followed for followed in self._followed if followed.uri != uri]

    def look(self) -> None:
        """Looks at the accepted texts whose time has come. `later` calls it."""
        now = self._clock_s()
        for followed in self._followed:
            while followed.looks and now >= followed.since_s + followed.looks[0]:
                self._look_at(followed, followed.looks.pop(0))
        self._followed = [followed for followed in self._followed if followed.looks]

    def close(self) -> None:
        """The editor leaves: what is open ends, and all is written. Waits for the file 2 s at most."""
        for suggestion in list(self._open.values()):
            self._settle(suggestion, "ignored")
        for identity in list(self._unshown):
            self._discard(identity)
        self._followed.clear()
        self._writer.close()

    def flush(self) -> None:
        """Returns when all that was recorded is written, or cannot be."""
        self._writer.flush()

    # --- inside ------------------------------------------------------------------------------------

    def _follow_edit(self, suggestion: Suggestion, edit: Edit) -> None:
        match suggestion.see(edit):
            case "finished":
                self._settle(suggestion, "ignored", edit)
            case "left":
                suggestion.left_by = edit
                self._settle(suggestion, "ignored")
                for followed in self._followed:
                    if followed.key == suggestion.key:
                        followed.kept.apply(edit)
            case _:
                pass

    def _settle(self, suggestion: Suggestion, otherwise: Outcome, edit: Edit | None = None) -> None:
        """It ended. What of it stands in the document by a command is followed from now on."""
        if self._open.get(suggestion.uri) is suggestion:
            del self._open[suggestion.uri]
        suggestion.settled_at_s = self._clock_s()
        self._write(suggestion, suggestion.outcome(otherwise))
        if not suggestion.accepted:
            return
        if suggestion.done:
            self._follow(suggestion, Kept(suggestion.text[: suggestion.done], suggestion.origin))
        elif edit is not None:  # accepted, and the editor put it in in its own way
            self._follow(suggestion, Kept(suggestion.text, edit.start, edit.start + len(edit.text)))

    def _hear_late(self, suggestion: Suggestion) -> None:
        """The editor's word about one that has ended: it was accepted after all, or by command."""
        settled, edit = suggestion.settled_at_s, suggestion.left_by
        suggestion.tell_accepted()
        if settled is not None and edit is not None and self._clock_s() - settled <= LATE_WORD_S:
            self._follow(suggestion, Kept(suggestion.text, edit.start, edit.start + len(edit.text)))
        self._write(suggestion, suggestion.outcome("ignored"))

    def _follow(self, suggestion: Suggestion, kept: Kept) -> None:
        if len(kept.text) > MAX_ACCEPTED_CHARS or any(one.key == suggestion.key for one in self._followed):
            return
        self._followed.append(_Followed(suggestion.key, suggestion.uri, kept, self._clock_s()))
        del self._followed[:-MAX_FOLLOWED]
        self._look_later()

    def _look_later(self) -> None:
        """Has the next look made when it is due. One timer waits, however many texts are followed."""
        if self._later is None or not self._followed:
            return
        due_s = min(followed.since_s + followed.looks[0] for followed in self._followed)
        if due_s < self._next_look_s:
            self._next_look_s = due_s
            self._later(max(due_s - self._clock_s(), 0.0), self._look_in_time)

    def _look_in_time(self) -> None:
        self.look()
        if self._clock_s() >= self._next_look_s - EARLY_S:  # else an earlier one took this timer's place
            self._next_look_s = math.inf
            self._look_later()

    def _look_at(self, followed: _Followed, after_s: int) -> None:
        document = self._text_of(followed.uri)
        if document is None:
            return
        kept = followed.kept
        now = document[kept.start : min(kept.end, kept.start + MAX_NOW_CHARS)]
        self._writer.put(Look(id=followed.key, after_s=after_s, accepted=kept.text, now=now))

    def _write(self, suggestion: Suggestion, outcome: Outcome) -> None:
        settled = suggestion.settled_at_s or suggestion.shown_at_s
        self._writer.put(
            Fate(
                id=suggestion.key,
                at_ms=suggestion.at_ms,
                uri=suggestion.uri,
                language=plain_name(suggestion.language),
                invoked=suggestion.invoked,
                n_chars=len(suggestion.text),
                n_lines=suggestion.text.count("\n") + 1,
                outcome=outcome,
                part=suggestion.part if outcome == "partial" else "",
                told=suggestion.told,
                accepted_chars=suggestion.accepted,
                typed_chars=suggestion.typed,
                visible_ms=max(0, int((settled - suggestion.shown_at_s) * 1000)),
                waited_ms=suggestion.waited_ms,
                source=suggestion.source,
                cost=suggestion.cost,
            )
        )

    def _take_cost(self, identity: str, suggestion: Suggestion) -> None:
        cost, _language = self._unshown.pop(identity, (None, ""))
        if cost is None:
            return
        if suggestion.cost is None:
            suggestion.cost = cost
        else:
            self._tally("again", suggestion.language, cost)

    def _discard(self, identity: str) -> None:
        cost, language = self._unshown.pop(identity)
        self._tally("unseen", language, cost)

    def _tally(self, reason: str, language: str, cost: Cost) -> None:
        self._writer.put(
            Silence(
                day=time.strftime("%Y-%m-%d", time.localtime(self._wall_s())),
                language=plain_name(language),
                reason=plain_name(reason) or "unknown",
                n_evaluated=cost.n_evaluated,
                n_reused=cost.n_reused,
                n_generated=cost.n_generated,
            )
        )

    def _remember(self, identity: str, suggestion: Suggestion, base: int) -> None:
        self._known[identity] = (suggestion, base)
        self._known.move_to_end(identity)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _new_key(self) -> int:
        """Ascending, and unlike those of other processes that write into the same file: 62 bits."""
        made = (int(self._wall_s() * 1000) << 20) | random.getrandbits(20)
        self._last_key = max(made, self._last_key + 1) & ((1 << 63) - 1)
        return self._last_key


def plain_name(name: str) -> str:
    """A language's or editor's name as it is stored: printable ASCII, and no longer than a name is."""
    if name.isascii() and name.isprintable() and len(name) <= _MAX_NAME:
        return name
    return "".join(char for char in name if char.isascii() and char.isprintable())[:_MAX_NAME]


def _cost(figures: Figures, n_chunks: int, n_chunks_reused: int) -> Cost:
    return Cost(
        queue_ms=figures.queue_ms,
        prefill_ms=figures.prefill_ms,
        decode_ms=figures.decode_ms,
        first_token_ms=figures.first_token_ms,
        total_ms=figures.total_ms,
        n_prompt=figures.n_prompt,
        n_evaluated=figures.n_evaluated,
        n_reused=figures.n_reused,
        n_generated=figures.n_generated,
        n_chunks=n_chunks,
        n_chunks_reused=n_chunks_reused,
    )
