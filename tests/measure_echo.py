"""Fits how sure echo is of its guesses, on the histories of Git repositories, and prints what that gives.

    python -m tests.measure_echo FOLDER...                each repository by the weights of the others
    python -m tests.measure_echo FOLDER... --write        and writes lsp/stardraft_lsp/echo/weights.json

A guess for a place counts as right when it is the rest of the line to the character. Coverage is the share of
places that get a guess at least as sure as the threshold, precision how much of that is right; quiet is the
share of finished lines that get none.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np

import stardraft_lsp.echo
from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.echo.choosing import Kind, Spot, Weights, likelihood, weighed
from stardraft_lsp.echo.code import Code
from stardraft_lsp.echo.memory import Memory
from stardraft_lsp.echo.nearby import MAX_BYTES, MAX_FILE_BYTES, by_distance
from stardraft_lsp.echo.voting import Candidate
from stardraft_quant.evaluate.history.figures import FIGURES, Shown, sums_of_all
from stardraft_quant.evaluate.history.git import Repository
from stardraft_quant.evaluate.history.places import WANTED, HistoryPlace, places

WEIGHTS = Path(stardraft_lsp.echo.__file__).parent / "weights.json"
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
# The strength of the pull towards 0 (L2), in places.
_L2 = 3.0


@dataclass(frozen=True)
class Weighed:
    """One text that was considered at a place: its features, and whether it is what was written."""

    place: int
    kind: Kind
    text: str
    features: Mapping[str, float]
    right: bool


@dataclass
class Measured:
    """A repository's places, and what was considered at each."""

    name: str
    places: Sequence[HistoryPlace]
    weighed: list[Weighed]


class Knowledge:
    """What an editor would know at a place: the parent commit's files that are nearest, and the document."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.memory = Memory()
        self._files = lru_cache(maxsize=64)(repository.files)
        self._code = lru_cache(maxsize=2_000)(self._read)

    def consider(self, number: int, place: HistoryPlace) -> list[Weighed]:
        """All that is considered at a place."""
        with self.at(place) as (spot, votes, renamed):
            return [
                Weighed(number, spot.kind, text, features, text == place.wanted)
                for text, features, _origin, _candidate in weighed(spot, votes, renamed)
            ]

    @contextmanager
    def at(self, place: HistoryPlace) -> Iterator[tuple[Spot, list[Candidate], list[Candidate]]]:
        """What `Memory.look` says at a place, whose document is open for so long."""
        uri, edit = f"file:///{place.path}", place.edit
        memory = self.memory
        memory.opened(uri, edit.text)
        memory.catch_up(uri, 60_000)
        line = place.before.count("\n")
        memory.changed(uri, [(line, len(place.removed), edit.inserted.count("\n"))], place.text)
        memory.catch_up(uri, 60_000)
        near = {
            path: (size, blob)
            for path, blob, size in self._files(f"{place.commit}^")
            if family_of(path) == family_of(place.old_path) and size <= MAX_FILE_BYTES
        }
        folder, others, total = list[Code](), list[Code](), 0
        for steps, path in by_distance(place.old_path, near):
            total += near[path][0]
            if total > MAX_BYTES:
                break
            (others if steps else folder).append(self._code(path, near[path][1]))
        memory.read(uri, folder, others)
        yield memory.look(uri, place.text, len(place.before))
        memory.closed(uri)

    def _read(self, path: str, blob: str) -> Code:
        return Code.of(self.memory.lexicon, path, self._repository.blob(blob))


def measure(folder: Path, n: int, seed: int) -> Measured:
    """Considers `n` places of a repository."""
    repository = Repository(folder)
    # Inside words and before text the language server asks nobody.
    found = [one for one in places(repository, n, seed) if one.kind not in ("in a word", "before text")]
    knowledge = Knowledge(repository)
    name = folder.parent.name if folder.name in ("repo", ".git") else folder.name
    return Measured(
        name, found, [one for number, place in enumerate(found) for one in knowledge.consider(number, place)]
    )


def fit(measured: Iterable[Measured]) -> Weights:
    """Weights of the features, for each kind of place: the likeliest logistic regression."""
    rows = [one for each in measured for one in each.weighed]
    return {kind: _fit_kind([one for one in rows if one.kind == kind]) for kind in get_args(Kind)}


def _fit_kind(rows: Sequence[Weighed]) -> dict[str, float]:
    """By Newton's method."""
    names = sorted({name for one in rows for name in one.features})
    x = np.array([[one.features.get(name, 0.0) for name in names] for one in rows])
    y = np.array([float(one.right) for one in rows])
    weights = np.zeros(len(names))
    for _ in range(30):
        likely = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (likely - y) + _L2 * weights
        curvature = (x * (likely * (1 - likely))[:, None]).T @ x + _L2 * np.eye(len(names))
        weights -= np.linalg.solve(curvature, gradient)
    return {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}


def surest(measured: Measured, weights: Weights) -> dict[int, tuple[float, str]]:
    """The likeliest text of each place, and how likely it is."""
    found: dict[int, tuple[float, str]] = {}
    for one in measured.weighed:
        likely = likelihood(one.features, weights[one.kind])
        if likely > found.get(one.place, (0.0, ""))[0]:
            found[one.place] = (likely, one.text)
    return found


def row(name: str, pairs: Sequence[tuple[HistoryPlace, tuple[float, str] | None]]) -> str:
    """A line of the table."""
    exact = sums_of_all(_shown(pairs, 0.0))
    cells = [f"{name:24} {exact['wanted']:5.0f} {FIGURES['exact'](exact) or 0:6.1%} "]
    for threshold in THRESHOLDS:
        sums = sums_of_all(_shown(pairs, threshold))
        coverage, precision, quiet = (
            FIGURES[figure](sums) or 0 for figure in ("coverage", "precision", "quiet_finished")
        )
        cells.append(f"{coverage:5.0%} {precision:4.0%} {quiet:4.0%} ")
    return "|".join(cells)


def _shown(
    pairs: Sequence[tuple[HistoryPlace, tuple[float, str] | None]], threshold: float
) -> Iterable[Shown]:
    """What would be shown if guesses at least so sure were."""
    return (Shown(place, guess[1] if guess and guess[0] >= threshold else "") for place, guess in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="+", type=Path)
    parser.add_argument("--places", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    measured = []
    for folder in options.folder:
        measured.append(measure(folder, options.places, options.seed))
        print(f"{measured[-1].name}: {len(measured[-1].places)} places", flush=True)
    heads = "|".join(f"  at {threshold:.1f}       " for threshold in THRESHOLDS)
    print(f"{'repository':24} {'places':>5} {'exact':>6} |{heads}")
    print(f"{'':38} |" + "|".join(" shown right quiet" for _ in THRESHOLDS))
    pairs = []
    for each in measured:
        weights = fit(other for other in measured if other is not each) if len(measured) > 1 else fit([each])
        guesses = surest(each, weights)
        own = [(place, guesses.get(number)) for number, place in enumerate(each.places)]
        print(row(each.name, own))
        pairs += own
    print(row("all", pairs))
    for language in sorted({place.language for place, _ in pairs}):
        print(row(f"  {language}", [pair for pair in pairs if pair[0].language == language]))
    for kind in WANTED:
        print(row(f"  {kind}", [pair for pair in pairs if pair[0].kind == kind]))
    if options.write:
        WEIGHTS.write_text(json.dumps(fit(measured), indent=1, sort_keys=True) + os.linesep, encoding="utf-8")
        print(f"{WEIGHTS} is written")


if __name__ == "__main__":
    main()
