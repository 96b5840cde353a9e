"""The workspace's chunks by their words: which chunks are like this text, which define this name.

An inverted index in plain bytes: for each word's number (words.py) the ids of the chunks that have it,
4 bytes each. No text and no word is kept. Byte arrays, because Python's garbage collector passes over them:
with the `array` type its full collections stopped the whole program for 30 ms.

A removed chunk is marked dead and stays in the lists until a sweep, which runs in small steps between other
work; its id is given out again only after that. So removing costs nothing and no list is ever searched.

One thread at a time may use an index.
"""

import heapq
import math
import sys
from array import array
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from stardraft_lsp.context.index.words import BITS

_DEAD = 0xFFFF_FFFF
# What a query looks at: the lists of its rarest words, until so many entries are seen. About half a
# millisecond; words beyond it are in so many chunks that they tell little.
MAX_POSTINGS_SEEN = 2_000
_SWEEP_STEP = 256  # lists
_MIN_SWEEP = 2_000  # dead chunks

# Estimates for `size_bytes`, checked against resident memory by a measurement.
_LIST_BYTES, _POSTING_BYTES, _CHUNK_BYTES, _FILE_BYTES = 80, 4.6, 17, 420


class Piece(NamedTuple):
    """A chunk as it is added: its lines, its words' numbers, and those of the names that it defines."""

    first_line: int
    n_lines: int
    numbers: Collection[int]
    defined: Collection[int] = ()


class ChunkRef(NamedTuple):
    """Lines of a file as they were when it was indexed."""

    path: str
    first_line: int
    n_lines: int


class Hit(NamedTuple):
    ref: ChunkRef
    score: float


class _File:
    __slots__ = ("family", "ids", "number", "stamp")

    def __init__(self, number: int, stamp: object, family: str, ids: "array[int]") -> None:
        self.number = number
        self.stamp = stamp
        self.family = family
        self.ids = ids


class Index:
    """Bounded by `max_chunks`, `max_files` and, estimated, `max_bytes`: what is over it is refused."""

    def __init__(self, max_chunks: int, max_files: int, max_bytes: int) -> None:
        self._max_chunks = max_chunks
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._lists: list[bytearray | None] = [None] * (1 << BITS)
        self._files: dict[str, _File] = {}
        self._paths: list[str] = []  # by file number; "" is free
        self._free_files: list[int] = []
        self._file_of = array("I")
        self._line_of = array("I")
        self._n_lines_of = array("H")
        self._n_words_of = array("H")
        self._free: list[int] = []
        self._n_dead = 0
        self._n_lists = 0
        self._n_postings = 0

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    @property
    def n_chunks(self) -> int:
        return len(self._file_of) - self._n_dead - len(self._free)

    @property
    def size_bytes(self) -> int:
        """An estimate of the memory in use."""
        return int(
            8 * len(self._lists)
            + _LIST_BYTES * self._n_lists
            + _POSTING_BYTES * self._n_postings
            + _CHUNK_BYTES * len(self._file_of)
            + _FILE_BYTES * len(self._files)
        )

    @property
    def is_full(self) -> bool:
        return (
            len(self._files) >= self._max_files
            or self.n_chunks >= self._max_chunks
            or self.size_bytes >= self._max_bytes
        )

    def paths(self) -> list[str]:
        return list(self._files)

    def stamp(self, path: str) -> object:
        """The stamp of the version that is indexed; None when none is."""
        file = self._files.get(path)
        return file.stamp if file else None

    def replace(
        self, path: str, stamp: object, family: str, pieces: Iterable[Piece]
    ) -> Generator[None, None, None]:
        """Indexes a file's chunks in place of older ones; a step for each. Stops where the index is full."""
        self.remove(path)
        if self.is_full:
            return
        number = self._free_files.pop() if self._free_files else len(self._paths)
        if number == len(self._paths):
            self._paths.append(path)
        else:
            self._paths[number] = path
        file = _File(number, stamp, family, array("I"))
        self._files[path] = file
        for piece in pieces:
            if self.n_chunks >= self._max_chunks or self.size_bytes >= self._max_bytes:
                return
            file.ids.append(self._add(number, piece))
            yield
            if self._files.get(path) is not file:
                return  # removed or replaced between two steps

    def remove(self, path: str) -> bool:
        """Takes a file out; whether it was in."""
        file = self._files.pop(path, None)
        if file is None:
            return False
        for chunk in file.ids:
            self._file_of[chunk] = _DEAD
        self._n_dead += len(file.ids)
        self._paths[file.number] = ""
        self._free_files.append(file.number)
        return True

    def search(
        self, numbers: Iterable[int], families: Collection[str], n_most: int, besides: Collection[str] = ()
    ) -> list[Hit]:
        """The chunks of these families that share the most of the rarest words, the best first.

        A shared word counts as much as it is rare (inverse document frequency); a chunk's own number of
        words is divided by, as a root, so that long chunks do not win by being long. `besides`: paths that
        are not wanted.
        """
        found = [(len(chunks) // 4, number, chunks) for number in numbers if (chunks := self._lists[number])]
        found.sort(key=lambda one: one[:2])
        total = max(self.n_chunks, 1)
        scores: dict[int, float] = {}
        n_seen = 0
        for n, _, chunks in found:
            if n_seen + n > MAX_POSTINGS_SEEN:
                break
            n_seen += n
            weight = math.log(1 + total / n)
            for chunk in memoryview(chunks).cast("I"):
                scores[chunk] = scores.get(chunk, 0.0) + weight
        first = heapq.nlargest(n_most * 8 + 32, scores.items(), key=itemgetter(1))
        ranked = sorted((-score / math.sqrt(self._n_words_of[chunk] + 12), chunk) for chunk, score in first)
        hits: list[Hit] = []
        for negative, chunk in ranked:
            ref = self._ref(chunk)
            if ref is None or ref.path in besides or self._files[ref.path].family not in families:
                continue
            hits.append(Hit(ref, -negative))
            if len(hits) == n_most:
                break
        return hits

    def with_number(self, number: int, families: Collection[str], n_most: int = 16) -> list[ChunkRef]:
        """Chunks that have a word's number, such as that of a name's definition; nothing if too many have."""
        chunks = self._lists[number]
        if not chunks or len(chunks) > 4 * 64:
            return []
        refs = [ref for chunk in memoryview(chunks).cast("I") if (ref := self._ref(chunk)) is not None]
        return [ref for ref in refs if self._files[ref.path].family in families][:n_most]

    def weight(self, number: int) -> float:
        """How much a word says: its inverse document frequency."""
        chunks = self._lists[number]
        return math.log(1 + max(self.n_chunks, 1) / max(len(chunks) // 4 if chunks else 0, 1))

    @property
    def wants_sweep(self) -> bool:
        return self._n_dead > max(_MIN_SWEEP, self.n_chunks // 4)

    def sweep(self) -> Iterator[None]:
        """Takes the dead chunks out of the lists, in steps. Other calls may come between two of them."""
        dead: set[int] = set()
        free = set(self._free)
        for start in range(0, len(self._file_of), _SWEEP_STEP * 8):
            part = range(start, min(start + _SWEEP_STEP * 8, len(self._file_of)))
            dead.update(chunk for chunk in part if self._file_of[chunk] == _DEAD and chunk not in free)
            yield
        for start in range(0, len(self._lists), _SWEEP_STEP):
            for number in range(start, min(start + _SWEEP_STEP, len(self._lists))):
                chunks = self._lists[number]
                if chunks is None or dead.isdisjoint(memoryview(chunks).cast("I")):
                    continue
                kept = array("I", [chunk for chunk in memoryview(chunks).cast("I") if chunk not in dead])
                self._n_postings -= len(chunks) // 4 - len(kept)
                self._lists[number] = bytearray(kept) if kept else None
                self._n_lists -= not kept
            yield
        self._free += sorted(dead, reverse=True)
        self._n_dead -= len(dead)

    def _add(self, file: int, piece: Piece) -> int:
        if self._free:
            chunk = self._free.pop()
        else:
            chunk = len(self._file_of)
            for column in (self._file_of, self._line_of, self._n_lines_of, self._n_words_of):
                column.append(0)
        self._file_of[chunk] = file
        self._line_of[chunk] = piece.first_line
        self._n_lines_of[chunk] = min(piece.n_lines, 0xFFFF)
        self._n_words_of[chunk] = min(len(piece.numbers), 0xFFFF)
        self._post(chunk, piece.numbers)
        self._post(chunk, piece.defined)
        return chunk

    def _post(self, chunk: int, numbers: Collection[int]) -> None:
        lists, packed = self._lists, chunk.to_bytes(4, sys.byteorder)
        for number in numbers:
            chunks = lists[number]
            if chunks is None:
                lists[number] = bytearray(packed)
                self._n_lists += 1
            else:
                chunks += packed
        self._n_postings += len(numbers)

    def _ref(self, chunk: int) -> ChunkRef | None:
        file = self._file_of[chunk]
        if file == _DEAD:
            return None
        return ChunkRef(self._paths[file], self._line_of[chunk], self._n_lines_of[chunk])


def lines_of(text: str) -> list[str]:
    """The lines of a text with LF line ends, without them."""
    return text.split("\n")


def text_of(lines: Sequence[str], first_line: int, n_lines: int) -> str:
    """Some lines as a text, each with its line end."""
    return "".join(f"{line}\n" for line in lines[first_line : first_line + n_lines])
