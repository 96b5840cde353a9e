"""A file of figures that must not fall: what was measured where, and the least that is let through."""

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from stardraft_quant.evaluate.history.figures import Figures
from stardraft_quant.shared.unfinished import write_whole
from stardraftd.console.prose import counted
from stardraftd.errors import PathError, RequestError, StardraftError

# Figures are written rounded down to so many of these in 1.
_PARTS = 10_000


class Ratchet(Struct, frozen=True, forbid_unknown_fields=True):
    """commit: the repository's, whose past was measured. items, seed: as they were asked for.

    figures: by source and name.
    """

    commit: str
    items: int
    seed: int
    figures: dict[str, dict[str, float]]

    def check(self, file: Path, other: "Ratchet") -> None:
        """Raises RequestError unless `other` is measured at the same places, and of the same sources."""
        if (self.commit, self.items, self.seed) != (other.commit, other.items, other.seed):
            raise RequestError(
                f"{file} holds the figures of other places: commit {self.commit}, --items {self.items} "
                f"--seed {self.seed}; these are of commit {other.commit}, --items {other.items} "
                f"--seed {other.seed}.",
                "Measure the same places, or write the file anew with --write-ratchet.",
            )
        missing = sorted(self.figures.keys() - other.figures.keys())
        if missing:
            raise RequestError(
                f"{file} holds figures of {', '.join(missing)}, which --source leaves out.",
                "Measure all that it holds, or write the file anew with --write-ratchet.",
            )

    def compare(self, file: Path, other: "Ratchet") -> None:
        """Raises StardraftError when a figure of `other` is below what is held here."""
        fell = [
            f"{source}, {name}: {found:.4f} (held: {least:.4f})"
            for source, figures in self.figures.items()
            for name, least in figures.items()
            if (found := other.figures[source].get(name, 0.0)) < least
        ]
        if fell:
            raise StardraftError(
                f"{counted(len(fell), 'figure')} fell below what {file} holds: {'; '.join(fell)}.",
                "If that is as it should be, write the file anew: the same command with --write-ratchet.",
            )


def ratchet_of(commit: str, items: int, seed: int, by_source: Mapping[str, Figures]) -> Ratchet:
    """What was measured, to be held. A figure of nothing is left out."""
    figures = {
        source: {
            name: math.floor(round(figure.value * _PARTS, 3)) / _PARTS
            for name, figure in found.by_name.items()
            if figure.value is not None
        }
        for source, found in by_source.items()
    }
    return Ratchet(commit, items, seed, figures)


def read(file: Path) -> Ratchet:
    """Raises PathError for a file that cannot be read, RequestError for one that is no ratchet."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PathError(
            f"{file} cannot be read: {error.strerror or error}.", "Make it first: add --write-ratchet."
        ) from error
    try:
        return msgspec.json.decode(data, type=Ratchet)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise RequestError(
            f"{file} does not hold figures of `stardraft eval history`: {error}.",
            "Name another file, or write it anew with --write-ratchet.",
        ) from error


def write(file: Path, ratchet: Ratchet) -> None:
    """Raises PathError."""
    write_whole(file, msgspec.json.format(msgspec.json.encode(ratchet), indent=1) + b"\n")
