"""A speed report as a picture: how prefill and decode slow down with depth. Needs matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

from stardraft_quant.bench.speed import DepthSpeed, SpeedReport, Spread
from stardraft_quant.shared.chart_file import check_chart, save
from stardraft_quant.shared.printable import in_a_picture
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS = "stardraft"
# Told apart without colour, by darkness, dashes and marks.
STYLES = {
    True: {"color": "#1b4f72", "marker": "o", "linestyle": "-"},
    False: {"color": "#d17b2c", "marker": "s", "linestyle": "--"},
}
SMALLER_BATCH = {"alpha": 0.75, "markerfacecolor": "white", "linewidth": 1.1}


def draw(report: SpeedReport, file: Path) -> None:
    """Writes the picture, as SVG or PNG by the file's suffix. Raises StardraftError."""
    check_chart(file)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5.0), dpi=150, layout="constrained")
    decode, prefill = figure.subplots(1, 2)
    figure.suptitle(_title(report), fontsize=11)
    for is_ours, name, depths in _sides(report):
        _draw_decode(decode, depths, name, is_ours=is_ours)
        _draw_prefill(prefill, depths, name, is_ours=is_ours)
    _finish(decode, "Decode: one token at a time")
    _finish(prefill, "Prefill: a batch at a time")
    figure.supxlabel(
        "Marks are medians, bars reach from the least to the greatest.", fontsize=8, color="#444444"
    )
    save(figure, file)


def _title(report: SpeedReport) -> str:
    model = f"{report.model} ({report.description})"
    return in_a_picture(f"{model} on {report.device}, {counted(report.threads, 'thread')}")


def _sides(report: SpeedReport) -> list[tuple[bool, str, tuple[DepthSpeed, ...]]]:
    sides = [(True, OURS, report.depths)]
    if report.peer is not None:
        sides.append((False, report.peer.name, report.peer.depths))
    return sides


def _draw_decode(axes: "Axes", depths: tuple[DepthSpeed, ...], name: str, *, is_ours: bool) -> None:
    points = [(one.depth, one.decode_tokens_per_s) for one in depths]
    _draw(axes, points, name, STYLES[is_ours])


def _draw_prefill(axes: "Axes", depths: tuple[DepthSpeed, ...], name: str, *, is_ours: bool) -> None:
    for i, prefill in enumerate(depths[0].prefill):
        points = [(one.depth, one.prefill[i].tokens_per_s) for one in depths]
        style = STYLES[is_ours] | (SMALLER_BATCH if i else {})
        _draw(axes, points, f"{name}, {counted(prefill.n_tokens, 'token')}", style)


def _draw(
    axes: "Axes", points: list[tuple[int, Spread]], label: str, style: "dict[str, str] | dict[str, object]"
) -> None:
    """A line through the medians, with bars from the least to the greatest."""
    medians = [speed.median for _, speed in points]
    below = [speed.median - speed.least for _, speed in points]
    above = [speed.greatest - speed.median for _, speed in points]
    kind = {"capsize": 3, "elinewidth": 0.9, "markersize": 5, **style}
    axes.errorbar([depth for depth, _ in points], medians, yerr=[below, above], label=label, **kind)  # type: ignore[arg-type]


def _finish(axes: "Axes", title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("depth (tokens in the cache)")
    axes.set_ylabel("speed (tokens/s)")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, linewidth=0.4, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    # Below the axes, where no line can be hidden by it.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize=9)
