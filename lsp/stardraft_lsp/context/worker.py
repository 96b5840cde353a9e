"""The background thread's work: the index of the workspace, the open documents' copies, the placements.

All of it belongs to one thread (source.py), which tells what the editor has said and calls `step` while
there is work. It works in slices of a millisecond (scan.Pace), and a place that a user waits at comes
before the reading of the workspace.
"""

# ruff: noqa: PTH118, PTH119, PTH120 - paths are strings here: there are many, and a Path costs microseconds

import os
from collections.abc import Callable, Iterator, Sequence

from stardraft_lsp.context.access.allowed import Allowed
from stardraft_lsp.context.access.disk import PatientDisk
from stardraft_lsp.context.access.ignore import IGNORE_FILES
from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.context.choice.candidates import Declared, Finder, OpenDocument, QuestionPlace
from stardraft_lsp.context.choice.placing import Placement, Reuse
from stardraft_lsp.context.choice.recent import Recent
from stardraft_lsp.context.index import Index
from stardraft_lsp.context.index.chunking import Chunker, LineChunker
from stardraft_lsp.context.index.definitions import Outliner, PlainOutliner
from stardraft_lsp.context.index.scan import Pace, Scanner, finish
from stardraft_lsp.context.index.watching import Watching
from stardraft_lsp.context.settings import ContextSettings
from stardraft_lsp.context.shared import ContextStatus, Edit, SharedState
from stardraft_lsp.echo.memory import Memory
from stardraft_lsp.echo.nearby import NearbyFiles
from stardraftd.privacy.uris import paths_in

_MAX_CHANGED = 5_000  # paths; more are read by a scan
_MAX_PLACEMENTS = 64


class ContextWorker:
    """Everything that is known of other files, brought up to date step by step.

    Any method may raise: a mistake in one is no reason to end the thread, see `give_up`.
    """

    def __init__(
        self,
        shared: SharedState,
        settings: ContextSettings,
        disk: PatientDisk,
        watching: Watching | None,
        clock: Callable[[], float],
        *,
        chunker: Chunker | None,
        open_chunker: Chunker | None,
        outliner: Outliner | None,
        on_prepared: Callable[[str], None],
        on_scanned: Callable[[ContextStatus], None],
        memory: Memory,
    ) -> None:
        self._shared = shared
        self._settings = settings
        self._disk = disk
        self._watching = watching
        self._clock = clock
        self._chunker = chunker or LineChunker(settings.chunk_lines, settings.chunk_characters)
        self._open_chunker = open_chunker or self._chunker
        self._outliner = outliner or PlainOutliner()
        self._on_prepared = on_prepared
        self._on_scanned = on_scanned
        self._pace = Pace()
        self._documents: dict[str, OpenDocument] = {}
        self._recent = Recent()
        self._index = Index(settings.max_chunks, settings.max_files, settings.max_index_bytes)
        self._placements: dict[str, Placement] = {}
        self._places: dict[str, QuestionPlace] = {}
        self._wanted: dict[str, None] = {}
        self._changed: dict[str, float] = {}
        self._scan: Iterator[None] | None = None
        self._sweep: Iterator[None] | None = None
        self._near = NearbyFiles(memory, disk, self._pace.tick)
        self._reading_near: Iterator[None] | None = None
        self._scan_again = False  # folders came while a scan ran, or right after one
        self._scanned_at = 0.0
        self._is_watched = False
        self._forget_rules = False

    # --- when there is work ---------------------------------------------------------------------------------

    def step(self) -> bool:
        """Does the most urgent piece of work; False when there is none right now."""
        work = (
            self._prepare_next,
            self._check_rules,
            self._read_near,
            self._reindex,
            self._reread,
            self._scan_on,
            self._sweep_on,
        )
        if any(step() for step in work):
            return True
        self._report(is_scanning=False)
        return False

    @property
    def is_done(self) -> bool:
        """Whether nothing is known of that will be due later, but for a scan after a long time."""
        is_indexed = all(document.is_indexed for document in self._documents.values())
        return is_indexed and not self._changed and not self._scan_again

    def patience_s(self) -> float:
        """How long nothing will be due."""
        now = self._clock()
        due = [self._scan_due_at()]
        due += [at + self._settings.settle_s for at in self._changed.values()]
        due += [d.changed_at + self._settings.reindex_s for d in self._documents.values() if not d.is_indexed]
        return min(max(min(due) - now, 0.01), 60.0)

    def give_up(self) -> None:
        """A step failed: what was half done is left, and done at the next scan."""
        self._scan = self._sweep = self._reading_near = None
        self._scanned_at = self._clock()
        self._shared.give_up_checking()

    # --- what the editor has said ---------------------------------------------------------------------------

    def begin(self, roots: tuple[str, ...]) -> None:
        """The workspace has these folders now."""
        self._allowed = Allowed(roots, self._disk, self._settings, self._pace.tick)
        self._scanner = Scanner(
            disk=self._disk,
            allowed=self._allowed,
            index=self._index,
            chunker=self._chunker,
            outliner=self._outliner,
            settings=self._settings,
            pace=self._pace,
        )
        self._finder = Finder(
            allowed=self._allowed,
            index=self._index,
            outliner=self._outliner,
            recent=self._recent,
            documents=self._documents,
            settings=self._settings,
            pace=self._pace,
        )
        self._forget_rules = True
        self._start_scan()

    def opened(self, uri: str, path: str, text: str) -> None:
        """path: "" for what is in no file."""
        real = ""
        if path:
            try:
                real = self._disk.real(path)
            except OSError:
                real = ""
        self._documents[uri] = OpenDocument(uri, real, text, self._clock() - self._settings.reindex_s)
        self._judge(uri)
        self._scanner.live = {document.path for document in self._documents.values()}
        self._near.want(uri)

    def viewed(self, uri: str, line: int) -> None:
        """The cursor is there, or the document was focused."""
        self._recent.viewed(uri, line, self._clock())

    def edited(self, uri: str, text: str, edits: Sequence[Edit] | None) -> None:
        """edits: None when the whole text is new."""
        document = self._documents.get(uri)
        if document is None:
            return
        document.text = text
        document.changed_at = self._clock()
        document.is_indexed = False
        if edits is None:
            self._recent.forget(uri)
        for edit in edits or ():
            self._recent.edited(uri, edit.line, edit.n_old, edit.n_new, document.changed_at)

    def closed(self, uri: str) -> None:
        document = self._documents.pop(uri, None)
        self._wanted.pop(uri, None)
        self._places.pop(uri, None)
        self._shared.closed(uri)
        self._recent.forget(uri)
        self._near.closed(uri)
        if document is not None and document.path:
            self._scanner.live = {other.path for other in self._documents.values()}
            # The disk's text counts again.
            self._changed[document.path] = self._clock() - self._settings.settle_s

    def changed(self, paths: Sequence[str]) -> None:
        """Files or folders were created, changed or deleted on disk."""
        now = self._clock()
        for path in paths:
            if os.path.basename(path) in IGNORE_FILES or path.endswith(os.path.join("info", "exclude")):
                self._forget_rules = True
            elif family_of(path):
                self._changed[path] = now
            else:
                self._changed_folder(path, now)
        if len(self._changed) > _MAX_CHANGED:
            self._changed.clear()
            self._scan_again = True

    def _changed_folder(self, folder: str, now: float) -> None:
        """A folder came or went: what was in it is looked at again, what is in it is read."""
        for path in self._index.paths():
            if path.startswith(folder + os.sep):
                self._changed[path] = now
        if self._allowed.why_no_folder(folder):
            return
        try:
            self._disk.list(folder)
        except OSError:
            return  # gone, or a file of no kind that is known
        self._scan_again = True

    def want(self, place: QuestionPlace) -> None:
        """Chunks for this place are to be made ready; the newest place of a document counts."""
        if place.uri in self._documents:
            self._places[place.uri] = place
            self._wanted.pop(place.uri, None)
            self._wanted[place.uri] = None

    def declared(self, uri: str, places: tuple[Declared, ...]) -> None:
        """The editor said where names of a document are declared."""
        document = self._documents.get(uri)
        if document is None:
            return
        found = []
        for place in places:
            try:
                found.append(place._replace(path=self._disk.real(place.path)))
            except OSError:
                continue
        if tuple(found) != document.declared:
            document.declared = tuple(found)
            if uri in self._places:
                self._wanted.setdefault(uri)

    # --- steps ----------------------------------------------------------------------------------------------

    def _prepare_next(self) -> bool:
        """Makes the chunks for the newest place ready."""
        if not self._wanted or self._forget_rules:
            return False
        uri, _ = self._wanted.popitem()
        place, document = self._places[uri], self._documents[uri]
        if self._shared.why_not(uri) or not self._settings.enabled:
            return True
        candidates = finish(self._finder.candidates(place, document.path))
        for path in self._finder.changed:
            self._changed.setdefault(path, self._clock())
        self._finder.changed.clear()
        placement = self._placement(uri)
        before = placement.chunks
        after = placement.update(
            candidates, self._clock(), place.prefix + place.suffix, self._finder.is_stale
        )
        if uri in self._documents:
            self._shared.prepared(uri, after)
        if after != before:
            self._report(is_scanning=self._scan is not None)
            self._on_prepared(uri)
        return True

    def _placement(self, uri: str) -> Placement:
        """The document's, kept also while it is closed for a while; the one used longest ago goes."""
        placement = self._placements.pop(uri, None)
        if placement is None:
            settings = self._settings
            placement = Placement(settings.budget_characters, settings.calm_s, settings.unwanted_s)
        self._placements[uri] = placement
        while len(self._placements) > _MAX_PLACEMENTS:
            del self._placements[next(iter(self._placements))]
        return placement

    def _judge(self, uri: str) -> None:
        """By every path in the address: a notebook's cell is not `file:`, and is in a file all the same."""
        reasons = (self._allowed.why_no_suggestions(path) for path in paths_in(uri))
        self._shared.judged(uri, next((reason for reason in reasons if reason), ""))

    def _check_rules(self) -> bool:
        """Ignore files changed: everything that is known, ready or open is looked at again."""
        if not self._forget_rules:
            return False
        self._forget_rules = False
        self._allowed.forget()
        self._reading_near = None
        self._near.forget()
        for uri in list(self._documents):
            self._judge(uri)
        for path in self._index.paths():
            if self._allowed.why_not(path):
                self._index.remove(path)
            self._pace.tick()
        for document in self._documents.values():
            document.checked = None
            document.is_indexed = False
        for uri in self._places:
            self._wanted.setdefault(uri)
        self._start_scan()
        return True

    def _read_near(self) -> bool:
        """Goes on reading the files near an open document, for its echo."""
        if self._reading_near is None:
            uri = self._near.next()
            document = self._documents.get(uri) if uri is not None else None
            if document is None:
                return uri is not None
            self._shared.readable(document.uri, self._finder.live_lines(document) is not None)
            if not document.path or not self._settings.enabled or self._shared.why_not(document.uri):
                self._near.clear(document.uri)
                return True
            self._reading_near = self._near.read(
                document.uri, document.path, self._allowed, self._index.paths(), self._scanner.live
            )
        if next(self._reading_near, self) is self:
            self._reading_near = None
        return True

    def _reindex(self) -> bool:
        """Indexes an open document's text when it has been left alone for a while."""
        now = self._clock()
        for document in self._documents.values():
            if not document.is_indexed and now - document.changed_at >= self._settings.reindex_s:
                document.is_indexed = True
                lines = self._finder.live_lines(document)
                if lines is not None:
                    stamp = ("open", id(document), now)
                    finish(self._scanner.text(document.path, stamp, "\n".join(lines), self._open_chunker))
                elif document.path:
                    self._index.remove(document.path)
                return True
        return False

    def _reread(self) -> bool:
        """Brings the entry of a changed file up to date when it has been left alone for a moment."""
        now = self._clock()
        for path, changed_at in self._changed.items():
            if now - changed_at >= self._settings.settle_s:
                del self._changed[path]
                if path not in self._scanner.live:
                    finish(self._scanner.file(path))
                    self._near.changed(path)
                return True
        return False

    def _scan_due_at(self) -> float:
        settings = self._settings
        return self._scanned_at + (4 * settings.settle_s if self._scan_again else settings.rescan_s)

    def _start_scan(self) -> None:
        self._scan_again = False
        if not self._settings.enabled:  # nothing is sent of what is there: it need not be read
            self._scanned_at = self._clock()
            return
        self._allowed.forget_tracked()
        folders = {os.path.dirname(document.path) for document in self._documents.values() if document.path}
        self._scan = self._scanner.scan(sorted(folders))
        self._report(is_scanning=True)

    def _scan_on(self) -> bool:
        if self._scan is None:
            if self._clock() < self._scan_due_at():
                return False
            self._start_scan()
        if self._scan is not None and next(self._scan, self) is not self:
            return True
        self._scan = None
        self._scanned_at = self._clock()
        self._watch()
        for uri in self._places:
            self._wanted.setdefault(uri)
        for uri in self._documents:
            self._near.want(uri)
        return True

    def _sweep_on(self) -> bool:
        if self._sweep is None:
            if not self._index.wants_sweep:
                return False
            self._sweep = self._index.sweep()
        if next(self._sweep, self) is self:
            self._sweep = None
        self._pace.tick()
        return True

    def _watch(self) -> None:
        """Watches what was scanned, if that is not too much and all of it answers."""
        if self._watching is None or self._disk.hanging:
            return
        if self._scanner.n_folders > self._settings.max_watched_folders:
            self._scanner.left_out.folder(self._allowed.roots[0], "not_watched")
            return
        below: list[str] = []
        for root in self._allowed.roots:
            try:
                entries = self._disk.list(root)
            except OSError:
                continue
            folders = (os.path.join(root, entry.name) for entry in entries if entry.is_folder)
            below += [folder for folder in folders if not self._allowed.why_no_folder(folder)]
        self._is_watched = self._watching.watch(self._allowed.roots, below)

    def _report(self, *, is_scanning: bool) -> None:
        left_out = self._scanner.left_out
        reuses = [placement.reuse for placement in self._placements.values()]
        was_scanning = self._shared.status.is_scanning
        self._shared.status = ContextStatus(
            is_scanning=is_scanning,
            n_files=len(self._index),
            n_chunks=self._index.n_chunks,
            size_bytes=self._index.size_bytes,
            is_watched=self._is_watched,
            left_out=dict(left_out.counts),
            left_out_folders=dict(left_out.folders),
            reuse=Reuse(
                sum(reuse.n_updates for reuse in reuses),
                sum(reuse.placed_characters for reuse in reuses),
                sum(reuse.kept_characters for reuse in reuses),
            ),
        )
        if was_scanning and not is_scanning:
            self._on_scanned(self._shared.status)
