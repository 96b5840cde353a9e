"""All that one editor's own code says: documents as they are, files near them, what was just removed.

`guess` is asked at a key, in the editor's thread, and takes a few milliseconds at most. What is read of files
is put in by another thread, whole each time.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from stardraft_lsp.echo.choosing import Guess, Spot, choose
from stardraft_lsp.echo.code import Code, LiveCode, Source
from stardraft_lsp.echo.habits import ABOVE, BELOW, LineEnds
from stardraft_lsp.echo.lexemes import INDENTS, LINE_END, Indents, Lexicon, words_of
from stardraft_lsp.echo.renaming import REACH as RENAMING_REACH
from stardraft_lsp.echo.renaming import rename
from stardraft_lsp.echo.voting import REACH, Candidate, vote

# Milliseconds for what is unread of the cursor's document and of the other open ones, on a key's way.
_READ_MS = 1.0
_CONTEXT_LINES, _CONTEXT_CHARACTERS = 8, 3_000
_MAX_REMOVED = 64
# Lines whose words are known, and in which the next line with something on it is looked for.
_FAR, _NEAR_LINES, _BELOW = 15, 4, 6
_OWN, _OPEN, _FOLDER, _NEAR, _REMOVED = 3.5, 1.5, 1.5, 1.0, 2.0


@dataclass(frozen=True)
class Nearby:
    """Files near a document: those of its folder, and others."""

    folder: Source
    others: Source


class _Open:
    """An open document: its code, and the lines that were just removed from it, the newest last."""

    def __init__(self, live: LiveCode) -> None:
        self.live = live
        self.removed: OrderedDict[str, None] = OrderedDict()
        self._line = -1
        self._was = ""
        self._removed_code: Code | None = None

    def removed_code(self, lexicon: Lexicon) -> Code:
        if self._removed_code is None:
            self._removed_code = Code.of(lexicon, self.live.uri, "\n".join(self.removed))
        return self._removed_code

    def change(self, edits: Sequence[tuple[int, int, int]], text: str) -> None:
        before, known = self.live.lines, tuple(self.removed)
        self.live.change(edits, text)
        for line, n_old, n_new in edits[:_MAX_REMOVED]:
            if n_old:
                self._forget(before[line : line + n_old + 1][:_MAX_REMOVED])
            if (line, n_old, n_new) != (self._line, 0, 0):
                if self._was not in self.live.lines:
                    self._forget([self._was])
                self._line, self._was = line, before[line] if line < len(before) else ""
        if edits:
            (first, *_), (last, _, n_new) = edits[0], edits[-1]
            for again in self.live.lines[first : last + n_new + 1]:
                self.removed.pop(again.strip(), None)
        if tuple(self.removed) != known:
            self._removed_code = None

    def _forget(self, lines: Iterable[str]) -> None:
        for line in lines:
            if stripped := line.strip():
                self.removed[stripped] = None
                self.removed.move_to_end(stripped)
        while len(self.removed) > _MAX_REMOVED:
            self.removed.popitem(last=False)


class Memory:
    """What the documents of one editor and the files near them say. lexicon: shared with who reads files."""

    def __init__(self) -> None:
        self.lexicon = Lexicon()
        self._open: dict[str, _Open] = {}
        self._nearby: dict[str, Nearby] = {}

    # --- the editor's thread -------------------------------------------------------------------------------

    def opened(self, uri: str, text: str) -> None:
        self._open[uri] = _Open(LiveCode(self.lexicon, uri, text))

    def __contains__(self, uri: str) -> bool:
        return uri in self._open

    def changed(self, uri: str, edits: Sequence[tuple[int, int, int]] | None, text: str) -> None:
        """edits: of each change the first line, the line ends that it took out, those that it put in; None
        when the whole text is new."""
        if uri in self._open and edits is not None:
            self._open[uri].change(edits, text)
        elif uri in self._open:
            self.opened(uri, text)

    def closed(self, uri: str) -> None:
        self._open.pop(uri, None)
        self._nearby.pop(uri, None)

    def catch_up(self, uri: str, budget_ms: float) -> bool:
        """Reads on in an open document while nobody waits; whether all of it is read."""
        document = self._open.get(uri)
        return document is None or document.live.read(budget_ms)

    def guess(self, uri: str, text: str, offset: int, others: Sequence[str] = ()) -> list[Guess]:
        """What may come next on the line of `offset`, the surest first; nothing where nothing is alike.

        text: the document's, as it was told last. others: URIs of open documents that may be read for it.
        """
        return choose(*self.look(uri, text, offset, others))

    def look(
        self, uri: str, text: str, offset: int, others: Sequence[str] = ()
    ) -> tuple[Spot, list[Candidate], list[Candidate]]:
        """The place, and the two opinions of what comes: of the same, and of the same but for names."""
        start = text.rfind("\n", 0, offset) + 1
        line = text[start:offset]
        words = words_of(line)
        beginning = words.pop() if words and (line[-1].isalnum() or line[-1] == "_") else ""
        context = _context(text[max(0, start - _CONTEXT_CHARACTERS) : start], line, words)
        document, at = self._open[uri], text.count("\n", 0, offset)
        document.live.read(_READ_MS, besides=at)
        sources = self._sources(uri, at, others)
        spot = Spot(
            line=line,
            number=at,
            beginning=beginning,
            n_words=len(words),
            removed=set(document.removed),
            ends=LineEnds(self.lexicon, *document.live.around(at, ABOVE, BELOW)),
            n_own=lambda words: self._n_lines(sources, words),
            **_surroundings(document.live.lines, at),
        )
        return spot, *self._candidates(sources, context, beginning)

    def _n_lines(self, sources: Iterable[Source], words: Sequence[str]) -> int:
        """How many lines of the cursor's document are these words; 2 for more."""
        numbers = [self.lexicon.number(word) for word in words]
        if not all(numbers):
            return 0
        line, n = "".join((*numbers, LINE_END)), 0
        for code in (source.code for source in sources if source.kind == "own"):
            at = code.rfind(line)
            while at > 0 and n < 2:
                n += code[at - 1] in INDENTS
                at = code.rfind(line, 0, at)
        return n

    def _candidates(
        self, sources: Sequence[Source], context: Sequence[str], beginning: str
    ) -> tuple[list[Candidate], list[Candidate]]:
        starts = self.lexicon.starting_with(beginning) if beginning else None
        code = ""
        for word in reversed(context[-REACH:]):
            number = self.lexicon.number(word)
            if not number:
                break  # it stands nowhere, so nothing is alike beyond it
            code = number + code
        votes = vote(sources, code, starts)
        return votes, rename(self.lexicon, sources, context[-RENAMING_REACH:], beginning)

    def _sources(self, uri: str, at: int, others: Sequence[str]) -> list[Source]:
        document = self._open[uri]
        above, below = document.live.part(0, at), document.live.part(at + 1, len(document.live.lines))
        open_ones = []
        for other in others:
            live = self._open[other].live
            if live.read(_READ_MS):
                open_ones.append(live.whole())
        nearby = self._nearby.get(uri)
        return [
            Source.of([above], _OWN, "own"),
            Source.of([below], _OWN, "own"),
            Source.of([document.removed_code(self.lexicon)], _REMOVED, "removed"),
            Source.of(open_ones, _OPEN, "open"),
            *((nearby.folder, nearby.others) if nearby else ()),
        ]

    # --- the thread that reads files ------------------------------------------------------------------------

    def read(self, uri: str, folder: Sequence[Code], others: Sequence[Code]) -> None:
        """The files near a document, the nearest first."""
        if uri in self._open:
            self._nearby[uri] = Nearby(
                # What is searched first stands last (voting.find).
                Source.of(reversed(folder), _FOLDER, "folder"),
                Source.of(reversed(others), _NEAR, "near"),
            )


class _Surroundings(TypedDict):
    beside: Collection[str]
    near: Collection[str]
    names_above: Collection[str]
    names_far_above: Collection[str]


def _surroundings(lines: Sequence[str], at: int) -> _Surroundings:
    """What a `Spot` knows of the lines around its own."""
    above = [one for one in lines[max(0, at - _FAR) : at] if one.strip()]
    below = next((one for one in lines[at + 1 : at + 1 + _BELOW] if one.strip()), "")
    names = [set(words_of(one)) for one in above]
    return {
        "beside": {one.strip() for one in (*lines[max(0, at - 1) : at], *lines[at + 1 : at + 2])},
        "near": {one.strip() for one in (*above[-3:], below)},
        "names_above": set[str]().union(*names[-_NEAR_LINES:]),
        "names_far_above": set[str]().union(*names),
    }


def _context(above: str, line: str, words: Sequence[str]) -> list[str]:
    """The lexemes before the word that is begun, with the signs that frame lines."""
    found, indents = list[str](), Indents()
    for one in [one for one in above.split("\n") if one.strip()][-_CONTEXT_LINES:]:
        found += (indents.sign(one), *words_of(one), LINE_END)
    return [*found, indents.sign(line if line.strip() else f"{line}x"), *words]
