"""A verification as a picture: what a file's size buys, and how the loss is spread. Needs matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

from stardraft_quant.shared.chart_file import check_chart, save
from stardraft_quant.shared.printable import in_a_picture
from stardraft_quant.verify.measure import QUANTILES
from stardraft_quant.verify.report import VERDICTS
from stardraft_quant.verify.verification import Report
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart without colour, by darkness, dashes and marks.
STYLES = (
    {"color": "#1b4f72", "marker": "o", "linestyle": "-"},
    {"color": "#d17b2c", "marker": "s", "linestyle": "--"},
    {"color": "#4b8b3b", "marker": "^", "linestyle": "-."},
    {"color": "#8e44ad", "marker": "D", "linestyle": ":"},
    {"color": "#7f8c8d", "marker": "v", "linestyle": (0, (5, 1))},
    {"color": "#c0392b", "marker": "P", "linestyle": (0, (1, 1))},
)
LEAST_KL = 1e-7  # rounding can make a token's divergence 0 or less, which has no place on a logarithmic axis
BANDS = ("same", "very close", "close", "noticeable", "lost")


def draw(report: Report, file: Path) -> None:
    """Writes the picture, as SVG or PNG by the file's suffix, all or nothing. Raises StardraftError."""
    check_chart(file)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5.0), dpi=150, layout="constrained")
    size, spread = figure.subplots(1, 2)
    figure.suptitle(_title(report), fontsize=11)
    _draw_sizes(size, report)
    _draw_spread(spread, report)
    figure.supxlabel(
        f"{counted(report.n_tokens, 'token')} of {in_a_picture(report.text)}, in rows of {report.n_ctx}; "
        "bars are one standard error.",
        fontsize=8,
        color="#444444",
    )
    save(figure, file)


def _title(report: Report) -> str:
    return in_a_picture(f"KL divergence from {report.reference.file} ({report.reference.type})")


def _draw_sizes(axes: "Axes", report: Report) -> None:
    for i, one in enumerate(report.models):
        kl = one.divergence.kl
        axes.errorbar(
            [one.model.bits_per_weight],
            [max(kl.value, LEAST_KL)],
            yerr=[[min(kl.error, 0.9 * max(kl.value, LEAST_KL))], [kl.error]],
            **{**STYLES[i % len(STYLES)], "linestyle": "none"},  # type: ignore[arg-type]
            capsize=3,
            markersize=6,
        )
        axes.annotate(
            in_a_picture(one.model.type),
            (one.model.bits_per_weight, max(kl.value, LEAST_KL)),
            textcoords="offset points",
            xytext=(7, 5),
            fontsize=8,
        )
    _finish(axes, "What the size buys", "bits per weight", "mean KL divergence (nats per token)")
    bits = [one.model.bits_per_weight for one in report.models]
    axes.set_xlim(min(bits) - 1, max(bits) + 2)
    values = [max(one.divergence.kl.value, LEAST_KL) for one in report.models]
    axes.set_ylim(min(*values, VERDICTS[0][0]) / 3, max(*values, VERDICTS[-1][0]) * 3)
    for name, (limit, _, _) in zip(BANDS, VERDICTS, strict=False):
        axes.axhline(limit, color="#aaaaaa", linewidth=0.6, linestyle=(0, (4, 4)))
        _name_band(axes, name, limit, below=True)
    _name_band(axes, BANDS[-1], VERDICTS[-1][0], below=False)


def _name_band(axes: "Axes", name: str, limit: float, *, below: bool) -> None:
    """At the right edge, beside the line of `limit`."""
    axes.annotate(
        name,
        (1.0, limit),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(-2, -2 if below else 2),
        va="top" if below else "bottom",
        ha="right",
        fontsize=7,
        color="#777777",
    )


def _draw_spread(axes: "Axes", report: Report) -> None:
    names = [f"{100 * share:g} %" for share in QUANTILES[:-1]] + ["all"]
    for i, one in enumerate(report.models):
        values = [max(one.divergence.kl_quantiles[share], LEAST_KL) for share in QUANTILES]
        axes.plot(names, values, label=in_a_picture(one.model.file), markersize=5, **STYLES[i % len(STYLES)])
    _finish(axes, "How it is spread", "so many of the tokens …", "… have a KL divergence of at most")
    # Below the axes, where no line can be hidden by it.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=1, frameon=False, fontsize=9)


def _finish(axes: "Axes", title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_yscale("log")
    axes.grid(visible=True, linewidth=0.4, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
