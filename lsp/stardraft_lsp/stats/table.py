"""The figures as tables for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stardraft_lsp.stats.summary import PHASES, Group, Summary
from stardraftd.console import printable
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from stardraftd.console.tables import FittedTable

_TOP = 12
_KEPT = {"30 s": "30 s", "120 s": "2 min", "600 s": "10 min"}


def show(summary: Summary) -> None:
    """Writes the tables to stdout."""

    console = printable.console()
    console.print(headline(summary), style="bold")
    console.print()
    console.print(_overview(summary.all))
    if summary.all.latency:
        console.print(_latency(summary.all))
    for title, groups in tables_of(summary):
        if groups and (len(groups) > 1 or title not in ("Editor", "From")):
            console.print(_groups(title, groups[-_TOP:] if title == "Week" else groups[:_TOP]))
    if summary.all.silences:
        console.print(_silences(summary.all))


def tables_of(summary: Summary) -> tuple[tuple[str, Sequence[Group]], ...]:
    """The tables of groups, each with its title."""
    return (
        ("Language", summary.languages),
        ("Week", summary.weeks),
        ("Editor", summary.editors),
        ("From", summary.sources),
    )


def headline(summary: Summary) -> str:
    group = summary.all
    since = f" since {summary.since}" if summary.since else ""
    return f"{counted(group.shown, 'suggestion')} shown{since}, {percent(group.acceptance)} of them accepted"


# Reasons that are about the bookkeeping, in words; all others say it by their name.
_REASONS = {"unseen": "generated, never shown", "again": "generated again for one already shown"}


def reason_words(reason: str) -> str:
    """A reason why nothing was shown, for a table or a chart; docs/stats.md explains those two."""
    return _REASONS.get(reason, reason.replace("_", " "))


def percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if value in (0, 1) or 0.1 <= value < 0.995 else f"{value:.1%}"


def overview(group: Group) -> list[tuple[str, str]]:
    """The figures of all suggestions, each with what it is."""
    kept = ", ".join(f"{percent(group.kept.get(key))} after {name}" for key, name in _KEPT.items())
    parts = f" ({group.by_word:,} by word, {group.by_line:,} by line)" if group.partial else ""
    rows = [
        ("Accepted", f"{group.accepted:,} whole, {group.partial:,} in part{parts}"),
        ("Typed as suggested", f"{group.typed:,}"),
        ("Rejected, ignored", f"{group.rejected:,}, {group.ignored:,}"),
        ("Characters accepted", f"{group.accepted_chars:,}"),
        ("Kept of what was accepted", kept),
        ("Prompt tokens reused", f"{percent(group.reuse)} of {group.tokens.prompt:,}"),
        ("Tokens generated", f"{group.tokens.generated:,}"),
        ("of them for nothing", f"{group.tokens.wasted:,} ({percent(group.wasted)})"),
    ]
    if group.chunk_reuse is not None:
        rows.append(("Pieces of other files reused", percent(group.chunk_reuse)))
    return rows


def group_cells(group: Group) -> tuple[str, ...]:
    latency = group.latency.get("waited_ms") or group.latency.get("total_ms")
    return (
        group.name,
        f"{group.shown:,}",
        percent(group.acceptance),
        percent(group.kept.get("600 s")),
        f"{latency.p50_ms:,.0f}" if latency else "-",
        f"{latency.p95_ms:,.0f}" if latency else "-",
        percent(group.reuse),
        percent(group.wasted),
    )


# Kept is after 10 minutes.
GROUP_COLUMNS = ("shown", "accepted", "kept", "p50 ms", "p95 ms", "reused", "wasted")


def _table(*columns: str) -> "FittedTable":
    from rich import box

    from stardraftd.console.tables import FittedTable

    table = FittedTable(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _overview(group: Group) -> "FittedTable":
    from stardraftd.console.tables import FittedTable

    table = FittedTable(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    for name, value in overview(group):
        table.add_row(name, value)
    return table


def _latency(group: Group) -> "FittedTable":
    table = _table("Milliseconds", "median", "95%", "of")
    for phase, name in PHASES.items():
        if (found := group.latency.get(phase)) is not None:
            table.add_row(name, f"{found.p50_ms:,.0f}", f"{found.p95_ms:,.0f}", f"{found.n:,}")
    return table


def _groups(title: str, groups: Sequence[Group]) -> "FittedTable":
    table = _table(title, *GROUP_COLUMNS)
    for group in groups:
        name, *cells = group_cells(group)
        table.add_row(name, *cells)
    return table


def _silences(group: Group) -> "FittedTable":
    table = _table("Why none was shown", "times")
    for reason, number in list(group.silences.items())[:_TOP]:
        table.add_row(reason_words(reason), f"{number:,}")
    return table
