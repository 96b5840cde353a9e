"""From rows to figures: acceptance, kept share, latency by phase, reuse and waste, by language, week, editor.

acceptance  taken by command, whole or in part, of those shown
used        typed to their end as well: what was shown was what was wanted
kept        the mean kept share of accepted texts (see `kept`), 30 s, 2 and 10 minutes after; those whose
            document was closed before are left out
reuse       prompt tokens that the cache had, of all prompt tokens
chunk_reuse pieces of other files that stood where they did in the prompt before, of all in prompts
wasted      generated tokens that nobody used: of suggestions never shown, rejected or ignored, and of the
            part of a suggestion that was not taken, by its share of characters
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from stardraft_lsp.stats.kept import LOOKS_S

PHASES: Mapping[str, str] = {
    "queue_ms": "waiting for its turn",
    "prefill_ms": "reading the prompt",
    "decode_ms": "generating",
    "first_token_ms": "to the first token",
    "total_ms": "all of it",
    "waited_ms": "as the editor saw it",
}


# Where a suggestion was from, in words.
SOURCES: Mapping[str, str] = {"model": "the model", "echo": "own code"}


class Latency(Struct, frozen=True):
    """Milliseconds: the median and the 95th percentile of n suggestions."""

    p50_ms: float
    p95_ms: float
    n: int


class Tokens(Struct, frozen=True, kw_only=True):
    """Of all suggestions, shown or not: prompt = evaluated + reused; used + wasted = generated, rounded."""

    prompt: int = 0
    evaluated: int = 0
    reused: int = 0
    generated: int = 0
    wasted: int = 0

    @property
    def reuse_share(self) -> float | None:
        return share(self.reused, self.prompt)

    @property
    def wasted_share(self) -> float | None:
        return share(self.wasted, self.generated)


class Group(Struct, frozen=True, kw_only=True):
    """The suggestions of a language, a week, an editor, or all. Shares are None where there is nothing."""

    name: str
    shown: int = 0
    accepted: int = 0
    partial: int = 0
    typed: int = 0
    rejected: int = 0
    ignored: int = 0
    acceptance: float | None = None
    used: float | None = None
    accepted_chars: int = 0
    by_word: int = 0
    by_line: int = 0
    kept: Mapping[str, float | None] = {}
    latency: Mapping[str, Latency] = {}
    tokens: Tokens = Tokens()
    reuse: float | None = None
    wasted: float | None = None
    chunk_reuse: float | None = None
    silences: Mapping[str, int] = {}


class Summary(Struct, frozen=True, kw_only=True):
    """All figures since a day (local time, "YYYY-MM-DD"; of a short span with " HH:MM").

    `all` is every group together.
    """

    since: str
    all: Group
    languages: tuple[Group, ...] = ()
    weeks: tuple[Group, ...] = ()
    editors: tuple[Group, ...] = ()
    sources: tuple[Group, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.all.shown and not self.all.silences


def summarise(
    suggestions: Sequence[sqlite3.Row], silences: Sequence[sqlite3.Row], since: str = ""
) -> Summary:
    """The figures of rows of `Store.read`. Groups stand with the most suggestions first, weeks in order."""
    return Summary(
        since=since,
        all=_group("all", suggestions, silences),
        languages=_groups(
            ((row["language"] or "text", row) for row in suggestions),
            ((row["language"] or "text", row) for row in silences),
        ),
        weeks=tuple(
            sorted(
                _groups(
                    ((_week(row["at_s"]), row) for row in suggestions),
                    ((_week_of_day(row["day"]), row) for row in silences),
                ),
                key=lambda group: group.name,
            )
        ),
        sources=_groups(((SOURCES.get(row["source"], row["source"]), row) for row in suggestions), ()),
        editors=_groups(
            ((row["editor"], row) for row in suggestions), ((row["editor"], row) for row in silences)
        ),
    )


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def percentile(values: Sequence[float], fraction: float) -> float:
    """Of sorted values, by linear interpolation between the two nearest."""
    place = (len(values) - 1) * fraction
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def _groups(
    suggestions: Iterable[tuple[str, sqlite3.Row]], silences: Iterable[tuple[str, sqlite3.Row]]
) -> tuple[Group, ...]:
    shown: dict[str, list[sqlite3.Row]] = defaultdict(list)
    silent: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for name, row in suggestions:
        shown[name].append(row)
    for name, row in silences:
        silent[name].append(row)
    groups = [_group(name, shown[name], silent[name]) for name in {**shown, **silent}]
    return tuple(sorted(groups, key=lambda group: (-group.shown, group.name)))


def _group(name: str, rows: Sequence[sqlite3.Row], silences: Sequence[sqlite3.Row]) -> Group:
    outcomes = [row["outcome"] for row in rows]
    accepted, partial = outcomes.count("accepted"), outcomes.count("partial")
    typed = outcomes.count("typed")
    tokens = _tokens(rows, silences)
    reasons: dict[str, int] = defaultdict(int)
    for row in silences:
        reasons[row["reason"]] += row["n"]
    parts = [row["part"] for row in rows if row["outcome"] == "partial"]
    return Group(
        name=name,
        shown=len(rows),
        accepted=accepted,
        partial=partial,
        typed=typed,
        rejected=outcomes.count("rejected"),
        ignored=outcomes.count("ignored"),
        acceptance=share(accepted + partial, len(rows)),
        used=share(accepted + partial + typed, len(rows)),
        accepted_chars=sum(
            row["accepted_chars"] for row in rows if row["outcome"] in ("accepted", "partial")
        ),
        by_word=parts.count("word"),
        by_line=parts.count("line"),
        kept={f"{after_s} s": _mean(row[f"kept_{after_s}s"] for row in rows) for after_s in LOOKS_S},
        latency={phase: found for phase in PHASES if (found := _latency(rows, phase)) is not None},
        tokens=tokens,
        reuse=tokens.reuse_share,
        wasted=tokens.wasted_share,
        chunk_reuse=_chunk_reuse(rows),
        silences=dict(sorted(reasons.items(), key=lambda item: -item[1])),
    )


def _chunk_reuse(rows: Sequence[sqlite3.Row]) -> float | None:
    known = [row for row in rows if row["n_chunks_reused"] is not None]
    return share(sum(row["n_chunks_reused"] for row in known), sum(row["n_chunks"] for row in known))


def _tokens(rows: Sequence[sqlite3.Row], silences: Sequence[sqlite3.Row]) -> Tokens:
    both = [*rows, *silences]
    evaluated = sum(row["n_evaluated"] or 0 for row in both)
    reused = sum(row["n_reused"] or 0 for row in both)
    wasted = sum((row["n_generated"] or 0) * (1 - _used_share(row)) for row in rows)
    return Tokens(
        prompt=evaluated + reused,
        evaluated=evaluated,
        reused=reused,
        generated=sum(row["n_generated"] or 0 for row in both),
        wasted=round(wasted) + sum(row["n_generated"] for row in silences),
    )


def _used_share(row: sqlite3.Row) -> float:
    """How much of a suggestion was used, by characters."""
    if row["outcome"] in ("accepted", "typed"):
        return 1.0
    used: float = (row["accepted_chars"] + row["typed_chars"]) / max(row["n_chars"], 1)
    return min(used, 1.0)


def _latency(rows: Sequence[sqlite3.Row], phase: str) -> Latency | None:
    values = sorted(row[phase] for row in rows if row[phase] is not None)
    if not values:
        return None
    return Latency(round(percentile(values, 0.5), 1), round(percentile(values, 0.95), 1), len(values))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _week(at_s: float) -> str:
    """The ISO week, local time: "2026-W07"."""
    return time.strftime("%G-W%V", time.localtime(at_s))


def _week_of_day(day: str) -> str:
    return time.strftime("%G-W%V", time.strptime(day, "%Y-%m-%d"))
