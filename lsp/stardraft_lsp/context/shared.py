"""What the editor's thread and the background thread both know of documents: all the state they share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stardraft_lsp.context.access.allowed import Reason, why_no_suggestions_in
from stardraft_lsp.context.choice.placing import Reuse
from stardraftd.privacy.names import is_secret_name
from stardraftd.privacy.uris import paths_in
from stardraftd.protocol.completion import ContextChunk

# Why a document gets no suggestions. "checking": its folder's ignore files are not read yet.
WhyNot = Literal[Reason, "checking"]


class Edit(NamedTuple):
    """What a change did to the lines: from `line` (from 0) on, `n_old` line ends became `n_new`."""

    line: int
    n_old: int
    n_new: int


@dataclass(frozen=True)
class ContextStatus:
    """left_out: how many files by reason; left_out_folders: some of the folders, and why."""

    is_scanning: bool = True
    n_files: int = 0
    n_chunks: int = 0
    size_bytes: int = 0
    is_watched: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)
    left_out_folders: Mapping[str, str] = field(default_factory=dict)
    reuse: Reuse = Reuse()  # noqa: RUF009 - frozen


class SharedState:
    """What is ready for each open document, and why a document gets nothing.

    The editor's thread adds documents, removes them and looks for keys in them; all else is written by the
    background thread. Each operation is one of a dictionary, so no lock is needed.

    on_judged: called in the background thread when the reason of a document is another than before.
    """

    def __init__(self, on_judged: Callable[[str], None] = lambda _uri: None) -> None:
        self._on_judged = on_judged
        self.status = ContextStatus()
        self._ready: dict[str, tuple[ContextChunk, ...]] = {}
        self._reasons: dict[str, WhyNot] = {}
        self._key_in: dict[str, Reason] = {}
        self._readable: dict[str, bool] = {}

    # --- the editor's thread -------------------------------------------------------------------------------

    def add(self, uri: str, text: str) -> None:
        paths = paths_in(uri)
        is_somewhere = any("/" in path for path in paths)  # `untitled:Untitled-1` is nowhere
        secret = any(is_secret_name(path) for path in paths)
        self._reasons[uri] = "secret_file" if secret else "checking" if is_somewhere else ""
        self.look_for_key(uri, text)

    def remove(self, uri: str) -> None:
        for known in (self._reasons, self._key_in, self._ready, self._readable):
            known.pop(uri, None)

    def look_for_key(self, uri: str, text: str) -> None:
        """At once, not later: a key that was pasted is not in the next question."""
        self._key_in[uri] = why_no_suggestions_in(text)

    def chunks(self, uri: str) -> tuple[ContextChunk, ...]:
        return () if self.why_not(uri) else self._ready.get(uri, ())

    def why_not(self, uri: str) -> WhyNot:
        return self._key_in.get(uri, "") or self._reasons.get(uri, "")

    def readable_beside(self, uri: str) -> list[str]:
        """The other open documents whose text may be read for this one."""
        return [
            other
            for other, is_readable in self._readable.items()
            if is_readable and other != uri and not self.why_not(other)
        ]

    # --- the background thread ------------------------------------------------------------------------------

    def readable(self, uri: str, is_readable: bool) -> None:
        """Whether a document's text may be read for other documents."""
        if uri in self._reasons:
            self._readable[uri] = is_readable

    def judged(self, uri: str, reason: Reason) -> None:
        before = self._reasons.get(uri, reason)
        if uri in self._reasons:
            self._reasons[uri] = reason
        if reason:
            self._ready.pop(uri, None)
        if reason != before:
            self._on_judged(uri)

    def give_up_checking(self) -> None:
        """A step failed: whether these documents may be sent was not found out, so they are not. One whose
        turn is still to come is judged then."""
        checking = [uri for uri, why in self._reasons.items() if why == "checking"]
        for uri in checking:
            self.judged(uri, "unreadable")

    def prepared(self, uri: str, chunks: tuple[ContextChunk, ...]) -> None:
        self._ready[uri] = chunks

    def closed(self, uri: str) -> None:
        self._ready.pop(uri, None)
