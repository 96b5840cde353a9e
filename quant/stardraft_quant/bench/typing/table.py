"""A typing report for a user to read in a terminal: one row a figure."""

from rich.console import Group, RenderableType
from rich.text import Text

from stardraft_quant.bench.typing.benchmark import TypingReport
from stardraft_quant.bench.typing.records import OURS, Mode, Unit
from stardraftd.console.prose import counted
from stardraftd.console.tables import FittedTable

TURNS: dict[Mode, str] = {
    "stepwise": "the sides take turns at each event",
    "realtime": "the sides take turns at each trace",
}


# Figures whose names alone do not say what they are of.
EXPLAINED = {
    "decoded and never shown": "of the tokens that the model decoded, those that no editor got: made in "
    "advance, or for a question that a later key superseded",
    "decoded and thrown away": "these, and of what was shown that which the trace does not go on with",
    "plans with slightly old context": "prompts with text a little older than the document, for that was in "
    "the cache",
    "superseded before the answer": "questions whose place a later key took",
}


def render(report: TypingReport) -> RenderableType:
    """The report for a user: one row a figure."""
    sides = list(report.figures[0].values) if report.figures else [OURS]
    table = FittedTable(box=None, pad_edge=False)
    table.add_column("")
    for side in sides:
        table.add_column(side, justify="right")
    for side in sides[1:]:
        table.add_column(f"{side} / ours", justify="right")
    for figure in report.figures:
        values = [_number(figure.values[side], figure.unit) for side in sides]
        ratios = [_times(figure.ratios[side]) for side in sides[1:]]
        table.add_row(figure.name, *values, *ratios)
    refusals = [Text(f"\n{sentence}") for sentence in report.refusals]
    return Group(Text(_headline(report)), Text(), table, *_notes(report), *refusals)


def _notes(report: TypingReport) -> list[Text]:
    """What the rows that are there mean, where their names do not say it."""
    names = [figure.name for figure in report.figures]
    told = [f"{name}: {meaning}." for name, meaning in EXPLAINED.items() if name in names]
    return [Text("\n" + "\n".join(told))] if told else []


def _headline(report: TypingReport) -> str:
    alternating = len({one.side for one in report.replays}) > 1
    n_events = sum(len(one.asks) for one in report.replays if one.side == OURS and one.run == 0)
    return (
        f"{report.model} on {report.device}, {counted(report.threads, 'thread')}; {report.machine}\n"
        f"{counted(len(report.traces), 'trace')}, {counted(n_events, 'event')}, runs: {report.runs}; "
        f"{report.mode}, pace {report.pace:g}; {TURNS[report.mode] if alternating else 'one side'}\n"
        "a suggestion at every key: editor.confidence, editor.echo and model.speculation off; in comments, "
        "in strings and before text as well"
    )


def _number(value: float | None, unit: Unit) -> str:
    if value is None:
        return "-"
    if unit == "cores":
        return f"{value:,.2f} {unit}"
    return f"{value:,.1f} {unit}" if unit != "ms" or value < 10 else f"{value:,.0f} {unit}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.2f}x"
