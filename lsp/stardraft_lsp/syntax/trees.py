"""Syntax trees of the open documents, kept incrementally from the editor's changes.

A change is recorded at once (microseconds: the old tree's positions are shifted); parsing happens when
somebody asks, and ends at a deadline. What did not end goes on at the next call from where it stood, on the
text that it began with; what was typed since is caught up with afterwards. So a file that takes longer than
any budget still gets its tree, and until then the old, shifted one is there, marked stale.

Offsets outside are Python's (code points of a str), those of tree-sitter are bytes of UTF-8. The bytes are
kept beside the text and spliced, never encoded anew. Not here: what a tree means.

Nothing here is safe to use from two threads at once. Parsing holds the GIL, but lets it go every 60 us or
so, as Python code does.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stardraft_lsp.syntax.languages import grammar_of
from stardraft_lsp.syntax.measure import Measure

if TYPE_CHECKING:
    from tree_sitter import Language, Parser, Point, Tree

# Above this nothing is parsed: it would take some 50 ms and 10 MB.
MAX_SOURCE_BYTES = 500_000
# Of all trees together: a tree takes about 20 times its source's bytes (measured: 100 kB of Python, 2.1 MB).
MAX_KEPT_BYTES = 800_000

_CHUNK_BYTES = 8192  # a power of two
# So many parses in a row are begun anew because of what was typed, before one is finished regardless.
_MAX_GIVEN_UP = 8
Edit = tuple[int, int, int, tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass
class _Parse:
    """A parse that may take several calls. `edits` happened to the text since it began."""

    source: bytes
    old: "Tree | None"
    parser: "Parser"
    edits: list[Edit] = field(default_factory=list)

    def run(self, deadline: float, *, gives_way: bool = False) -> "Tree | None":
        """Goes on until `deadline` (time.perf_counter's); None when that came first.

        gives_way: other threads may have the GIL at every step, and do not wait for the interpreter's own
        switch, which comes after 5 ms.
        """
        source, chunks = self.source, _chunks.of_size
        is_late, is_parsing = False, True

        def read(byte: int, _point: "Point") -> bytes | bytearray:
            if not is_parsing:  # `Node.text` reads here too, and takes bytes only
                return source[byte : byte + _CHUNK_BYTES]
            n_bytes = min(len(source) - byte, _CHUNK_BYTES)
            if n_bytes <= 0:
                return b""
            size = 1 << (n_bytes.bit_length() - 1)
            chunk = chunks[size]
            chunk[:] = source[byte : byte + size]
            return chunk

        def progress(_byte: int, _has_error: bool) -> bool:
            nonlocal is_late
            if gives_way:
                time.sleep(0)
            is_late = time.perf_counter() > deadline
            return is_late

        try:
            if self.old is None:
                return self.parser.parse(read, progress_callback=progress)
            return self.parser.parse(read, self.old, progress_callback=progress)
        except ValueError:
            if is_late:
                return None  # the parser keeps where it stood
            raise
        finally:
            is_parsing = False


class _Chunks(threading.local):
    """What a parser reads its source from, piece by piece: of each thread the same few buffers, forever.

    py-tree-sitter keeps a reference to whatever a read callback returns (0.25 and 0.26 do), so slices of the
    source would stay in memory, one or more for each key; `parse(bytes)` keeps nothing, but cannot be
    interrupted. The parser needs a buffer until it reads the next.
    """

    def __init__(self) -> None:
        sizes = (1 << bit for bit in range(_CHUNK_BYTES.bit_length()))
        self.of_size = {size: bytearray(size) for size in sizes}


_chunks = _Chunks()


def parse_source(language: "Language", source: bytes, budget_ms: float) -> "Tree | None":
    """The tree of a text that is not open in the editor; None when the budget was not enough.

    For a thread in the background: it gives way to others.
    """
    from tree_sitter import Parser

    parse = _Parse(source, None, Parser(language))
    return parse.run(time.perf_counter() + budget_ms / 1000, gives_way=True)


class DocumentTree:
    """The tree of one document.

    Invariants: `measure` holds the document's newest text. `tree`, if any, has had every edit of the text
    that it was not parsed with; it is fresh when there are none.
    """

    def __init__(self, language: "Language", text: str) -> None:
        self._language = language
        self.measure = Measure(text)
        self.tree: Tree | None = None
        self._is_fresh = False
        self._parse: _Parse | None = None
        self._n_given_up = 0

    @property
    def is_fresh(self) -> bool:
        """Whether `tree` is that of the newest text."""
        return self._is_fresh

    def edit(self, start: int, end: int, text: str) -> None:
        """`text` takes the place of what stands from `start` to `end`, offsets in the text so far."""
        edit = self.measure.splice(start, end, text)
        self._is_fresh = False
        if self.tree is not None:
            self.tree.edit(*edit)
        if self._parse is not None:
            self._parse.edits.append(edit)

    def replace(self, text: str) -> None:
        """A new whole text; the tree is made anew, but for what both texts begin and end with."""
        start, end, new = changed_part(self.measure.text, text)
        if (start, end, new) != (start, start, ""):
            self.edit(start, end, new)

    def parse(self, budget_ms: float) -> bool:
        """Parses for so long at most. Whether `tree` is fresh now."""
        deadline = time.perf_counter() + budget_ms / 1000
        while not self._is_fresh:
            if self._is_outdated():
                self._parse, self._n_given_up = None, self._n_given_up + 1
            if self._parse is None:
                self._parse = self._begin(self.measure.source, self.tree)
            found = self._parse.run(deadline)
            if found is None:
                return False
            for edit in self._parse.edits:
                found.edit(*edit)
            self.tree, self._is_fresh = found, not self._parse.edits
            self._parse, self._n_given_up = None, 0
        return True

    def with_text(self, start: int, end: int, text: str, budget_ms: float) -> "Tree | None":
        """The tree that the document would have with `text` from `start` to `end`; itself it keeps its own.

        None when there is no fresh tree, or the budget was not enough.
        """
        snapshot = self.snapshot()
        return snapshot.with_text(start, end, text, budget_ms) if snapshot is not None else None

    def snapshot(self) -> "Snapshot | None":
        """The document as it is now, for whoever needs it later; None when there is no fresh tree."""
        if self.tree is None or not self._is_fresh:
            return None
        return Snapshot(self._language, self.measure.copy(), self.tree)

    def _is_outdated(self) -> bool:
        """Whether what is being parsed was typed over, and beginning anew may be faster.

        A quote that was just opened turns the rest of the file over, and the next key closes it. But nobody
        types forever without the tree coming nearer.
        """
        parse = self._parse
        has_news = parse is not None and parse.old is not None and bool(parse.edits)
        return has_news and self._n_given_up < _MAX_GIVEN_UP

    def _begin(self, source: bytes, old: "Tree | None") -> _Parse:
        from tree_sitter import Parser

        return _Parse(source, old.copy() if old is not None else None, Parser(self._language))


@dataclass(frozen=True)
class Snapshot:
    """A text and its tree at one moment, whatever becomes of the document. Nothing is copied for it."""

    language: "Language"
    measure: Measure
    tree: "Tree"

    def with_text(self, start: int, end: int, text: str, budget_ms: float) -> "Tree | None":
        """The tree with `text` from `start` to `end`; None when the budget was not enough."""
        after = self.edited(start, end, text, budget_ms)
        return after.tree if after is not None else None

    def edited(self, start: int, end: int, text: str, budget_ms: float) -> "Snapshot | None":
        """The same with `text` from `start` to `end`; None when the budget was not enough."""
        from tree_sitter import Parser

        changed = self.measure.copy()
        edit = changed.splice(start, end, text)
        old = self.tree.copy()
        old.edit(*edit)
        parse = _Parse(changed.source, old, Parser(self.language))
        found = parse.run(time.perf_counter() + budget_ms / 1000)
        return Snapshot(self.language, changed, found) if found is not None else None


class Trees:
    """The trees of the open documents by URI, the most recently used of them.

    Documents without grammar, too large ones and those unused for long have none; the last get one again
    when they are asked for, since whoever asks has the text.
    """

    def __init__(
        self, max_source_bytes: int = MAX_SOURCE_BYTES, max_kept_bytes: int = MAX_KEPT_BYTES
    ) -> None:
        self._max_source_bytes = max_source_bytes
        self._max_kept_bytes = max_kept_bytes
        self._kept: OrderedDict[str, DocumentTree] = OrderedDict()

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """A change of the editor's, in offsets of the text before it. To be told before or after it."""
        tree = self._kept.get(uri)
        if tree is not None:
            tree.edit(start, end, text)
            if tree.measure.size_bytes > self._max_source_bytes:
                del self._kept[uri]

    def close(self, uri: str) -> None:
        """The document was closed, or has a new language: its tree is forgotten."""
        self._kept.pop(uri, None)

    def of(self, uri: str, language: str, text: str) -> DocumentTree | None:
        """The tree of an open document, not parsed by this; None where there can be none.

        language: as `languages.language_of` names it. text: the document's newest; should an edit not have
        been told, the tree catches up with it here.
        """
        grammar = grammar_of(language) if len(text) <= self._max_source_bytes else None
        if grammar is None:
            self._kept.pop(uri, None)
            return None
        tree = self._kept.get(uri)
        if tree is None:
            tree = self._kept[uri] = DocumentTree(grammar, text)
        elif tree.measure.text == text:
            tree.measure.text = text  # the same object as the document's is kept once
        else:
            tree.replace(text)
        self._kept.move_to_end(uri)
        if tree.measure.size_bytes > self._max_source_bytes:
            del self._kept[uri]
            return None
        self._forget_old()
        return tree

    def _forget_old(self) -> None:
        while len(self._kept) > 1 and self._kept_bytes() > self._max_kept_bytes:
            self._kept.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(tree.measure.size_bytes for tree in self._kept.values())


def changed_part(old: str, new: str) -> tuple[int, int, str]:
    """The one edit that makes `new` of `old`: start and end in `old`, and the text between them in `new`."""
    start = _common(old, new)
    behind = _common_behind(old, new, min(len(old), len(new)) - start)
    return start, len(old) - behind, new[start : len(new) - behind]


def _common(one: str, other: str) -> int:
    """How many characters both begin with. By halving: comparing slices is fast, characters are not."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_behind(one: str, other: str, limit: int) -> int:
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
