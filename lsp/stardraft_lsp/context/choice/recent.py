"""Where the user was lately: regions of documents that were edited or looked at, the newest last.

Lines are kept, not texts: a region moves with what is edited above it, and its text is cut from the document
as it is when it is wanted. Pure; times are seconds of any clock that only goes forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

REACH_LINES = 8  # what is shown of the surroundings of an edit, above and below
MOST_LINES = 40  # of a merged region
VIEW_S = 1.0  # glances that follow each other faster are one
_VIEW_REACH_LINES = 12


@dataclass(frozen=True)
class Region:
    """Lines `first_line` (from 0) to `last_line`, both in it."""

    uri: str
    first_line: int
    last_line: int
    kind: Literal["edited", "viewed"]
    seen_at: float

    def touches(self, uri: str, first_line: int, last_line: int) -> bool:
        return self.uri == uri and first_line <= self.last_line and last_line >= self.first_line


class Recent:
    """At most `n_most` regions, the newest last. No two of one document overlap."""

    def __init__(self, n_most: int = 24) -> None:
        self._n_most = n_most
        self._regions: list[Region] = []

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(self._regions)

    def edited(self, uri: str, line: int, n_old: int, n_new: int, now: float) -> None:
        """Line ends changed: what began at `line` had `n_old` line ends and has `n_new` now."""
        delta = n_new - n_old
        if delta:
            self._regions = [
                moved
                for region in self._regions
                if (moved := _moved(region, uri, line, n_old, delta)) is not None
            ]
        first, last = max(line - REACH_LINES, 0), line + n_new + REACH_LINES
        self._add(Region(uri, first, last, "edited", now))

    def viewed(self, uri: str, line: int, now: float) -> None:
        """The cursor came to rest, or the document was focused."""
        newest = self._regions[-1] if self._regions else None
        if newest is not None and newest.touches(uri, line, line):
            self._regions[-1] = replace(newest, seen_at=now)
            return
        if newest is not None and newest.kind == "viewed" and now - newest.seen_at < VIEW_S:
            self._regions.pop()  # passed through on the way here
        first, last = max(line - _VIEW_REACH_LINES, 0), line + _VIEW_REACH_LINES
        self._add(Region(uri, first, last, "viewed", now))

    def forget(self, uri: str) -> None:
        """The document is gone, or all of its text was replaced."""
        self._regions = [region for region in self._regions if region.uri != uri]

    def _add(self, region: Region) -> None:
        """Adds a region as the newest; what it overlaps of the same document becomes part of it."""
        rest: list[Region] = []
        for other in self._regions:
            if not other.touches(region.uri, region.first_line - 1, region.last_line + 1):
                rest.append(other)
                continue
            first, last = min(region.first_line, other.first_line), max(region.last_line, other.last_line)
            kind: Literal["edited", "viewed"] = (
                "edited" if "edited" in (region.kind, other.kind) else "viewed"
            )
            if last - first < MOST_LINES:
                region = replace(region, first_line=first, last_line=last, kind=kind)
            else:
                region = replace(region, kind=kind)
        self._regions = [*rest, region][-self._n_most :]


def _moved(region: Region, uri: str, line: int, n_old: int, delta: int) -> Region | None:
    """The region after an edit; None when all of its lines were deleted."""
    if region.uri != uri or region.last_line < line:
        return region
    first = region.first_line if region.first_line <= line else max(region.first_line + delta, line)
    last = max(region.last_line + delta, line)
    if delta < 0 and region.first_line > line and region.last_line < line + n_old:
        return None
    return replace(region, first_line=first, last_line=last)


def region_text(region: Region, lines: Sequence[str]) -> str:
    """The region's text as it is now, without blank lines at its ends; "" when it is past the end."""
    first, last = region.first_line, min(region.last_line, len(lines) - 1)
    while first <= last and not lines[first].strip():
        first += 1
    while last >= first and not lines[last].strip():
        last -= 1
    return "".join(f"{line}\n" for line in lines[first : last + 1])
