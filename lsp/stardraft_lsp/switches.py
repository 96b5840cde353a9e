"""Whether there are suggestions where the user is now, told to the status board the moment that it changes.

The user is in the document that has the focus, or, in editors that do not say so, in the one that was opened
or asked about last. What has switched suggestions off there is for `settings.effective` to say, and whether
the document may be sent at all for `context`. Not here: what a question is answered.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping

from stardraft_lsp.context.shared import WhyNot
from stardraft_lsp.settings import Settings
from stardraft_lsp.status import StatusBoard
from stardraft_lsp.text.documents import Document


class Switches:
    """Follows the switches of one editor. `look` after each change of settings; `close` at the end.

    why_unsent: why a document is sent to no model; "" where it is, "checking" where that is not known yet.
    on_enabled: is called with whether suggestions are switched on at all, at each look. A snooze and a single
        language or folder are no reason to let the daemon go.
    says_focus: whether the editor tells which document has the focus.
    """

    def __init__(
        self,
        settings: Settings,
        board: StatusBoard,
        documents: Mapping[str, Document],
        why_unsent: Callable[[str], WhyNot],
        on_enabled: Callable[[bool], None],
    ) -> None:
        self._settings = settings
        self._board = board
        self._documents = documents
        self._why_unsent = why_unsent
        self._on_enabled = on_enabled
        self._current = ""
        self._minute: asyncio.TimerHandle | None = None
        self.says_focus = False

    @property
    def current(self) -> str:
        """The URI of the document that the user is in; "" where none is open."""
        return self._current

    def opened(self, uri: str) -> None:
        """A document was opened. In an editor that tells of the focus that alone says nothing."""
        if not self.says_focus or self._current not in self._documents:
            self.enter(uri)

    def enter(self, uri: str) -> None:
        """The user is in this document now."""
        if uri != self._current and uri in self._documents:
            self._current = uri
            self._board.moved()
            self.look()

    def closed(self, uri: str) -> None:
        """A document is not among the open ones any more."""
        if uri == self._current:
            self._current = next(reversed(list(self._documents)), "")
            self._board.moved()
            self.look()

    def judged(self, uri: str) -> None:
        """Whether a document may be sent is known now, or known anew."""
        if uri == self._current:
            self.look()

    def look(self) -> None:
        """Tells the board how it stands; while suggestions are snoozed again each minute, and at the end."""
        self.close()
        document = self._documents.get(self._current)
        now_s = time.monotonic()
        uri, language = (document.uri, document.language) if document is not None else ("", "")
        found = self._settings.for_document(uri, language, now_s)
        message = found.why
        if found.off == "snoozed":
            left_s = found.until_s - now_s
            message = snoozed_text(left_s)
            self._minute = asyncio.get_running_loop().call_later(left_s % 60 + 0.01, self.look)
        unsent = self._why_unsent(uri)
        self._board.follow_echo(self._settings.echo)
        self._board.block(found.off or ("" if unsent == "checking" else unsent), message)
        self._on_enabled(not found.is_off_everywhere)

    def close(self) -> None:
        """Looks no more by itself."""
        if self._minute is not None:
            self._minute.cancel()
            self._minute = None


def snoozed_text(left_s: float) -> str:
    """How long suggestions are snoozed, in minutes that have begun."""
    minutes = max(1, math.ceil(left_s / 60))
    return f"Suggestions are snoozed for {minutes} more minute{'' if minutes == 1 else 's'}."
