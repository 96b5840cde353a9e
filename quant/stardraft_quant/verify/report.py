"""A verification for a user to read, in a table and plain sentences; and for a program, as JSON."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from stardraft_quant.shared.printable import printable
from stardraft_quant.shared.unfinished import write_whole
from stardraft_quant.verify.measure import Estimate
from stardraft_quant.verify.verification import Comparison, File, Report
from stardraftd.console.prose import counted
from stardraftd.console.tables import FittedTable

# Mean KL divergence in nats per token, and what a user may expect below it. The steps are ours, laid
# between the rows of llama.cpp's table for LLaMA 3 8B (tools/perplexity/README.md): Q8_0 0.0014, Q6_K 0.0055,
# Q5_K_M 0.011, Q4_K_M 0.031, Q4_K_S 0.043, Q4_0 0.072, Q3_K_M 0.10, Q3_K_S 0.23.
VERDICTS = (
    (0.002, "is practically the same model as", "as Q8_0 usually is"),
    (0.02, "is very close to", "as Q6_K and Q5_K_M usually are"),
    (0.06, "is close to", "as a good 4-bit file usually is"),
    (0.2, "differs noticeably from", "as 3-bit files usually do"),
)
WORST = ("has lost much of what was in", "as 2-bit files usually have")
UNSURE = 0.25  # a standard error above this part of the mean is told


def verdict(comparison: Comparison, reference: File) -> str:
    """The judgement in a sentence or two, by the mean KL divergence."""
    divergence = comparison.divergence
    relation, like = next(
        ((is_, like) for limit, is_, like in VERDICTS if divergence.kl.value < limit), WORST
    )
    told = (
        f"{comparison.model.file} {relation} {reference.file}, {like}: the likeliest token is the same in "
        f"{100 * divergence.same_top.value:.1f} % of the places, and perplexity is "
        f"{_perplexity_change(divergence.perplexity_ratio)}."
    )
    if divergence.kl.error > UNSURE * divergence.kl.value and divergence.kl.value >= VERDICTS[0][0]:
        told += " So few tokens leave that uncertain: give more --rows."
    return told


def _perplexity_change(ratio: Estimate) -> str:
    percent = 100 * (ratio.value - 1)
    if abs(percent) < 200 * ratio.error:
        return "not measurably different"
    return f"{abs(percent):.2g} % {'higher' if percent > 0 else 'lower'}"


def render(report: Report) -> RenderableType:
    """The whole report."""
    sentences = [Text(printable(verdict(one, report.reference))) for one in report.models]
    parts: list[RenderableType] = [Text(printable(headline(report))), Text(), _divergences(report)]
    parts += [Text(), _details(report), *_lines(report), Text(), *sentences]
    return Group(*parts)


def headline(report: Report) -> str:
    read = f"{counted(report.n_files, 'source file')}" if report.text == "code" else report.text
    how = "in fill-in-the-middle form, " if report.text == "code" else ""
    reference = report.reference
    return (
        f"Reference: {reference.file} ({reference.type}, {reference.size_bytes / 1e6:,.1f} MB, "
        f"{reference.bits_per_weight:.2f} bits per weight), perplexity {_perplexity(report)}\n"
        f"Scored: {counted(report.n_tokens, 'token')} of {read}, {how}in {counted(report.n_rows, 'row')} of "
        f"{report.n_ctx:,}; behind each ± is one standard error"
    )


def _perplexity(report: Report) -> str:
    perplexity = report.models[0].divergence.reference_perplexity
    return f"{perplexity.value:.4g} ± {perplexity.error:.2g}"


def _divergences(report: Report) -> FittedTable:
    table = _table("KL divergence in nats per token")
    table.add_column("file", overflow="fold")
    table.add_column("type")
    for title in ("MB", "bits per weight", "KL mean", "99 %", "same top-1", "perplexity ratio"):
        table.add_column(title, justify="right")
    for one in report.models:
        divergence = one.divergence
        table.add_row(
            printable(one.model.file),
            one.model.type,
            f"{one.model.size_bytes / 1e6:,.1f}",
            f"{one.model.bits_per_weight:.2f}",
            with_error(divergence.kl),
            _number(divergence.kl_quantiles[0.99]),
            _percent(divergence.same_top),
            with_error(divergence.perplexity_ratio),
        )
    return table


def _details(report: Report) -> FittedTable:
    table = _table("The spread, and the change of the true token's probability")
    table.add_column("file", overflow="fold")
    for title in ("KL median", "90 %", "99.9 %", "greatest", "change: mean", "RMS"):
        table.add_column(title, justify="right")
    for one in report.models:
        divergence = one.divergence
        table.add_row(
            printable(one.model.file),
            *(_number(divergence.kl_quantiles[share]) for share in (0.5, 0.9, 0.999, 1.0)),
            _percent(divergence.probability_change),
            _percent(divergence.probability_change_rms),
        )
    return table


def _lines(report: Report) -> Iterator[RenderableType]:
    if not report.n_lines:
        return
    table = _table(f"Lines finished exactly, of {report.n_lines:,}")
    table.add_column("file")
    for layout in report.reference.lines:
        table.add_column({"psm": "PSM", "spm": "SPM v2"}[layout], justify="right")
    for file in (report.reference, *(one.model for one in report.models)):
        table.add_row(printable(file.file), *map(_percent, file.lines.values()))
    yield Text()
    yield table


def _table(title: str) -> FittedTable:
    return FittedTable(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def with_error(estimate: Estimate) -> str:
    """A mean with as many decimals as its error has in two significant digits."""
    if not estimate.error:
        return _number(estimate.value)
    decimals = max(0, 1 - int(f"{estimate.error:e}".partition("e")[2]))
    return f"{estimate.value:.{decimals}f} ± {estimate.error:.{decimals}f}"


def _percent(estimate: Estimate) -> str:
    return f"{with_error(Estimate(100 * estimate.value, 100 * estimate.error))} %"


def _number(value: float) -> str:
    return f"{value:.3g}"


def write_json(report: Report, target: str) -> None:
    """One JSON object: to stdout for "-", else to that file, all or nothing. Raises PathError."""
    content = msgspec.json.encode(report) + b"\n"
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    write_whole(Path(target), content)
