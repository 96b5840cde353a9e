"""An evaluation for a user to read in a terminal, and for a machine: one JSON object with every item."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from stardraft_quant.evaluate.scores import Pair, Share, Summary, by_arm, pairs, summarise
from stardraft_quant.evaluate.tasks import CONTEXT_NAMES, LAYOUT_NAMES, Arm, Item, Run
from stardraft_quant.shared.printable import printable
from stardraftd.console.prose import counted
from stardraftd.console.tables import FittedTable

ENDED = {
    "end": "said its end",
    "boundary": "end of the line",
    "repeats_suffix": "repeated what follows",
    "max_tokens": "cut at --max-tokens",
    "context_full": "no room left",
}


class ArmReport(Struct, frozen=True):
    arm: Arm
    all: Summary
    by_language: dict[str, Summary]
    by_kind: dict[str, Summary]


class Report(Struct, frozen=True):
    """What `--json` writes: the run with its items, and what they come to."""

    run: Run
    arms: tuple[ArmReport, ...]
    pairs: tuple[Pair, ...]


def report_of(run: Run) -> Report:
    return Report(
        run, tuple(_arm(arm, items) for arm, items in by_arm(run.items).items()), tuple(pairs(run.items))
    )


def _arm(arm: Arm, items: Sequence[Item]) -> ArmReport:
    def grouped(names: list[str]) -> dict[str, Summary]:
        return {
            name: summarise([item for item, own in zip(items, names, strict=True) if own == name])
            for name in sorted(set(names))
        }

    return ArmReport(
        arm,
        summarise(items),
        grouped([item.language for item in items]),
        grouped([item.kind for item in items]),
    )


# --- for machines --------------------------------------------------------------------------------


def to_json(report: Report) -> bytes:
    return msgspec.json.encode(report) + b"\n"


# --- for people ----------------------------------------------------------------------------------


def render(report: Report) -> RenderableType:
    run = report.run
    parts: list[RenderableType] = [Text(printable(_headline(run)))]
    if run.interrupted:
        n = len(run.items) // max(len(run.arms), 1)
        parts.append(
            Text(f"\nInterrupted: this is what {n} of {counted(run.n_tasks, 'task')} came to.", style="bold")
        )
    if run.items:
        parts += [
            Text(),
            _scores(report),
            Text(),
            _groups(report),
            Text(),
            _endings(report),
            Text(),
            _costs(report),
        ]
        if report.pairs:
            parts += [Text(), _side_by_side(report)]
    parts += [Text(f"\nnote: {printable(note)}") for note in run.notes]
    return Group(*parts)


def _headline(run: Run) -> str:
    info = run.model
    return (
        f"{info.name}, {info.size_bytes / 1e6:,.1f} MB, on {info.device}, {counted(info.threads, 'thread')}\n"
        f"{run.n_tasks:,} of {counted(run.tasks_in_all, 'place')} in {run.source}; seed {run.seed}; mode "
        f"{run.mode}, "
        f"at most {counted(run.max_tokens, 'token')}; prompts of at most {counted(run.window, 'token')}"
    )


def _scores(report: Report) -> FittedTable:
    table = _table("How often the model writes what stood there (95% interval)")
    ran = [one for one in report.arms if one.all.passed_whole is not None]
    _arm_columns(table)
    titles = ["items", "first line exact", "all of it exact", "line begins right", "similarity"]
    for title in [*titles, *(["passes, first line", "passes, all of it"] if ran else [])]:
        table.add_column(title, justify="right")
    for one in report.arms:
        whole = one.all
        cells = [f"{whole.exact.of:,}", _share(whole.exact_line), _share(whole.exact)]
        cells += [f"{whole.prefix:.1%}", f"{whole.similarity:.1%}"]
        if ran:
            cells += [_share(whole.passed_line), _share(whole.passed_whole)]
        table.add_row(*_arm_cells(one.arm), *cells)
    return table


def _groups(report: Report) -> FittedTable:
    table = _table("First line exact, by kind of place and by language")
    _arm_columns(table)
    first = report.arms[0]
    names = [*first.by_kind, *first.by_language]
    for name in names:
        n = (first.by_kind.get(name) or first.by_language[name]).exact_line.of
        table.add_column(f"{printable(name)} ({n})", justify="right")
    for one in report.arms:
        cells = [f"{(one.by_kind.get(name) or one.by_language[name]).exact_line.share:.1%}" for name in names]
        table.add_row(*_arm_cells(one.arm), *cells)
    return table


def _endings(report: Report) -> FittedTable:
    table = _table("How the generations ended")
    _arm_columns(table)
    reasons = [reason for reason in ENDED if any(reason in one.all.ended for one in report.arms)]
    for reason in reasons:
        table.add_column(ENDED[reason], justify="right")
    for one in report.arms:
        n = one.all.exact.of
        table.add_row(
            *_arm_cells(one.arm), *(f"{one.all.ended.get(reason, 0) / n:.1%}" for reason in reasons)
        )
    return table


def _costs(report: Report) -> FittedTable:
    table = _table("What an item took, on average")
    _arm_columns(table)
    for title in ("prompt tokens", "generated tokens", "ms"):
        table.add_column(title, justify="right")
    for one in report.arms:
        whole = one.all
        table.add_row(
            *_arm_cells(one.arm), f"{whole.n_prompt:,.0f}", f"{whole.n_tokens:.1f}", f"{whole.total_ms:,.0f}"
        )
    return table


def _side_by_side(report: Report) -> FittedTable:
    table = _table("Side by side on the same places: where only one of two has the first line right")
    for title, justify in (("first", "left"), ("second", "left"), ("only first", "right")):
        table.add_column(title, justify="right" if justify == "right" else "left")
    table.add_column("only second", justify="right")
    table.add_column("p by chance", justify="right")
    for pair in report.pairs:
        row = (pair.first.name, pair.second.name, str(pair.only_first), str(pair.only_second))
        table.add_row(*row, "< 0.001" if pair.p < 0.001 else f"{pair.p:.3f}")
    return table


def _arm_columns(table: FittedTable) -> None:
    table.add_column("layout")
    table.add_column("shown")


def _arm_cells(arm: Arm) -> Iterator[str]:
    yield LAYOUT_NAMES[arm.layout]
    yield CONTEXT_NAMES[arm.context]


def _share(value: Share | None) -> str:
    if value is None:
        return "-"
    return f"{value.share:.1%} ({value.low:.1%} to {value.high:.1%})"


def _table(title: str) -> FittedTable:
    return FittedTable(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
