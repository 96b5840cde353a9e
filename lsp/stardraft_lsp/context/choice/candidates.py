"""What could be sent for a place in a document: similar chunks, definitions, recent regions, with values.

Every text passes allowed.py and the search for secrets on its way. Which of the candidates are sent, and in
which order, is placing.py's to decide. For the background thread; in steps.
"""

# ruff: noqa: PTH120 - paths are strings here: there are many, and a Path costs microseconds

import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stardraft_lsp.context.access.allowed import Allowed, FileText, Reason, Refused
from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.context.choice.placing import Candidate, Kind, Placed
from stardraft_lsp.context.choice.ranking import overlap, shared_lines, telling_lines
from stardraft_lsp.context.choice.recent import Recent, Region, region_text
from stardraft_lsp.context.index import ChunkRef, Index, lines_of, text_of
from stardraft_lsp.context.index.definitions import Outliner, agreement, names_near
from stardraft_lsp.context.index.scan import Pace
from stardraft_lsp.context.index.words import definition_number, number_of, words_of
from stardraft_lsp.context.settings import ContextSettings
from stardraftd.privacy.content import has_secret

# How much of the text around the cursor says what is being written.
_BEFORE_LINES, _AFTER_LINES = 30, 8
_MAX_WORDS = 80
# How many of each kind are offered at most.
N_SIMILAR, N_DEFINITIONS, N_RECENT = 6, 6, 5
_N_READ = 12  # chunks whose real words are compared
_MIN_OVERLAP = 0.12
# The scale on which the kinds are compared. A chunk's overlap is 0.1 to 0.5 where it is of use.
_DECLARED, _IMPORTED, _DEFINED, _EDITED, _VIEWED = 0.7, 0.6, 0.4, 0.5, 0.25
_LATER = 0.85  # of the value, for each region that is newer
STALE_SHARE = 0.5


@dataclass(frozen=True)
class QuestionPlace:
    """Where in a document text is wanted, and the text around it that is sent, with LF line ends."""

    uri: str
    prefix: str
    suffix: str


class Declared(NamedTuple):
    """Where the editor says that a name is declared: a line (from 0) of a file. Nothing of it is checked."""

    name: str
    path: str
    line: int


@dataclass
class OpenDocument:
    """A document of the editor's. path: without links; "" when it is of no file. `why_not`: as a source.

    declared: what the editor says of names in it.
    """

    uri: str
    path: str
    text: str
    changed_at: float
    is_indexed: bool = False
    checked: str | None = None  # the text that `lines` and `why_not` are of
    lines: list[str] = field(default_factory=list)
    why_not: Reason = ""
    declared: tuple[Declared, ...] = ()


# Steps of work with a result in the end.
Steps = Generator[None, None, list[Candidate]]


class _Source(NamedTuple):
    """The text of a file, as it is now."""

    stamp: object
    lines: list[str]


class Finder:
    """Finds candidates; owns nothing but a look at what the background thread knows.

    documents: the open ones by URI. Where one is of a file, its text counts instead of the disk's.
    changed: files that were found to be others than those in the index; whoever reads this empties it.
    """

    def __init__(
        self,
        *,
        allowed: Allowed,
        index: Index,
        outliner: Outliner,
        recent: Recent,
        documents: Mapping[str, OpenDocument],
        settings: ContextSettings,
        pace: Pace,
    ) -> None:
        self._allowed = allowed
        self._index = index
        self._outliner = outliner
        self._recent = recent
        self._documents = documents
        self._settings = settings
        self._pace = pace
        self.changed: set[str] = set()

    def candidates(self, place: QuestionPlace, path: str) -> Steps:
        """Generates steps; returns the list of candidates. path: the document's own, "" when of no file."""
        found: list[Candidate] = []
        found += yield from self._recent_ones()
        family = family_of(path)
        declared = yield from self._declared(place, path)
        found += declared
        if family:
            known = {candidate.key for candidate in declared}
            found += [
                one for one in (yield from self._definitions(place, path, family)) if one.key not in known
            ]
            found += yield from self._similar(place, path, family)
        return found

    def is_stale(self, placed: Placed) -> bool:
        """Whether a placed chunk's file may not be read any more, or has lost most of the chunk's lines."""
        source = self._read(placed.source)
        self._pace.tick()
        if source is None:
            return True
        return shared_lines(placed.lines, {line.strip() for line in source.lines}) < STALE_SHARE

    def live_lines(self, document: OpenDocument) -> list[str] | None:
        """An open document's lines; None when it is not to be read into other documents' prompts."""
        source = self._live(document)
        return None if source is None else source.lines

    def _similar(self, place: QuestionPlace, path: str, family: str) -> Steps:
        around = "\n".join(
            [*place.prefix.split("\n")[-_BEFORE_LINES:], *place.suffix.split("\n")[:_AFTER_LINES]]
        )
        words = words_of(around)
        weights = {word: self._index.weight(number_of(word)) for word in words}
        wanted = set(sorted(words, key=lambda word: (-weights[word], word))[:_MAX_WORDS])
        hits = self._index.search({number_of(word) for word in wanted}, {family}, _N_READ, besides={path})
        self._pace.tick()
        yield
        found: list[Candidate] = []
        for hit in hits:
            text = self._chunk(hit.ref)
            self._pace.tick()
            yield
            if not text:
                continue
            offered = words_of(text)
            value = overlap(wanted, offered, lambda w: weights.get(w) or self._index.weight(number_of(w)))
            if os.path.dirname(hit.ref.path) == os.path.dirname(path):
                value *= 1.1
            if value >= _MIN_OVERLAP:
                found.append(self._candidate(hit.ref.path, text, value, "similar", telling_lines(text)[0]))
        found.sort(key=lambda candidate: -candidate.value)
        return found[:N_SIMILAR]

    def _declared(self, place: QuestionPlace, path: str) -> Steps:
        """What the editor's own language servers say that the names near the cursor are."""
        document = self._documents.get(place.uri)
        near = {name: rank for rank, name in enumerate(names_near(place.prefix, place.suffix))}
        found: list[Candidate] = []
        for one in document.declared if document is not None else ():
            if one.path == path or one.name not in near or len(found) == N_DEFINITIONS:
                continue
            source = self._read(one.path)
            self._pace.tick()
            yield
            text = self._outline_at(source.lines, one) if source is not None else ""
            self._pace.tick()
            if not text or len(text) > self._settings.chunk_characters or has_secret(text):
                continue
            value = _DECLARED * (1 - near[one.name] / (2 * len(near)))
            found.append(self._candidate(one.path, text, value, "definition", f"definition {one.name}"))
        return found

    def _outline_at(self, lines: list[str], one: Declared) -> str:
        """The look of what is declared there; under another name it was imported as `one.name`."""
        family = family_of(one.path)
        text = self._outliner.outline(lines, one.name, one.line, family)
        if text or one.line >= len(lines):
            return text
        names = self._outliner.defined(lines[one.line] + "\n", family)
        return self._outliner.outline(lines, names[0], one.line, family) if names else ""

    def _definitions(self, place: QuestionPlace, path: str, family: str) -> Steps:
        modules = {one.name: one.module for one in self._outliner.imports(place.prefix, family)}
        self._pace.tick()
        yield
        own = set(self._outliner.defined(place.prefix[-8_000:], family))
        self._pace.tick()
        near = [name for name in names_near(place.prefix, place.suffix) if name not in own]
        found: list[Candidate] = []
        for rank, name in enumerate(near):
            ref = self._definition_of(name, path, family, modules.get(name, ""))
            if ref is None:
                continue
            source = self._read(ref.path)
            self._pace.tick()
            yield
            text = self._outliner.outline(source.lines, name, ref.first_line, family) if source else ""
            self._pace.tick()
            if not text or len(text) > self._settings.chunk_characters or has_secret(text):
                continue
            value = (_IMPORTED if name in modules else _DEFINED) * (1 - rank / (2 * len(near)))
            found.append(self._candidate(ref.path, text, value, "definition", f"definition {name}"))
            if len(found) == N_DEFINITIONS:
                break
        return found

    def _definition_of(self, name: str, path: str, family: str, module: str) -> ChunkRef | None:
        """The one chunk that defines a name; None when there are several and nothing tells which."""
        refs = [ref for ref in self._index.with_number(definition_number(name), {family}) if ref.path != path]
        if module and refs:
            agreeing = [agreement(self._allowed.relative(ref.path), module) for ref in refs]
            refs = [ref for ref, n in zip(refs, agreeing, strict=True) if n == max(agreeing)]
        files = {ref.path for ref in refs}
        if len(files) > 1:
            folder = os.path.dirname(path)
            beside = [ref for ref in refs if os.path.dirname(ref.path) == folder]
            refs = beside if len({ref.path for ref in beside}) == 1 else []
        return refs[0] if refs else None

    def _recent_ones(self) -> Steps:
        found: list[Candidate] = []
        rank = 0
        for region in reversed(self._recent.regions):
            document = self._documents.get(region.uri)
            source = self._live(document) if document is not None else None
            self._pace.tick()
            yield
            if document is None or source is None:
                continue
            text = self._region(region, source.lines)
            if not text or has_secret(text):
                continue
            value = (_EDITED if region.kind == "edited" else _VIEWED) * _LATER**rank
            lines = telling_lines(text)
            if not lines:
                continue
            found.append(self._candidate(document.path, text, value, "recent", lines[0]))
            rank += 1
            if rank == N_RECENT:
                break
        return found

    def _region(self, region: Region, lines: list[str]) -> str:
        text = region_text(region, lines)
        if len(text) <= self._settings.chunk_characters:
            return text
        cut = text.rfind("\n", 0, self._settings.chunk_characters)
        return text[: cut + 1]

    def _chunk(self, ref: ChunkRef) -> str:
        """A chunk's text as it is now; "" when it is gone or is not to be sent."""
        source = self._read(ref.path)
        if source is None or source.stamp != self._index.stamp(ref.path):
            self.changed.add(ref.path)
            return ""
        text = text_of(source.lines, ref.first_line, ref.n_lines)
        return "" if has_secret(text) or not telling_lines(text) else text

    def _read(self, path: str) -> _Source | None:
        """A file's text through the one door, from the editor or from the disk."""
        for document in self._documents.values():
            if document.path == path:
                return self._live(document)
        try:
            read: FileText = self._allowed.text(path)
        except Refused:
            return None
        self._pace.tick()
        return _Source(read.stamp, lines_of(read.text))

    def _live(self, document: OpenDocument) -> _Source | None:
        """An open document's text; checked once for each version, its path each time."""
        if not document.path:
            return None
        if document.checked is not document.text:
            document.checked = document.text
            try:
                document.lines = lines_of(self._allowed.check(document.path, document.text))
                document.why_not = ""
            except Refused as refused:
                document.lines = []
                document.why_not = refused.reason
        elif not document.why_not:
            document.why_not = self._allowed.why_not(document.path)
        stamp = self._index.stamp(document.path) if document.is_indexed else None
        return None if document.why_not else _Source(stamp, document.lines)

    def _candidate(self, path: str, text: str, value: float, kind: Kind, key: str) -> Candidate:
        return Candidate(self._allowed.relative(path), text, value, kind, path, key)
