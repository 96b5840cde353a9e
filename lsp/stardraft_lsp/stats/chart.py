"""The figures as one picture of six parts. Needs matplotlib."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stardraft_lsp.stats.summary import PHASES, Group, Summary
from stardraft_lsp.stats.table import headline, reason_words
from stardraftd.errors import RequestError, StardraftError
from stardraftd.installed import how_to_add

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png", ".html")
_BLUE, _LIGHT, _ORANGE, _GREY = "#1b4f72", "#7fb3d5", "#d17b2c", "#cccccc"
_TOP = 8
_MAX_WEEKS = 26


def check_chart(file: Path) -> None:
    """Raises StardraftError if no picture could be made for this name, or at all."""
    if file.suffix.lower() not in SUFFIXES:
        raise RequestError(
            f"A chart cannot be written as {file.name}.", f"Its name ends in {', '.join(SUFFIXES)}."
        )
    try:
        import matplotlib  # noqa: F401 - whether it is there
    except ImportError as error:
        raise StardraftError(
            f"A chart needs matplotlib, which is not installed: {error}.",
            how_to_add("bench"),
        ) from error


def picture(summary: Summary, kind: str, *, with_title: bool = True) -> bytes:
    """The picture as "svg" or "png". The same figures make the same bytes.

    with_title: the headline stands above it; a page has it already.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 11.2), dpi=150, layout="constrained")
    (weeks, languages), (latency, tokens), (reuse, silences) = figure.subplots(3, 2)
    if with_title:
        figure.suptitle(_plain(headline(summary)), fontsize=12)
    _draw_weeks(weeks, summary.weeks[-_MAX_WEEKS:])
    _draw_languages(languages, summary.languages[:_TOP])
    _draw_latency(latency, summary.all)
    _draw_tokens(tokens, summary.weeks[-_MAX_WEEKS:])
    _draw_reuse(reuse, summary.weeks[-_MAX_WEEKS:])
    _draw_silences(silences, summary.all)
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "stardraft"}):
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _draw_weeks(axes: "Axes", weeks: tuple[Group, ...]) -> None:
    accepted = [group.acceptance for group in weeks]
    kept = [group.kept.get("600 s") for group in weeks]
    _draw_shares(axes, weeks, {"accepted": accepted, "still there after 10 min": kept})
    _finish(axes, "Accepted, and what stayed of it", "%")


def _draw_reuse(axes: "Axes", weeks: tuple[Group, ...]) -> None:
    tokens = [group.reuse for group in weeks]
    pieces = [group.chunk_reuse for group in weeks]
    _draw_shares(axes, weeks, {"prompt tokens": tokens, "pieces of other files": pieces})
    _finish(axes, "Found in the cache", "%")


def _draw_shares(
    axes: "Axes", weeks: tuple[Group, ...], shares: Mapping[str, Sequence[float | None]]
) -> None:
    """Two shares, week by week."""
    for (label, values), colour, mark in zip(shares.items(), (_BLUE, _ORANGE), ("o-", "s--"), strict=True):
        percents = [_hundredth(value) for value in values]
        axes.plot(range(len(weeks)), percents, mark, color=colour, label=label, markersize=5, linewidth=1.4)
    axes.set_ylim(-3, 103)
    _name_places(axes, [_week(group.name) for group in weeks])
    axes.legend(frameon=False, fontsize=8, loc="best")


def _draw_silences(axes: "Axes", group: Group) -> None:
    reasons = list(group.silences.items())[:_TOP]
    axes.barh(range(len(reasons)), [number for _, number in reasons], height=0.6, color=_LIGHT)
    axes.set_yticks(range(len(reasons)), [_plain(reason_words(reason)) for reason, _ in reasons], fontsize=8)
    axes.set_ylim(max(len(reasons), 4) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(lambda value, _place: _short(value))
    _finish(axes, "Why none was shown", "", grid="x")
    axes.set_xlabel("times", fontsize=8)


def _draw_languages(axes: "Axes", groups: tuple[Group, ...]) -> None:
    shown = [group for group in groups if group.shown]
    values = [_hundredth(group.acceptance) for group in shown]
    axes.barh(range(len(shown)), values, height=0.6, color=_BLUE)
    for place, (group, value) in enumerate(zip(shown, values, strict=True)):
        axes.text(value + 1, place, f"{value:.0f}% of {group.shown:,}", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [_plain(group.name) for group in shown], fontsize=8)
    axes.set_ylim(max(len(shown), 4) - 0.4, -0.6)
    axes.set_xlim(0, 125)
    axes.set_xticks(range(0, 101, 25))
    _finish(axes, "Accepted, by language", "", grid="x")
    axes.set_xlabel("% of those shown", fontsize=8)


def _draw_latency(axes: "Axes", group: Group) -> None:
    phases = [(name, group.latency[phase]) for phase, name in PHASES.items() if phase in group.latency]
    places = range(len(phases))
    axes.hlines(
        places,
        [one.p50_ms for _, one in phases],
        [one.p95_ms for _, one in phases],
        color=_LIGHT,
        linewidth=5,
    )
    axes.plot([one.p50_ms for _, one in phases], places, "o", color=_BLUE, label="median")
    axes.plot([one.p95_ms for _, one in phases], places, "D", color=_ORANGE, label="95%", markersize=5)
    axes.set_yticks(places, [name for name, _ in phases], fontsize=8)
    axes.set_ylim(len(phases) - 0.4, -0.6)
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0, 1.4 * max((one.p95_ms for _, one in phases), default=100))
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,.0f}")
    _finish(axes, "How long it took", "", grid="x")
    axes.set_xlabel("milliseconds", fontsize=8)
    if phases:
        axes.legend(frameon=False, fontsize=8, loc="best")


def _draw_tokens(axes: "Axes", weeks: tuple[Group, ...]) -> None:
    places = [float(place) for place in range(len(weeks))]
    left, right = [place - 0.2 for place in places], [place + 0.2 for place in places]
    reused = [group.tokens.reused for group in weeks]
    used = [group.tokens.generated - group.tokens.wasted for group in weeks]
    axes.bar(left, reused, 0.36, color=_GREY, label="prompt: from the cache")
    axes.bar(
        left,
        [group.tokens.evaluated for group in weeks],
        0.36,
        bottom=reused,
        color=_LIGHT,
        label="prompt: evaluated",
    )
    _finish(axes, "Tokens", "prompt")
    beside = axes.twinx()
    beside.bar(right, used, 0.36, color=_BLUE, label="generated: used")
    beside.bar(
        right,
        [group.tokens.wasted for group in weeks],
        0.36,
        bottom=used,
        color=_ORANGE,
        hatch="//",
        edgecolor="white",
        linewidth=0,
        label="generated: for nothing",
    )
    beside.set_ylabel("generated", fontsize=8)
    beside.spines["top"].set_visible(False)
    for one in (axes, beside):
        one.ticklabel_format(axis="y", style="plain")
        one.yaxis.set_major_formatter(lambda value, _place: _short(value))
        one.tick_params(labelsize=8)
        one.margins(y=0.3)
    _name_places(axes, [_week(group.name) for group in weeks])
    lines, labels = axes.get_legend_handles_labels()
    more_lines, more_labels = beside.get_legend_handles_labels()
    beside.legend(
        lines + more_lines, labels + more_labels, frameon=False, fontsize=8, ncols=2, loc="upper left"
    )


def _finish(axes: "Axes", title: str, unit: str, grid: str = "y") -> None:
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(unit, fontsize=8)
    axes.grid(visible=True, axis="x" if grid == "x" else "y", linewidth=0.4, color="#cccccc")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _name_places(axes: "Axes", names: list[str]) -> None:
    every = max(1, -(-len(names) // 8))
    axes.set_xticks(range(0, len(names), every), names[::every], fontsize=8)
    axes.set_xlim(-0.6, max(len(names), 1) - 0.4)


def _hundredth(value: float | None) -> float:
    return float("nan") if value is None else value * 100


def _week(name: str) -> str:
    """ "2026-W07" as "W7 '26": a year is told only by its end."""
    year, _, week = name.partition("-W")
    return f"W{int(week)} '{year[2:]}" if week.isdigit() else name


def _short(value: float) -> str:
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.0f}"


def _plain(text: str) -> str:
    """A dollar sign would begin a formula."""
    return text.replace("$", r"\$")
