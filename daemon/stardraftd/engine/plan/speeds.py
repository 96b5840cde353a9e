"""What evaluating tokens costs on this device, as measured, and how well that predicts.

The cost of a decode of n tokens is a curve (a batch of four costs 1.5 to 3 single tokens, 512 cost far less
than 512 single ones), measured once when a model is loaded on a device and kept on disk. Each cell of the
cache in use adds to it, because attention walks them all. Both drift with what else the machine does, so
every real decode corrects a factor.
"""

import statistics
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stardraftd import measurements
from stardraftd.measurements import CELL_SHARE, SPEEDS_FILE, Measured
from stardraftd.protocol.engine import EngineSettings

# Measured in this order for as long as the budget at loading lasts; the rest when nobody waits.
CALIBRATED_SIZES = (1, 32, 8, 128, 2, 4, 16, 64, 3)
LOAD_BUDGET_MS = 2500.0
# A window may make decoding so much slower than an empty cache does.
MAX_DEPTH_SLOWDOWN = 0.35
MIN_WINDOW = 512
N_ERRORS = 200
# How much more a cell costs with each further token of a decode.
ROW_DEPTH = 0.25
# The most tokens of a decode that verifies guesses, or more.
MAX_VERIFIED = 16
# One more guess is verified where that is expected to make a token cheaper by this at least.
WORTH = 0.97


class Drafting(NamedTuple):
    """So many guessed tokens are verified, 0 for none, and a token is expected to cost so much."""

    n_drafted: int
    token_ms: float


class SpeedModel:
    """Milliseconds of decodes to come.

    Invariant: `_curve` is sorted by tokens, and its milliseconds do not decrease; `_few` has those of
    1, 2, ... MAX_VERIFIED tokens.
    """

    def __init__(self, curve: Sequence[tuple[int, float]] = (), cell_us: float | None = None) -> None:
        self._measured: dict[int, float] = dict(curve)
        self._curve: list[tuple[int, float]] = []
        self._few: list[float] = []
        self._cell_us = cell_us
        self._factor = 1.0
        self._errors: deque[float] = deque(maxlen=N_ERRORS)
        self._depths: deque[tuple[int, float]] = deque(maxlen=512)
        self.n_predictions = 0
        self._sort()

    # --- what is known ---------------------------------------------------------------------------

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        return tuple(self._curve)

    @property
    def missing(self) -> list[int]:
        """Batch sizes that were not measured yet."""
        return [n for n in CALIBRATED_SIZES if n not in self._measured]

    @property
    def token_ms(self) -> float:
        """One token at little depth."""
        return self._at(1)

    @property
    def cell_us(self) -> float:
        if self._cell_us is not None:
            return self._cell_us
        return self._at(1) * CELL_SHARE * 1000

    @property
    def error(self) -> float:
        """Median of |predicted - took| / took over the last predictions; 0 before there was one."""
        return statistics.median(self._errors) if self._errors else 0.0

    # --- predicting ------------------------------------------------------------------------------

    def decode_ms(self, n_tokens: int, n_cells: int) -> float:
        """One decode of `n_tokens` with `n_cells` of the cache in use."""
        if n_tokens <= 0:
            return 0.0
        depth_ms = self.cell_us / 1000 * n_cells * (1 + (n_tokens - 1) * ROW_DEPTH)
        return (self._at(n_tokens) + depth_ms) * self._factor

    def prefill_ms(self, n_tokens: int, n_cells: int, n_batch: int) -> float:
        """The evaluation of `n_tokens` in decodes of at most `n_batch`."""
        n_full, n_rest = divmod(n_tokens, n_batch)
        return n_full * self.decode_ms(n_batch, n_cells) + self.decode_ms(n_rest, n_cells)

    def window(self, n_most: int) -> int:
        """How many cells one file may have, so that they do not slow each token down by too much."""
        n = int(MAX_DEPTH_SLOWDOWN * self._at(1) * 1000 / max(self.cell_us, 1e-6))
        return max(min(n // 256 * 256, n_most), min(MIN_WINDOW, n_most))

    def draft_length(
        self, chances: Sequence[float], n_cells: int = 0, drafted_ms: float = 0.0, opening_ms: float = 0.0
    ) -> Drafting:
        """How many of the guessed tokens to verify with the next one, so that a token costs least.

        chances: the probability of each, given that those before it are right. n_cells: cells of the cache in
        use. drafted_ms, opening_ms: what it costs to guess one, and before the first.
        """
        few = self._few  # this is asked at every token
        best, best_ms = 0, self.decode_ms(1, n_cells)
        depth_ms = self.cell_us / 1000 * n_cells
        expected = reached = 1.0
        for n, chance in enumerate(chances, 1):
            reached *= chance
            expected += reached
            flat_ms = few[n] if n < len(few) else self._at(n + 1)
            decode_ms = (flat_ms + depth_ms * (1 + n * ROW_DEPTH)) * self._factor
            token_ms = (decode_ms + n * drafted_ms + opening_ms) / expected
            if token_ms < best_ms * WORTH:
                best, best_ms = n, token_ms
        return Drafting(best, best_ms)

    # --- learning --------------------------------------------------------------------------------

    def measured(self, n_tokens: int, milliseconds: float) -> None:
        """A calibrating decode of `n_tokens` took so long, with next to nothing in the cache."""
        self._measured[n_tokens] = milliseconds
        self._sort()

    def took(self, predicted_ms: float, took_ms: float) -> None:
        """A prediction meets what happened."""
        if predicted_ms <= 0 or took_ms <= 0:
            return
        self.n_predictions += 1
        self._errors.append(abs(predicted_ms - took_ms) / took_ms)
        ratio = min(max(took_ms / predicted_ms, 0.25), 4.0)
        self._factor = min(max(self._factor * ratio**0.2, 0.2), 10.0)

    def token_took(self, n_cells: int, took_ms: float) -> None:
        """A single token took so long at this depth: enough of them tell what a cell costs."""
        self._depths.append((n_cells, took_ms))
        if len(self._depths) % 64 == 0:
            self._learn_depth()

    def _learn_depth(self) -> None:
        """The slope between the shallower and the deeper half; medians, because machines are noisy."""
        ordered = sorted(self._depths)
        third = len(ordered) // 3
        low, high = ordered[:third], ordered[-third:]
        span = statistics.median(n for n, _ in high) - statistics.median(n for n, _ in low)
        if span < 256:
            return
        rise = statistics.median(ms for _, ms in high) - statistics.median(ms for _, ms in low)
        ceiling = self._at(1) * CELL_SHARE * 4000
        self._cell_us = min(max(rise / span * 1000, 0.02 * ceiling), ceiling)

    def _sort(self) -> None:
        curve: list[tuple[int, float]] = []
        most = 0.0
        for n, ms in sorted(self._measured.items()):
            most = max(most, ms)
            curve.append((n, most))
        self._curve = (
            curve  # whole: another thread reads it, for the daemon that asks how long a decode takes
        )
        self._few = [self._at(n) for n in range(1, MAX_VERIFIED + 1)]

    def _at(self, n: int) -> float:
        curve = self._curve
        if not curve:
            return 10.0 + 1.0 * n  # nothing was measured: a middling machine
        sizes = [size for size, _ in curve]
        i = bisect_left(sizes, n)
        if i < len(sizes) and sizes[i] == n:
            return curve[i][1]
        if i == 0:
            return curve[0][1] * n / sizes[0] if sizes[0] > 1 else curve[0][1]
        (n0, ms0), (n1, ms1) = (
            (curve[i - 1], curve[i])
            if i < len(sizes)
            else (curve[-2] if len(sizes) > 1 else (0, 0.0), curve[-1])
        )
        return ms0 + (ms1 - ms0) * (n - n0) / (n1 - n0)


# --- remembered --------------------------------------------------------------------------------------


def speeds_file(settings: EngineSettings) -> Path | None:
    return Path(settings.cache_folder) / SPEEDS_FILE if settings.cache_folder else None


def remembered(file: Path, key: str) -> SpeedModel:
    """The speeds measured for `key` (a model on a device), or a model that has measured nothing."""
    found = measurements.measured(file).get(key)
    return SpeedModel() if found is None else SpeedModel(found.curve, found.cell_us)


def remember(file: Path, key: str, speeds: SpeedModel) -> None:
    """Keeps what was measured, for the next time that this model is loaded. Failing to is no error."""
    measurements.keep(file, key, Measured(tuple(speeds.curve), speeds._cell_us))
