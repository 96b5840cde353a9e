"""An evaluation as a picture: how often the first line is exact, how generations ended. Needs matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

from stardraft_quant.evaluate.report import ENDED, Report
from stardraft_quant.shared.chart_file import check_chart, save
from stardraft_quant.shared.printable import in_a_picture
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart without colour, by darkness and hatching.
FILLS = {
    "end": ("#1b4f72", ""),
    "boundary": ("#7fb3d5", ""),
    "repeats_suffix": ("#d17b2c", "//"),
    "max_tokens": ("#eeeeee", ".."),
    "context_full": ("#999999", "xx"),
}


def draw(report: Report, file: Path) -> None:
    """Writes the picture, as SVG or PNG by the file's suffix, whole or not at all. Raises StardraftError."""
    check_chart(file)
    from matplotlib.figure import Figure

    rows = len(report.arms)
    figure = Figure(figsize=(10.5, 2.2 + 0.42 * rows), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    run = report.run
    title = f"{run.model.name}: {counted(len(run.items) // max(rows, 1), 'place')} in {run.source}"
    figure.suptitle(in_a_picture(title), fontsize=11)
    _exact(left, report)
    _ended(right, report)
    left.set_yticks(range(rows), [one.arm.name for one in report.arms])
    left.set_ylim(rows - 0.4, -0.6)
    save(figure, file)


def _exact(axes: "Axes", report: Report) -> None:
    """Points with their intervals: all places, and each kind of place where there is more than one."""
    for i, one in enumerate(report.arms):
        kinds = one.by_kind if len(one.by_kind) > 1 else {}
        for j, (mark, summary) in enumerate(
            [("o", one.all), *zip(("^", "s", "D", "v"), kinds.values(), strict=False)]
        ):
            value = summary.exact_line
            names = ["all", *kinds]
            axes.errorbar(
                [value.share * 100],
                [i + (j - len(kinds) / 2) * 0.22],
                xerr=[[(value.share - value.low) * 100], [(value.high - value.share) * 100]],
                fmt=mark,
                color="#1b4f72" if j == 0 else "#d17b2c",
                markerfacecolor=None if j == 0 else "white",
                capsize=3,
                markersize=6 if j == 0 else 5,
                label=names[j] if i == 0 else None,
            )
    axes.set_xlim(left=-0.02 * axes.get_xlim()[1])  # a mark at 0 is whole
    _finish(axes, "First line exact, with 95% interval", "% of places")


def _ended(axes: "Axes", report: Report) -> None:
    for reason, (colour, hatch) in FILLS.items():
        if not any(reason in one.all.ended for one in report.arms):
            continue
        shares = [one.all.ended.get(reason, 0) * 100 / one.all.exact.of for one in report.arms]
        before = [
            sum(one.all.ended.get(r, 0) for r in list(FILLS)[: list(FILLS).index(reason)])
            * 100
            / one.all.exact.of
            for one in report.arms
        ]
        axes.barh(
            range(len(shares)),
            shares,
            left=before,
            height=0.6,
            color=colour,
            hatch=hatch,
            edgecolor="#444444",
            linewidth=0.5,
            label=ENDED[reason],
        )
    axes.set_xlim(0, 100)
    _finish(axes, "How generations ended", "% of generations")


def _finish(axes: "Axes", title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(unit)
    axes.grid(visible=True, axis="x", linewidth=0.4, color="#cccccc")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    # Below the axes, where nothing can be hidden by it.
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.5, ncols=3, frameon=False, fontsize=9
    )
