"""Which tokens stand in the KV cache, sequence by sequence, and what of them a new prompt can use.

All sequences live in one unified cache. A sequence is a list of tokens at positions 0, 1, ...; several can
hold the same cells, because a beginning is copied by reference. What a sequence is for:

    file     a file's own tokens from its head on: what forks at any line begin with
    renewal  a file's sequence that is read anew, until it takes the old one's place
    fork     a prompt: the file up to an anchor, the suffix, what was typed and generated since
    scratch  short-lived: several candidates, calibration, a file's sequence while its window moves

Exact and stale. A cell's contents depend on every token before it. When lines were changed in the middle
of a file, the cells behind them are kept and moved to their new positions (`splice`): their contents are
those of the text before the change. `n_exact` counts the leading tokens that are what a cold run computes.

The trained window. A token attends to the `window` positions that end with its own, as in training: cells
further back are forgotten before it is evaluated (to within the tokens evaluated at once). Forks forget. A
file's sequence keeps all, for forks at other lines, so its tokens are evaluated in a scratch sequence
that forgets, and shared with it. (llama.cpp refuses one token in two sequences that begin apart.)

Models whose cache cannot be cut. A recurrent or hybrid model keeps one state for a text, not a cell for
each token: llama.cpp can drop or copy a sequence of such a model only as a whole. Then a sequence is used
by a prompt that begins with all of it, and by no other; nothing is spliced, and no window forgets.

Invariant: `tokens[i]` is what llama.cpp holds at position i of that sequence for i >= `n_forgotten`, and
nothing else is there. `cells[i]` is a number of its own for each evaluated token; copies share it.
"""

import contextlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stardraftd.engine.native.llama import Aborted, Context, DecodeError

Role = Literal["file", "renewal", "fork", "scratch"]
KEEPING_ALL: tuple[Role, ...] = ("file", "renewal")
NO_ROOM = 1  # llama_decode: no free cells
# A truncated fork may lack one in so many of the oldest tokens that are attended to before it is not used.
WINDOW_SLACK = 64


@dataclass(eq=False)
class CachedSequence:
    index: int
    role: Role = "scratch"
    document: str = ""
    tokens: "array[int]" = field(default_factory=lambda: array("i"))
    cells: "array[int]" = field(default_factory=lambda: array("q"))
    n_exact: int = 0
    n_forgotten: int = 0
    last_used: int = 0
    pins: int = 0

    @property
    def in_use(self) -> bool:
        return bool(self.document)


@dataclass(frozen=True)
class Reuse:
    """What of a prompt is cached: `n_tokens` of its beginning in `donor`, `n_exact` of them exact."""

    donor: CachedSequence | None
    n_tokens: int
    n_exact: int


def common_prefix(a: "array[int]", b: "array[int]") -> int:
    """The number of tokens that two lists share from their beginning."""
    n = min(len(a), len(b))
    if n == 0:
        return 0
    differs = np.frombuffer(a, np.int32, n) != np.frombuffer(b, np.int32, n)
    first = int(differs.argmax())
    return first if differs[first] else n


def common_suffix(a: "array[int]", b: "array[int]", n_most: int) -> int:
    """The number of tokens, at most `n_most`, that two lists share up to their ends."""
    n = min(len(a), len(b), n_most)
    if n <= 0:
        return 0
    differs = (np.frombuffer(a, np.int32)[len(a) - n :] != np.frombuffer(b, np.int32)[len(b) - n :])[::-1]
    first = int(differs.argmax())
    return first if differs[first] else n


def _last_used_first(sequences: Iterable[CachedSequence]) -> list[CachedSequence]:
    return sorted(sequences, key=lambda sequence: -sequence.last_used)


class SequenceCache:
    """The sequences of one context. `window` is how many positions a token attends to; 0 is all."""

    def __init__(self, context: Context, n_sequences: int, window: int = 0) -> None:
        self._context = context
        self.sequences = [CachedSequence(index) for index in range(n_sequences)]
        self._clock = 0
        self._next_cell = 0
        self._n_cells_used: int | None = None  # None: cells were given up since it was counted
        self.can_cut = context.can_cut
        self.can_splice = context.can_cut and context.can_shift
        self.window = window if context.can_cut else 0
        self.n_evaluating = 0  # tokens that llama.cpp is evaluating now

    # --- what is there ---------------------------------------------------------------------------

    def find(self, document: str, role: Role) -> list[CachedSequence]:
        """The document's sequences of that role, last used first."""
        return _last_used_first(s for s in self.sequences if s.document == document and s.role == role)

    def files(self) -> list[CachedSequence]:
        """The sequences of files, last used first."""
        return _last_used_first(s for s in self.sequences if s.role == "file")

    def knows(self, document: str) -> bool:
        """Whether anything of the document is cached."""
        return any(sequence.document == document for sequence in self.sequences)

    def reuse(self, prompt: "array[int]", *, exact: bool = False) -> Reuse:
        """The sequence that holds the longest usable beginning of `prompt`, but for its last token.

        The last token must be evaluated for its logits. With `exact`, only exact cells count.
        """
        best = Reuse(None, 0, 0)
        most = len(prompt) - 1
        for sequence in self.sequences:
            n = min(common_prefix(sequence.tokens, prompt), most)
            if exact:
                n = min(n, sequence.n_exact)
            if n < len(sequence.tokens) and not self.can_cut:
                continue
            n_exact = min(n, sequence.n_exact)
            if (n, n_exact) > (best.n_tokens, best.n_exact) and self._reaches_back(sequence, n):
                best = Reuse(sequence, n, n_exact)
        return best

    @property
    def n_cells_used(self) -> int:
        if self._n_cells_used is None:
            held = [np.frombuffer(s.cells, np.int64)[s.n_forgotten :] for s in self.sequences if s.cells]
            self._n_cells_used = int(np.unique(np.concatenate(held)).size) if held else 0
        return self._n_cells_used

    def _reaches_back(self, sequence: CachedSequence, n_tokens: int) -> bool:
        """Whether a token after the first `n_tokens` would find (nearly) all of its window."""
        oldest = max(0, n_tokens - self.window + 1) if self.window else 0
        return sequence.n_forgotten - oldest <= min(n_tokens, self.window) // WINDOW_SLACK

    # --- making and changing sequences -----------------------------------------------------------

    def fork(self, reuse: Reuse, document: str, role: Role) -> CachedSequence:
        """A new sequence that begins with what `reuse` found, by reference.

        A file's begins empty when that lacks its oldest tokens: it is there for forks at any line.
        """
        sequence = self._free_sequence(reuse.donor)
        sequence.document, sequence.role = document, role
        self.touch(sequence)
        lacks_head = role in KEEPING_ALL and reuse.donor is not None and reuse.donor.n_forgotten > 0
        if reuse.donor is not None and reuse.n_tokens and not lacks_head:
            self._share(reuse.donor, sequence, reuse.n_tokens)
        return sequence

    def continue_in(self, sequence: CachedSequence, reuse: Reuse) -> None:
        """Makes `sequence` begin with what `reuse` found, in itself or in another, and end there."""
        if reuse.donor is sequence or reuse.donor is None:
            self.truncate(sequence, reuse.n_tokens)
        else:
            self.truncate(sequence, 0)
            self._share(reuse.donor, sequence, reuse.n_tokens)
        self.touch(sequence)

    @contextlib.contextmanager
    def pinned(self, sequence: CachedSequence) -> Iterator[None]:
        """While it lasts, the sequence is not evicted."""
        sequence.pins += 1
        try:
            yield
        finally:
            sequence.pins -= 1

    def touch(self, sequence: CachedSequence) -> None:
        self._clock += 1
        sequence.last_used = self._clock

    def truncate(self, sequence: CachedSequence, n_tokens: int) -> None:
        """Forgets what stands behind the first `n_tokens`.

        Everything goes if those are forgotten already, or if the model's cache cannot be cut.
        """
        if n_tokens <= sequence.n_forgotten or (n_tokens < len(sequence.tokens) and not self.can_cut):
            n_tokens = 0
        if n_tokens < len(sequence.tokens):
            self._n_cells_used = None
            self._context.remove(sequence.index, n_tokens or -1)
            del sequence.tokens[n_tokens:], sequence.cells[n_tokens:]
            sequence.n_exact = min(sequence.n_exact, n_tokens)
        if n_tokens == 0:
            sequence.n_forgotten = 0

    def drop(self, sequence: CachedSequence) -> None:
        """Empties a sequence and gives it back."""
        self.truncate(sequence, 0)
        self._context.remove(sequence.index)
        sequence.document, sequence.role = "", "scratch"
        sequence.n_exact = sequence.n_forgotten = 0

    def forget_all(self) -> None:
        self._n_cells_used = None
        self._context.clear()
        for sequence in self.sequences:
            sequence.tokens, sequence.cells = array("i"), array("q")
            sequence.document, sequence.role = "", "scratch"
            sequence.n_exact = sequence.n_forgotten = 0

    def splice(self, sequence: CachedSequence, n_head: int, tail_start: int, patched: CachedSequence) -> None:
        """Moves `sequence`'s tokens from `tail_start` on behind those of `patched`, which took its head over.

        `patched` holds `n_head` tokens of `sequence` and, evaluated behind them, what stands in the place of
        those up to `tail_start` now. `sequence` is given back. Cells cannot be moved for one sequence only:
        others that share the tail lose their part of it first. When one of them is pinned, another editor's
        answer is made in it: then it keeps the tail, and `patched` ends with what it has.
        """
        self._n_cells_used = None
        if patched.n_forgotten > sequence.n_forgotten:  # it was evaluated as a scratch, with a window
            self._context.copy(sequence.index, patched.index, sequence.n_forgotten, patched.n_forgotten)
            patched.n_forgotten = sequence.n_forgotten
        sharing = self._sharing(sequence, tail_start, patched)
        if any(other.pins for other in sharing):
            self.drop(sequence)
            return
        for other, n_kept in sharing.items():
            self.truncate(other, n_kept)
            if not other.tokens:
                self.drop(other)
        shift = len(patched.tokens) - tail_start
        n_exact = min(patched.n_exact, len(patched.tokens))
        self._context.remove(sequence.index, n_head, tail_start)
        if shift:
            self._context.shift(sequence.index, tail_start, -1, shift)
        self._context.copy(sequence.index, patched.index, len(patched.tokens), -1)
        patched.tokens += sequence.tokens[tail_start:]
        patched.cells += sequence.cells[tail_start:]
        patched.n_exact = n_exact
        # llama.cpp has the tail at its new positions in both; the old one is given up as a whole.
        self._context.remove(sequence.index)
        sequence.tokens, sequence.cells = array("i"), array("q")
        self.drop(sequence)

    def _sharing(
        self, sequence: CachedSequence, start: int, patched: CachedSequence
    ) -> dict[CachedSequence, int]:
        """The others that hold its cells from `start` on, and how many tokens stand before those there."""
        tail_cells = set(sequence.cells[start:])
        sharing = {}
        for other in self.sequences:
            if other is not sequence and other is not patched:
                shared = next((i for i, cell in enumerate(other.cells) if cell in tail_cells), None)
                if shared is not None:
                    sharing[other] = shared
        return sharing

    def adopt(self, sequence: CachedSequence, tokens: "array[int]", n_exact: int) -> None:
        """Notes that llama.cpp holds `tokens` in `sequence`: they were restored from a saved state."""
        sequence.tokens = array("i", tokens)
        sequence.cells = self._new_cells(len(tokens))
        sequence.n_exact = n_exact

    def _share(self, donor: CachedSequence, target: CachedSequence, n_tokens: int) -> None:
        keeps_all = not self.window or target.role in KEEPING_ALL
        start = donor.n_forgotten if keeps_all else max(donor.n_forgotten, n_tokens - self.window)
        self._context.copy(donor.index, target.index, start, n_tokens)
        target.tokens, target.cells = donor.tokens[:n_tokens], donor.cells[:n_tokens]
        target.n_exact = min(donor.n_exact, n_tokens)
        target.n_forgotten = start

    # --- evaluating ------------------------------------------------------------------------------

    def evaluate(self, sequence: CachedSequence, tokens: "array[int]", *, all_logits: bool = False) -> None:
        """Decodes `tokens` at the end of `sequence`, making room if need be.

        Raises Aborted (what was evaluated before is kept), or DecodeError.
        """
        moved = self._window_of_file(sequence, len(tokens))
        if moved is None:
            self._forget_old(sequence, len(tokens))
            self._decode(sequence, tokens, all_logits)
            return
        n_before = len(sequence.tokens)
        try:
            self._forget_old(moved, len(tokens))
            self._decode(moved, tokens, all_logits)
        finally:
            n_new = len(moved.tokens) - n_before
            if n_new > 0:
                self._context.copy(moved.index, sequence.index, n_before, n_before + n_new)
                sequence.tokens += moved.tokens[n_before:]
                sequence.cells += moved.cells[n_before:]
                if sequence.n_exact == n_before:
                    sequence.n_exact += n_new
            self.drop(moved)

    def evaluate_row(self, sequences: list[CachedSequence], tokens: "array[int]") -> None:
        """Decodes one token at the end of each of `sequences`, in one batch, with logits for each."""
        for sequence in sequences:
            self._forget_old(sequence, 1)
        self.make_room(len(tokens), sequences)
        positions = array("i", [len(sequence.tokens) for sequence in sequences])
        indices = array("i", [sequence.index for sequence in sequences])
        self.n_evaluating = len(tokens)
        try:
            self._context.decode_rows(tokens, positions, indices)
        except (Aborted, DecodeError):
            for sequence in sequences:
                if self.can_cut:
                    self._context.remove(sequence.index, len(sequence.tokens))
                else:
                    self.truncate(sequence, 0)
            raise
        finally:
            self.n_evaluating = 0
        for sequence, token in zip(sequences, tokens, strict=True):
            self._note(sequence, array("i", [token]))

    def _decode(self, sequence: CachedSequence, tokens: "array[int]", all_logits: bool) -> None:
        self.make_room(len(tokens), [sequence])
        while True:
            self.n_evaluating = len(tokens)
            try:
                self._context.decode(tokens, len(sequence.tokens), sequence.index, all_logits=all_logits)
            except Aborted:
                self._resync(sequence, tokens)
                raise
            except DecodeError as error:
                self._resync(sequence, tokens)
                if error.code != NO_ROOM or not self._evict([sequence]):
                    raise
            else:
                self._note(sequence, tokens)
                return
            finally:
                self.n_evaluating = 0

    def _note(self, sequence: CachedSequence, tokens: "array[int]") -> None:
        if sequence.n_exact == len(sequence.tokens):
            sequence.n_exact += len(tokens)
        sequence.tokens += tokens
        sequence.cells += self._new_cells(len(tokens))

    def _resync(self, sequence: CachedSequence, attempted: "array[int]") -> None:
        """After an interrupted decode of `attempted`: keeps what llama.cpp says it kept.

        A state that an interrupted decode may have changed is worth nothing: it goes as a whole.
        """
        if not self.can_cut:
            self._note(sequence, attempted)
            self.truncate(sequence, 0)
            return
        n_held = self._context.last_position(sequence.index) + 1
        n_kept = max(0, min(n_held - len(sequence.tokens), len(attempted)))
        self._note(sequence, attempted[:n_kept])

    def _new_cells(self, n: int) -> "array[int]":
        if self._n_cells_used is not None:
            self._n_cells_used += n
        start, self._next_cell = self._next_cell, self._next_cell + n
        return array("q", range(start, start + n))

    def _forget_old(self, sequence: CachedSequence, n_new: int) -> None:
        """Before `n_new` tokens are evaluated: what the first of them does not attend to any more."""
        oldest = len(sequence.tokens) - self.window + 1 if self.window else 0
        if oldest > sequence.n_forgotten and sequence.role not in KEEPING_ALL and n_new:
            self._context.remove(sequence.index, sequence.n_forgotten, oldest)
            sequence.n_forgotten = oldest
            self._n_cells_used = None

    def _window_of_file(self, sequence: CachedSequence, n_new: int) -> CachedSequence | None:
        """Past the window, a file's tokens are evaluated in a sequence that forgets; None when not needed."""
        n = len(sequence.tokens)
        if not self.window or sequence.role not in KEEPING_ALL or n + n_new <= self.window:
            return None
        with self.pinned(sequence):
            return self.fork(Reuse(sequence, n, sequence.n_exact), sequence.document, "scratch")

    # --- room ------------------------------------------------------------------------------------

    def make_room(self, n_needed: int, keep: Collection[CachedSequence] = ()) -> None:
        """Evicts until `n_needed` cells are free, or nothing but `keep` and what is pinned is left."""
        if sum(len(s.tokens) for s in self.sequences) + n_needed <= self._context.n_cells:
            return
        while self.n_cells_used + n_needed > self._context.n_cells and self._evict(keep):
            pass

    def _evict(self, keep: Collection[CachedSequence]) -> bool:
        """Empties the least useful sequence. False when there is none.

        A fork of a document that is not worked on costs little to make again (its own cells are a suffix
        and a line); a file's sequence is what makes it cheap, so it goes later. Among equals, the one that
        was used longest ago.
        """
        documents = {sequence.document for sequence in keep}
        candidates = [s for s in self.sequences if s.tokens and s not in keep and not s.pins]
        if not candidates:
            return False
        worth = {"scratch": 0, "renewal": 1, "fork": 1, "file": 2}
        victim = min(
            candidates,
            key=lambda s: (s.document in documents and s.role == "file", worth[s.role], s.last_used),
        )
        self.drop(victim)
        return True

    def _free_sequence(self, keep: CachedSequence | None) -> CachedSequence:
        while True:
            for sequence in self.sequences:
                if not sequence.in_use:
                    return sequence
            if not self._evict([keep] if keep else []):
                raise DecodeError(NO_ROOM)
