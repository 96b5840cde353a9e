"""A replayed history for a user to read in a terminal, and for a machine: one JSON object, all answers."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from stardraft_quant.evaluate.history.figures import Figure, Figures, Shown, figures
from stardraft_quant.evaluate.history.places import QUIET, WANTED
from stardraft_quant.shared.printable import printable
from stardraftd.console.prose import counted
from stardraftd.console.tables import FittedTable

NAMES = {"echo": "your own code", "model": "the model", "both": "both, as in an editor"}
MAX_REASONS = 6


class Run(Struct, frozen=True, kw_only=True):
    """What was measured: the past of `commit` in the repository `folder`. model: the file's name, or ""."""

    version: str
    folder: str
    commit: str
    items: int
    seed: int
    model: str
    n_places: int
    interrupted: bool


class Answer(Struct, frozen=True):
    """line, column: of the cursor in the file as the commit left it, from 1. The others as in `Shown`."""

    commit: str
    path: str
    line: int
    column: int
    language: str
    kind: str
    wanted: str
    text: str
    reason: str
    source: str
    took_ms: float


class SourceReport(Struct, frozen=True):
    all: Figures
    by_language: dict[str, Figures]
    by_kind: dict[str, Figures]
    silences: dict[str, int]
    answers: tuple[Answer, ...]


class Report(Struct, frozen=True):
    """What `--json` writes. sources: by name, echo, model or both."""

    run: Run
    sources: dict[str, SourceReport]


def report_of(run: Run, shown: dict[str, list[Shown]]) -> Report:
    return Report(run, {name: _source(answers, run.seed) for name, answers in shown.items()})


def _source(answers: Sequence[Shown], seed: int) -> SourceReport:
    def grouped(names: Sequence[str]) -> dict[str, Figures]:
        return {
            name: figures([one for one, own in zip(answers, names, strict=True) if own == name], seed)
            for name in sorted(set(names))
        }

    silent = [one.reason for one in answers if one.place.kind in WANTED and not one.text]
    return SourceReport(
        figures(answers, seed),
        grouped([one.place.language for one in answers]),
        grouped([one.place.kind for one in answers]),
        dict(Counter(silent).most_common()),
        tuple(_answer(one) for one in answers),
    )


def _answer(shown: Shown) -> Answer:
    place = shown.place
    lines = place.before.split("\n")
    return Answer(
        place.commit,
        place.path,
        len(lines),
        len(lines[-1]) + 1,
        place.language,
        place.kind,
        place.wanted,
        shown.text,
        shown.reason,
        shown.source,
        shown.took_ms,
    )


def to_json(report: Report) -> bytes:
    return msgspec.json.encode(report) + b"\n"


# --- for people ----------------------------------------------------------------------------------


def render(report: Report) -> RenderableType:
    run = report.run
    model = f"; the model is {run.model}" if run.model else ""
    parts: list[RenderableType] = [
        Text(printable(f"{counted(run.n_places, 'place')} in the past of {run.folder} at {run.commit[:12]}")),
        Text(printable(f"seed {run.seed}{model}")),
    ]
    if run.interrupted:
        parts.append(Text("\nInterrupted: this is what the places until then came to.", style="bold"))
    if report.sources:
        parts += [Text(), _wanted(report), Text(), _quiet(report), Text(), _groups(report)]
        parts += [Text(), _silences(report)]
    return Group(*parts)


def _wanted(report: Report) -> FittedTable:
    table = _table("Where the rest of a line is wanted (95% interval)")
    for title in ("places", "exact", "shown", "right of that", "right so far", "characters", "quality"):
        table.add_column(title, justify="right")
    for name, found in report.sources.items():
        cells = [_percent(found.all, one) for one in ("exact", "coverage", "precision", "right_so_far")]
        characters = found.all.by_name["characters_right"].value
        cells += ["-" if characters is None else f"{characters:.1f}", _percent(found.all, "quality")]
        table.add_row(NAMES[name], f"{found.all.n_places:,}", *cells)
    return table


def _quiet(report: Report) -> FittedTable:
    table = _table("Where nothing should be shown: kept silent; and the score of all places")
    for title in ("places", "finished lines", "inside words", "before text", "together", "score"):
        table.add_column(title, justify="right")
    names = [*(f"quiet_{kind.replace(' ', '_')}" for kind in QUIET), "quiet"]
    for name, found in report.sources.items():
        cells = [_percent(found.all, one) for one in names]
        table.add_row(NAMES[name], f"{found.all.n_quiet:,}", *cells, _number(found.all.by_name["score"]))
    return table


def _groups(report: Report) -> FittedTable:
    table = _table("By language and by kind of place")
    table.add_column("")
    for title in ("places", "exact", "shown", "right of that", "kept silent"):
        table.add_column(title, justify="right")
    for name, found in report.sources.items():
        for group, own in _named(found):
            cells = [_percent(own, one, spread=False) for one in ("exact", "coverage", "precision", "quiet")]
            table.add_row(NAMES[name], printable(group), f"{own.n_places + own.n_quiet:,}", *cells)
    return table


def _named(found: SourceReport) -> Iterator[tuple[str, Figures]]:
    yield from found.by_language.items()
    yield from ((kind, own) for kind in (*WANTED, *QUIET) if (own := found.by_kind.get(kind)))


def _silences(report: Report) -> FittedTable:
    table = _table("Why nothing was shown where the rest of a line is wanted")
    table.add_column("reason")
    table.add_column("places", justify="right")
    for name, found in report.sources.items():
        for reason, n in list(found.silences.items())[:MAX_REASONS]:
            table.add_row(NAMES[name], printable(reason or "nothing to suggest"), f"{n:,}")
    return table


def _percent(found: Figures, name: str, *, spread: bool = True) -> str:
    figure = found.by_name[name]
    if figure.value is None:
        return "-"
    if not spread or figure.low is None or figure.high is None:
        return f"{figure.value:.1%}"
    return f"{figure.value:.1%} ({figure.low:.0%} to {figure.high:.0%})"


def _number(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3f} ({figure.low:.2f} to {figure.high:.2f})"


def _table(title: str) -> FittedTable:
    table = FittedTable(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("suggested by")
    return table
