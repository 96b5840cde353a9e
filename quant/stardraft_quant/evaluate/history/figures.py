"""What the answers at many places come to: sums that add up, the figures of them, and how sure those are.

Every figure is a function of sums over places, so it can be had of any part of them. The intervals are
bootstrapped over commits, not places: lines of one commit are alike, and say less than those of as many.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from stardraft_quant.evaluate.history.places import QUIET, HistoryPlace
from stardraft_quant.shared.prefixes import common_prefix

RESAMPLES = 1_000
_TAIL = 0.025  # on each side of a 95% interval

# By name: of the places with text to write, how many there are ("wanted"), and so on; of each kind of quiet
# place, how many there are (the kind's name), and of all of these, at how many nothing was shown ("silent").
Sums = Mapping[str, float]


class Shown(Struct, frozen=True):
    """What was shown at a place, "" for nothing.

    reason: of the silence. source: "echo" or "model" said it. took_ms: until the answer came; no figure is
    made of that.
    """

    place: HistoryPlace
    text: str
    reason: str = ""
    source: str = ""
    took_ms: float = 0.0

    @property
    def line(self) -> str:
        """What of it goes on the cursor's line: that is judged."""
        return self.text.partition("\n")[0].rstrip()


class Figure(Struct, frozen=True):
    """A figure and its 95% interval; None where nothing was there to count."""

    value: float | None
    low: float | None
    high: float | None


class Figures(Struct, frozen=True):
    """n_places: with text to write; n_quiet: with none. by_name: the figures of FIGURES."""

    n_places: int
    n_quiet: int
    n_commits: int
    by_name: dict[str, Figure]


def sums_of(shown: Shown) -> Sums:
    """One place's."""
    kind, wanted, line = shown.place.kind, shown.place.wanted, shown.line
    is_shown = bool(shown.text.strip())
    if kind in QUIET:
        silent = float(not is_shown)
        return {"quiet": 1, kind: 1, "silent": silent, f"{kind}, silent": silent}
    if not is_shown:
        return {"wanted": 1}
    is_so_far = bool(line) and wanted.startswith(line)
    return {
        "wanted": 1,
        "shown": 1,
        "right": line == wanted,
        "so far": is_so_far,
        "characters": len(line) if is_so_far else 0,
        "quality": quality(line, wanted),
    }


def quality(line: str, wanted: str) -> float:
    """How much of a suggestion is right: the characters that both begin with, of the longer one's."""
    return common_prefix(line, wanted) / max(len(line), len(wanted), 1)


def _ratio(part: str, whole: str) -> Callable[[Sums], float | None]:
    return lambda sums: sums[part] / sums[whole] if sums[whole] else None


def _score(sums: Sums) -> float | None:
    if not sums["wanted"] or not sums["quiet"]:
        return None
    show, quiet = sums["shown"] / sums["wanted"], sums["silent"] / sums["quiet"]
    if not show or not quiet:
        return 0.0
    return sums["quality"] / sums["shown"] * 2 * show * quiet / (show + quiet)


FIGURES: Mapping[str, Callable[[Sums], float | None]] = {
    "exact": _ratio("right", "wanted"),
    "coverage": _ratio("shown", "wanted"),
    "precision": _ratio("right", "shown"),
    "right_so_far": _ratio("so far", "shown"),
    "characters_right": _ratio("characters", "wanted"),
    "quality": _ratio("quality", "shown"),
    "quiet": _ratio("silent", "quiet"),
    **{f"quiet_{kind.replace(' ', '_')}": _ratio(f"{kind}, silent", kind) for kind in QUIET},
    "score": _score,
}


def sums_of_all(answers: Iterable[Shown]) -> Sums:
    """Theirs together."""
    return _total(map(sums_of, answers))


def figures(answers: Sequence[Shown], seed: int = 0) -> Figures:
    """All figures of these answers, with their intervals. seed: of the bootstrap."""
    of_commits: dict[str, list[Shown]] = {}
    for one in answers:
        of_commits.setdefault(one.place.commit, []).append(one)
    by_commit = [sums_of_all(of_commit) for of_commit in of_commits.values()]
    samples, total = _resampled(by_commit, seed), _total(by_commit)
    found = {
        name: _with_interval(of(total), [value for one in samples if (value := of(one)) is not None])
        for name, of in FIGURES.items()
    }
    return Figures(int(total["wanted"]), int(total["quiet"]), len(by_commit), found)


def _total(sums: Iterable[Sums]) -> Sums:
    total: defaultdict[str, float] = defaultdict(float)
    for one in sums:
        for name, value in one.items():
            total[name] += value
    return total


def _resampled(commits: Sequence[Sums], seed: int) -> list[Sums]:
    """The sums of as many commits, drawn with repetition, RESAMPLES times."""
    chance = random.Random(seed)  # noqa: S311 - to be the same every time
    return [_total(chance.choices(commits, k=len(commits))) for _ in range(RESAMPLES)] if commits else []


def _with_interval(value: float | None, samples: list[float]) -> Figure:
    if value is None or not samples:
        return Figure(value, None, None)
    samples.sort()
    low, high = (samples[round(at * (len(samples) - 1))] for at in (_TAIL, 1 - _TAIL))
    return Figure(value, low, high)
