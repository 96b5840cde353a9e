"""What to show the model for a request, weighed by what of it is in the cache and what the rest costs.

Tokens in the cache are free; every other token costs what this device was measured to need for it. The
planner lays out the candidates and takes the one whose loss is least:

    kept      a fork that was made for an earlier request: typing only extends its end
    anchored  a new fork of the file's own sequence, at the cursor's line, with a suffix that is worth it
    window    a piece of the file around the cursor, evaluated anew: what a file that was just opened gets
    spm       the same pieces in the other layout, where the suffix stands in front
    recalled  (found before planning) the answer was generated already

The loss is in milliseconds: the predicted time to the first token, and what a poorer view of the file is
worth. With `target` T, seeing c tokens of the w that are wanted costs T ln(w / c): then the best window of a
file that is not cached at all is the one that takes just about T to evaluate (d/dc of c t + T ln(w/c) is
zero at c t = T). The prefix has most of that weight and the suffix the rest. A stale view (the suffix from
before a bracket was closed, lines behind an edit) is worth a share of T, and more the more of the line it
gets wrong; the background makes it exact when the user rests.

SPM is preferred a little to anchored PSM, so it is used where evaluating is cheap. The built-in model, the
one that could be measured, says "nothing follows" in 32% of places in the middle of a line when it sees
the line's beginning behind `<fim_middle>`, and in 9% when it sees it in front (docs/performance.md). On a CPU
with a large model anchored PSM wins, because a cursor that jumps costs it a few tokens and SPM all of them.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from stardraftd.engine.cache.sequences import CachedSequence, Reuse, SequenceCache, common_prefix
from stardraftd.engine.plan.prompt import Budget, PromptBuilder
from stardraftd.engine.plan.shapes import (
    MARK,
    MAX_TYPED_CHARACTERS,
    Shape,
    Splice,
    differs_in_line,
    n_changed,
    splice_between,
    split_at_anchor,
    still_shows,
    where,
)
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.protocol.completion import Completion, Layout, PlanKind

PREFIX_WEIGHT = 0.7
SUFFIX_WEIGHT = 0.3
STALE_SUFFIX = 0.15
CLOSERS = 4
STALE_FILE = 0.25
ANCHORED = 0.1
SETTLED = 0.15
MAX_SUFFIX = 256
SUFFIX_SIZES = (8, 16, 24, 32, 48, 64, 96, 128, 192, MAX_SUFFIX)
WINDOW_SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
# A new kind of prompt must be better than a kept one by this, or plans would flutter.
FLUTTER_MS = 2.0
MAX_FORKS = 3


@dataclass(frozen=True)
class Candidate:
    """One way to lay out a request. `sequence` is the fork to go on with; None makes a new one."""

    kind: PlanKind
    shape: Shape | None
    layout: Layout
    ids: "array[int]"
    reuse: Reuse
    sequence: CachedSequence | None
    stale: bool
    n_visible: int
    predicted_ms: float
    loss: float
    splice: Splice | None = None

    @property
    def n_evaluated(self) -> int:
        return len(self.ids) - self.reuse.n_tokens


@dataclass(frozen=True)
class LaidOut:
    """A prompt's tokens, and how many of them are the cursor's own file, before the cursor and behind it."""

    layout: Layout
    ids: "array[int]"
    n_prefix: int
    n_suffix: int


@dataclass(frozen=True)
class View:
    """A request, and the tokens of its other files.

    n_prefix_wanted, n_suffix_wanted: tokens worth showing at most.
    n_file: tokens of the file that fit the window.
    """

    completion: Completion
    files: "array[int]"
    n_chunks: int
    context_cut: bool
    n_prefix_wanted: int
    n_suffix_wanted: int
    n_file: int


class Planner:
    """Plans for one model on one device.

    n_window:  the most tokens of a file that are kept in the cache for it (and shown).
    knows_spm: whether the model was trained on SPM v2; of those that llama.cpp runs, only StarCoder2 was.
    """

    def __init__(
        self,
        prompts: PromptBuilder,
        cache: SequenceCache,
        speeds: SpeedModel,
        *,
        n_window: int,
        n_batch: int,
        knows_spm: bool,
    ) -> None:
        self._knows_spm = knows_spm
        self._prompts = prompts
        self._cache = cache
        self._speeds = speeds
        self._shapes: dict[CachedSequence, Shape] = {}
        self._marks: dict[str, str] = {}
        self._n_batch = n_batch
        self.n_window = n_window

    @property
    def n_chunks_most(self) -> int:
        """How many tokens the repository's name and other files may have: a quarter of the window."""
        return self.n_window // 4

    # --- a request -------------------------------------------------------------------------------

    def view(self, completion: Completion) -> View:
        files, n_chunks, cut = self._prompts.repository_part(
            completion.repository, completion.chunks, self.n_chunks_most
        )
        n_prefix = len(self._prompts.text(completion.prefix[-self.n_window * 8 :], completion.path))
        n_suffix = len(self._prompts.text(completion.suffix[: self.n_window * 8]))
        return View(
            completion=completion,
            files=files,
            n_chunks=n_chunks,
            context_cut=cut,
            n_prefix_wanted=max(1, min(n_prefix, self.n_window - len(files))),
            n_suffix_wanted=max(1, min(n_suffix, MAX_SUFFIX, self.n_window // 4)),
            n_file=min(self.n_window, len(files) + n_prefix + n_suffix),
        )

    def plan(self, view: View, n_generated: int) -> Candidate:
        """The candidate with the least loss."""
        completion = view.completion
        if completion.layout != "auto":
            return self._plain(view, completion.layout, n_generated)
        best: Candidate | None = None
        for candidate in self._kept(view):
            if best is None or candidate.loss < best.loss:
                best = candidate
        if best is not None and best.loss <= self._speeds.decode_ms(2, 0) + FLUTTER_MS:
            return best
        for candidate in self._new(view):
            if best is None or candidate.loss < best.loss - FLUTTER_MS:
                best = candidate
        assert best is not None
        return best

    def take(self, candidate: Candidate, document: str) -> CachedSequence:
        """The sequence that a plan is carried out in, holding what of its prompt is cached."""
        cache = self._cache
        if candidate.sequence is not None:
            sequence = candidate.sequence
            if candidate.reuse.donor is not None:
                cache.touch(candidate.reuse.donor)
            cache.continue_in(sequence, candidate.reuse)
        else:
            donor = candidate.reuse.donor
            forks = cache.find(document, "fork")
            for old in [fork for fork in forks[MAX_FORKS - 1 :] if fork is not donor and not fork.pins]:
                cache.drop(old)
            sequence = cache.fork(candidate.reuse, document, "fork")
        if candidate.shape is not None:
            self._shapes[sequence] = candidate.shape
        else:
            self._shapes.pop(sequence, None)
        return sequence

    def is_settled(self, view: View) -> bool:
        """Whether a fork shows (nearly) all that is wanted, as it is: then there is nothing to prepare."""
        poorer = SETTLED * view.completion.target_ms
        return any(
            not candidate.stale and candidate.loss - candidate.predicted_ms <= poorer
            for candidate in self._kept(view)
        )

    # --- candidates ------------------------------------------------------------------------------

    def _plain(self, view: View, layout: Layout, n_generated: int) -> Candidate:
        completion = view.completion
        prompt = self._prompts.build(completion, layout, Budget.of_window(self.n_window, n_generated))
        forks = [fork for fork in self._cache.find(completion.document, "fork") if fork not in self._shapes]
        laid_out = LaidOut(layout, prompt.ids, len(prompt.ids) - prompt.n_suffix, prompt.n_suffix)
        kind: PlanKind = "spm" if layout == "spm" else "window"
        reuse = self._cache.reuse(prompt.ids, exact=True)
        fork = forks[0] if forks else None
        return self._candidate(view, kind, None, laid_out, reuse, sequence=fork)

    def _kept(self, view: View) -> Iterator[Candidate]:
        """The document's forks, as far as they still fit the text."""
        completion = view.completion
        for fork in self._cache.find(completion.document, "fork"):
            shape = self._shapes.get(fork)
            if shape is None or fork.pins:
                continue
            n_stale = 0
            if not still_shows(shape.suffix, completion.suffix):
                if not differs_in_line(shape.suffix, completion.suffix):
                    continue
                n_stale = n_changed(shape.suffix.partition("\n")[0], completion.suffix.partition("\n")[0])
            start = where(shape, completion.prefix)
            if start < 0:
                continue
            laid_out = self._laid_out_again(view, shape, start)
            if laid_out is not None:
                kind: PlanKind = "kept" if shape.layout == "psm" else "spm"
                reuse = self._cache.reuse(laid_out.ids)
                yield self._candidate(view, kind, shape, laid_out, reuse, sequence=fork, n_stale=n_stale)

    def _laid_out_again(self, view: View, shape: Shape, start: int) -> LaidOut | None:
        """The request in the shape of an earlier one; None when it does not fit in it any more."""
        completion = view.completion
        suffix = self._prompts.text(shape.suffix)
        if shape.layout == "psm":
            typed = completion.prefix[start + len(shape.prefix) :]
            if len(typed) > MAX_TYPED_CHARACTERS:
                return None
            above = self._prompts.text(shape.prefix, completion.path)
            laid_out = self._psm_laid_out(view, above, suffix, typed)
        else:
            prefix = self._prompts.text(completion.prefix[start:], completion.path)
            ids = self._prompts.spm(view.files, suffix, prefix)
            laid_out = LaidOut("spm", ids, len(prefix), len(suffix))
        return laid_out if len(laid_out.ids) <= self.n_window + MAX_SUFFIX else None

    def _psm_laid_out(self, view: View, above: "array[int]", suffix: "array[int]", typed: str) -> LaidOut:
        tail = self._prompts.text(typed)
        ids = self._prompts.psm(view.files, above, suffix, tail)
        return LaidOut("psm", ids, len(above) + len(tail), len(suffix))

    def _new(self, view: View) -> Iterator[Candidate]:
        """Forks of the file's sequence at the cursor's line, and windows that are evaluated anew."""
        head = self.head(view)
        yield from self._psm(view, "anchored", head)
        window = self._best_window(view)
        yield from self._psm(view, "window", window)
        if self._knows_spm:
            yield from self._spm(view, head)
            if window != head:
                yield from self._spm(view, window)

    def _psm(self, view: View, kind: PlanKind, start: int) -> Iterator[Candidate]:
        completion = view.completion
        above, typed = split_at_anchor(completion.prefix, start)
        prefix = self._prompts.text(above, completion.path)
        beginning = self._prompts.file(view.files, prefix)
        reuse = self._cache.reuse(beginning)
        exact = reuse if reuse.n_exact == reuse.n_tokens else self._cache.reuse(beginning, exact=True)
        suffix = self._best_suffix(view, len(beginning) - exact.n_tokens + len(typed) // 3)
        laid_out = self._psm_laid_out(view, prefix, self._prompts.text(suffix), typed)
        shape = Shape("psm", above, suffix, from_start=start == 0)
        yield self._candidate(view, kind, shape, laid_out, exact)
        if reuse.n_tokens > exact.n_tokens:
            yield self._candidate(view, kind, shape, laid_out, reuse)
        splice = self.splice(view) if kind == "anchored" else None
        if splice is not None and splice.n_head + len(splice.changed) < len(beginning):
            n_after = len(laid_out.ids) - len(beginning) + 1
            yield self._candidate(view, kind, shape, laid_out, reuse, splice=splice, n_after_splice=n_after)

    def _spm(self, view: View, start: int, suffix: str | None = None) -> Iterator[Candidate]:
        completion = view.completion
        prefix = self._prompts.text(completion.prefix[start:], completion.path)
        suffix = self._best_suffix(view, len(prefix)) if suffix is None else suffix
        suffix_ids = self._prompts.text(suffix)
        ids = self._prompts.spm(view.files, suffix_ids, prefix)
        shape = Shape("spm", completion.prefix[start:], suffix, from_start=start == 0)
        laid_out = LaidOut("spm", ids, len(prefix), len(suffix_ids))
        yield self._candidate(view, "spm", shape, laid_out, self._cache.reuse(ids, exact=True))

    def _candidate(
        self,
        view: View,
        kind: PlanKind,
        shape: Shape | None,
        laid_out: LaidOut,
        reuse: Reuse,
        *,
        sequence: CachedSequence | None = None,
        n_stale: int = 0,
        splice: Splice | None = None,
        n_after_splice: int = 0,
    ) -> Candidate:
        """Prices a prompt.

        n_stale: characters of the cursor's line after the cursor that are shown otherwise than they are.
        n_after_splice: tokens to evaluate once the file's sequence is spliced.
        """
        stale_file = splice is not None or reuse.n_tokens > reuse.n_exact
        n_cells = self._cache.n_cells_used
        n_evaluated = n_after_splice if splice else len(laid_out.ids) - reuse.n_tokens
        predicted_ms = self._speeds.prefill_ms(n_evaluated, n_cells, self._n_batch)
        if splice is not None:
            predicted_ms += self._speeds.prefill_ms(len(splice.changed), n_cells, self._n_batch)
        share = PREFIX_WEIGHT * _lack(laid_out.n_prefix, view.n_prefix_wanted)
        share += SUFFIX_WEIGHT * _lack(laid_out.n_suffix, view.n_suffix_wanted)
        share += (
            ANCHORED * (laid_out.layout == "psm")
            + STALE_SUFFIX * math.ceil(n_stale / CLOSERS)
            + STALE_FILE * stale_file
        )
        return Candidate(
            kind=kind,
            shape=shape,
            layout=laid_out.layout,
            ids=laid_out.ids,
            reuse=reuse,
            sequence=sequence,
            stale=n_stale > 0 or stale_file,
            n_visible=laid_out.n_prefix + laid_out.n_suffix,
            predicted_ms=predicted_ms,
            loss=predicted_ms + view.completion.target_ms * share,
            splice=splice,
        )

    # --- how much is shown -----------------------------------------------------------------------

    def head(self, view: View) -> int:
        """Where in the prefix the file's own sequence begins: at its start, or at a line that stands still.

        In a file longer than the window it moves only when the cursor is not in its reach any more, and then
        by at least a quarter of the window.
        """
        prefix, document = view.completion.prefix, view.completion.document
        if view.n_prefix_wanted < self.n_window - len(view.files) and len(prefix) <= self.n_window * 8:
            return 0
        n_most = max(self.n_window - len(view.files) - 64, 16)
        near, far = self._prompts.window_starts(prefix, (n_most * 3 // 4, n_most))
        mark = self._marks.get(document, "")
        found = prefix.find(mark, far) if mark else -1
        if found >= 0 and (found == 0 or prefix[found - 1] == "\n") and found <= near:
            return found
        self._marks[document] = prefix[near : near + MARK]
        if len(self._marks) > 256:
            self._marks.pop(next(iter(self._marks)))
        return near

    def file_ids(self, view: View) -> "array[int]":
        """What the file's own sequence should hold: from its head as far as the window goes."""
        completion = view.completion
        head = self.head(view)
        text = completion.prefix[head:] + completion.suffix[: self.n_window * 8]
        ids = self._prompts.file(view.files, self._prompts.text(text, completion.path))
        return ids[: self.n_window]

    def splice(self, view: View) -> Splice | None:
        """How the file's sequence becomes that of the changed text, where a short change is all there is."""
        found = self._cache.find(view.completion.document, "file")
        if not found or not self._cache.can_splice:
            return None
        old, new = found[0].tokens, self.file_ids(view)
        n_head = common_prefix(old, new)
        if n_head == len(old) or n_head == len(new):
            return None
        return splice_between(old, new, n_head)

    def at_rest(self, view: View) -> Candidate:
        """The prompt that shows all that is wanted around the cursor: what the background prepares."""
        suffix = self._prompts.suffix_text(view.completion.suffix, min(MAX_SUFFIX, self.n_window // 4))
        candidates = [self._anchored_with(view, suffix)]
        if self._knows_spm:
            candidates += self._spm(view, self.head(view), suffix)
        return min(candidates, key=lambda candidate: candidate.loss)

    def _anchored_with(self, view: View, suffix: str) -> Candidate:
        completion = view.completion
        start = self.head(view)
        above, typed = split_at_anchor(completion.prefix, start)
        prefix = self._prompts.text(above, completion.path)
        laid_out = self._psm_laid_out(view, prefix, self._prompts.text(suffix), typed)
        shape = Shape("psm", above, suffix, from_start=start == 0)
        return self._candidate(view, "anchored", shape, laid_out, self._cache.reuse(laid_out.ids, exact=True))

    def _best_suffix(self, view: View, n_others: int) -> str:
        """The beginning of the suffix whose length is worth its time, beside `n_others` tokens."""
        size = self._best_size(view, SUFFIX_SIZES, view.n_suffix_wanted, SUFFIX_WEIGHT, n_others)
        return self._prompts.suffix_text(view.completion.suffix, size)

    def _best_window(self, view: View) -> int:
        """Where in the prefix the window begins whose length is worth its time, if nothing is cached."""
        size = self._best_size(view, WINDOW_SIZES, view.n_prefix_wanted, PREFIX_WEIGHT, len(view.files))
        if size == view.n_prefix_wanted and view.n_prefix_wanted < self.n_window - len(view.files):
            return 0
        return self._prompts.window_starts(view.completion.prefix, (size,))[0]

    def _best_size(
        self, view: View, sizes: tuple[int, ...], n_wanted: int, weight: float, n_others: int
    ) -> int:
        """How many of `n_wanted` tokens are worth their time, when `n_others` are evaluated as well."""
        n_cells = self._cache.n_cells_used

        def loss(n: int) -> float:
            predicted_ms = self._speeds.prefill_ms(n_others + n, n_cells, self._n_batch)
            return predicted_ms + view.completion.target_ms * weight * _lack(n, n_wanted)

        return min([*(n for n in sizes if n < n_wanted), n_wanted], key=loss)


def _lack(n_shown: int, n_wanted: int) -> float:
    """What it is worth, in targets, that only so many of the wanted tokens are shown."""
    return math.log(max(1.0, n_wanted / max(n_shown, 4)))
