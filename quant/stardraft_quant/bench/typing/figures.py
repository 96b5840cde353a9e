"""What the records of a typing replay amount to: one figure a row, and ratios where the sides did the same.

A side that shows less, or decodes fewer tokens for an answer, is quicker for that alone. So there is a ratio
only to a peer whose answers are as long as ours.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from stardraft_quant.bench.typing.records import OURS, Ask, Replay, Unit, What

MOST_APART = 0.05  # of the work of an answer, for which sides are still compared
LIMITS_MS = (100, 300, 1000)
TYPED: frozenset[What] = frozenset({"key", "newline"})
ASKED_KEYS: frozenset[What] = TYPED | {"auto_closed"}
GROUPS: tuple[tuple[str, frozenset[What]], ...] = (
    ("typed key", TYPED),
    ("auto-closed bracket", frozenset({"auto_closed"})),
    ("deletion", frozenset({"delete"})),
    ("jump", frozenset({"jump"})),
    ("accepted suggestion", frozenset({"accept"})),
    ("paste", frozenset({"paste"})),
)


class Figure(Struct, frozen=True, kw_only=True):
    """One row of the report: `values` by side, None where there is nothing to say; `ratios` peer / ours."""

    name: str
    unit: Unit
    values: dict[str, float | None]
    ratios: dict[str, float | None]


class Work(Struct, frozen=True, kw_only=True):
    """How much one answer is, on average; None where there was none.

    decoded: tokens of an answer that the model made, those from memory included.
    shown:   characters of any answer.
    """

    decoded: float | None
    shown: float | None


def figures(replays: Sequence[Replay], peers: Sequence[str]) -> Iterator[Figure]:
    """The report's rows, over all traces and runs."""
    sides = (OURS, *peers)
    rows = {side: _rows(_of(replays, side), is_ours=side == OURS) for side in sides}
    alike = {side: _difference(replays, side) == "" for side in peers}
    for name, unit in rows[OURS]:
        values = {side: rows[side].get((name, unit)) for side in sides}
        ratios = {
            side: _ratio(values[side], values[OURS]) if alike[side] and unit in COMPARED else None
            for side in peers
        }
        if any(value is not None for value in values.values()):
            yield Figure(name=name, unit=unit, values=values, ratios=ratios)


def refusals(replays: Sequence[Replay], peers: Sequence[str]) -> Iterator[str]:
    """Why there is no ratio to a peer, as sentences."""
    for side in peers:
        if difference := _difference(replays, side):
            yield f"No ratio to {side}: {difference}, and quicker is who does less."


def work(asks: Iterable[Ask]) -> Work:
    """Of what was answered: what is superseded was not done to its end."""
    answered = [ask for ask in asks if ask.is_answered]
    return Work(
        decoded=_mean([float(ask.n_generated) for ask in answered if ask.by_model]),
        shown=_mean([float(ask.n_shown) for ask in answered]),
    )


def _difference(replays: Sequence[Replay], side: str) -> str:
    """What the side's answers and ours differ in by more than MOST_APART; "" when they can be compared."""
    ours, theirs = (work(ask for one in _of(replays, name) for ask in one.asks) for name in (OURS, side))
    told = []
    for what, mine, other in (
        ("tokens decoded", ours.decoded, theirs.decoded),
        ("characters shown", ours.shown, theirs.shown),
    ):
        if not mine or not other or abs(mine - other) > MOST_APART * max(mine, other):
            told.append(f"{_told(mine)} and {_told(other)} {what}")
    return f"an answer is {', '.join(told)} on the two sides" if told else ""


def _told(value: float | None) -> str:
    return "no" if value is None else f"{value:.1f}"


def _of(replays: Iterable[Replay], side: str) -> list[Replay]:
    return [one for one in replays if one.side == side]


COMPARED: tuple[Unit, ...] = ("tokens", "ms", "%")
Rows = dict[tuple[str, Unit], float | None]


def _rows(replays: list[Replay], *, is_ours: bool) -> Rows:
    asks = [ask for one in replays for ask in one.asks]
    return (
        _evaluated_rows(asks)
        | _background_rows(replays, len(asks))
        | _time_rows([ask for ask in asks if ask.what in ASKED_KEYS])
        | _place_rows(asks)
        | _decoded_rows(replays, asks)
        | _share_rows(asks, is_ours=is_ours)
        | _load_rows(replays)
    )


def _evaluated_rows(asks: list[Ask]) -> Rows:
    rows: Rows = {}
    for group, whats in GROUPS:
        evaluated = [float(ask.n_evaluated) for ask in asks if ask.what in whats and ask.is_answered]
        rows[f"evaluated per {group}, median", "tokens"] = quantile(evaluated, 0.5)
        rows[f"evaluated per {group}, p95", "tokens"] = quantile(evaluated, 0.95)
        if whats == TYPED:
            rows[f"evaluated per {group}, mean", "tokens"] = _mean(evaluated)
    return rows


def _background_rows(replays: list[Replay], n_asks: int) -> Rows:
    """All that was evaluated, whoever waited for it, so that work in the background is not hidden."""
    n_evaluated = sum(one.totals.n_evaluated for one in replays)
    n_background = sum(one.totals.n_evaluated_in_background for one in replays)
    return {
        ("evaluated in all, per event", "tokens"): _share(n_evaluated + n_background, n_asks, 1),
        ("of it in the background", "tokens"): _share(n_background, n_asks, 1),
    }


def _time_rows(keys: list[Ask]) -> Rows:
    """Of the keys at which something was shown, the same ones in every row: so no line is there before its
    first text.
    """
    shown = [ask for ask in keys if ask.is_answered and ask.first_ms is not None]
    first, line = _first(shown), [ask.line_ms for ask in shown]
    made = [ask for ask in shown if ask.by_model]
    by_model = [ask.line_ms for ask in made]
    rows: Rows = {
        ("key to first text, p50", "ms"): quantile(first, 0.5),
        ("key to first text, p95", "ms"): quantile(first, 0.95),
        ("key to whole line, p50", "ms"): quantile(line, 0.5),
        ("key to whole line, p95", "ms"): quantile(line, 0.95),
        ("key to first text by the model, p50", "ms"): quantile(_first(made), 0.5),
        ("key to whole line by the model, p50", "ms"): quantile(by_model, 0.5),
        ("key to whole line by the model, p95", "ms"): quantile(by_model, 0.95),
    }
    for limit_ms in LIMITS_MS:
        n_in_time = sum(value <= limit_ms for value in line)
        rows[f"keys with a line within {limit_ms} ms", "%"] = _share(n_in_time, len(keys))
    return rows


def _place_rows(asks: list[Ask]) -> Rows:
    """Where nothing was prepared by the key before: a file just opened, a jump."""
    shown = [ask for ask in asks if ask.is_answered and ask.by_model and ask.first_ms is not None]
    opened = [ask for ask in shown if ask.what == "open"]
    jumped = [ask for ask in shown if ask.what == "jump"]
    return {
        ("opening a file to first text, cold", "ms"): quantile(_first(opened), 0.5),
        ("opening a file to whole line, cold", "ms"): quantile([ask.line_ms for ask in opened], 0.5),
        ("jump to first text by the model, p50", "ms"): quantile(_first(jumped), 0.5),
        ("jump to whole line by the model, p50", "ms"): quantile([ask.line_ms for ask in jumped], 0.5),
    }


def _first(asks: list[Ask]) -> list[float]:
    return [ask.first_ms for ask in asks if ask.first_ms is not None]


def _decoded_rows(replays: list[Replay], asks: list[Ask]) -> Rows:
    """Decoded tokens are shown or not; of the shown ones, in proportion to the text, kept or rejected."""
    n_decoded = n_decoded_in(replays)
    shown = [ask for ask in asks if ask.is_answered and ask.by_model and ask.n_shown]
    n_shown = sum(ask.n_generated for ask in shown)
    n_kept = sum(ask.n_generated * ask.n_kept / ask.n_shown for ask in shown)
    return {
        ("decoded per answer of the model", "tokens"): work(asks).decoded,
        ("shown per answer", "characters"): work(asks).shown,
        ("decoded in all, per event", "tokens"): _share(n_decoded, len(asks), 1),
        ("decoded and never shown", "%"): _share(max(0, n_decoded - n_shown), n_decoded),
        ("decoded and thrown away", "%"): _share(max(0.0, n_decoded - n_kept), n_decoded),
    }


def n_decoded_in(replays: list[Replay]) -> int:
    """Tokens that the model decoded, whoever waited for them. What is recalled was decoded before."""
    return sum(one.totals.n_generated + one.totals.n_generated_in_background for one in replays)


def _share_rows(asks: list[Ask], *, is_ours: bool) -> Rows:
    answered = [ask for ask in asks if ask.is_answered]
    made = [ask for ask in answered if ask.by_model]
    n_stale = sum(ask.stale for ask in made)
    return {
        ("answered without the model", "%"): _share(len(answered) - len(made), len(answered)),
        ("answered with nothing", "%"): _share(sum(not ask.n_shown for ask in answered), len(answered)),
        ("superseded before the answer", "%"): _share(len(asks) - len(answered), len(asks)),
        ("plans with slightly old context", "%"): _share(n_stale, len(made)) if is_ours else None,
    }


def _load_rows(replays: list[Replay]) -> Rows:
    """What other programs did in this side's turns: with more of it, all its times are too long."""
    return {("other programs kept busy", "cores"): _mean([one.busy_cores for one in replays])}


def quantile(values: list[float], share: float) -> float | None:
    """The smallest value that is not below `share` of all; None of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(part: float, whole: float, unit: float = 100) -> float | None:
    return part / whole * unit if whole else None


def _ratio(peers: float | None, ours: float | None) -> float | None:
    return peers / ours if peers is not None and ours else None
