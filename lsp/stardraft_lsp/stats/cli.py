"""`stardraft stats`: the command. What it shows is made elsewhere, and imported when it runs."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.console.asking import confirm
from stardraftd.console.printable import tell
from stardraftd.errors import RequestError, StardraftError

if TYPE_CHECKING:
    from stardraft_lsp.stats.store import Store
    from stardraft_lsp.stats.summary import Summary

_SPAN = re.compile(r"(\d{1,6})\s*([a-z]{1,6})")
_SPAN_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "mo": 30, "y": 365}
_SPAN_WORDS = {"hour": "h", "day": "d", "week": "w", "month": "mo", "year": "y"}
_SPANS = "Hours, days, weeks, months of 30 days and years of 365: 12h, 30d, 8w, 6mo, 1y"
_DAY_S = 86_400
_SHORT_S = 3 * _DAY_S

EMPTY = (
    "There is nothing to show{since}.\n"
    "Once an editor has shown suggestions of stardraft's, this says how many were accepted, what stayed of "
    "them, and how long they took. It is counted on this computer, and sent nowhere."
)


def stats(
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="SPAN|DAY",
            help=f"From when. {_SPANS} ago; or a day, as 2026-01-31.",
        ),
    ] = "90d",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    chart: Annotated[
        Path | None,
        typer.Option(
            "--chart",
            metavar="FILE",
            help="Draw a picture instead, as .svg, .png or .html.",
            show_default=False,
        ),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Delete all figures. Asks first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --forget: do not ask.")] = False,
) -> None:
    """Show how suggestions fared: accepted, kept, how fast, and at what cost.

    How many suggestions were accepted, whole or by word and line, and how much of an accepted text was still
    there after 30 seconds, 2 and 10 minutes; latency by phase; how much of each prompt, and of the pieces of
    other files in it, came from the cache; tokens that were generated for nothing. By language, week, editor,
    and where suggestions come from (the table "From"): your own code or the model.

    It is counted on this computer, without any source text or path, and sent nowhere.

    Example: stardraft stats --since 30d --chart stats.html
    """
    import time

    from stardraft_lsp.stats.store import Store, stats_path
    from stardraft_lsp.stats.summary import summarise

    store = Store(stats_path())
    if forget:
        _forget(store, ask=not yes)
        return
    if chart is not None:
        from stardraft_lsp.stats.chart import check_chart

        check_chart(chart)
    since_s = since_when(since, time.time())
    is_short = time.time() - since_s < _SHORT_S  # where the day alone would not say which span was taken
    day = time.strftime("%Y-%m-%d %H:%M" if is_short else "%Y-%m-%d", time.localtime(since_s))
    summary = summarise(*store.read(since_s), since=day)
    if json:
        _print_json(summary)
    elif summary.is_empty:
        tell(EMPTY.format(since=f" since {day}"))
    elif chart is None:
        from stardraft_lsp.stats.table import show

        show(summary)
    if chart is not None and not summary.is_empty:
        _draw(summary, chart)
        if not json:
            tell(f"Written: {chart}")


def since_when(text: str, now_s: float) -> float:
    """The moment that `--since` names, in seconds since 1970: one before now. Raises RequestError."""
    since_s = _moment(text, now_s)
    if since_s >= now_s:
        raise RequestError(
            f"--since {text} is not in the past: there is nothing to count.",
            f"{_SPANS}. Or a day up to today.",
        )
    return max(0.0, since_s)


def _moment(text: str, now_s: float) -> float:
    from datetime import datetime

    found = _SPAN.fullmatch(text.strip().lower())
    unit = "" if found is None else _SPAN_WORDS.get(found[2].removesuffix("s"), found[2])
    if found is not None and unit in _SPAN_DAYS:
        return now_s - int(found[1]) * _SPAN_DAYS[unit] * _DAY_S
    if unit == "m":
        raise RequestError(
            f"--since {text} could be minutes or months.",
            f"For months write {found[1] if found else ''}mo; the shortest span is an hour, 1h.",
        )
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise RequestError(
            f"--since {text!r} is not a time.", f"{_SPANS}. Or a day, as 2026-01-31."
        ) from error


def _forget(store: "Store", *, ask: bool) -> None:
    from stardraftd.paths import tilde

    if not store.file.exists():
        tell("There are no figures to delete.")
        return
    if ask:
        confirm(f"Delete all figures in {tilde(store.file)}?", otherwise="Nothing was deleted")
    store.forget()
    tell("All figures are deleted. Editors that run begin to count anew.")


def _draw(summary: "Summary", file: Path) -> None:
    from stardraft_lsp.stats.chart import picture
    from stardraft_lsp.stats.page import page

    kind = file.suffix.lower()[1:]
    if kind == "html":
        content = page(summary, picture(summary, "svg", with_title=False).decode()).encode()
    else:
        content = picture(summary, kind)
    try:
        file.write_bytes(content)
    except OSError as error:
        raise StardraftError(
            f"{file} cannot be written: {error.strerror or error}.", "Name another file."
        ) from error


def _print_json(summary: "Summary") -> None:
    import sys

    import msgspec

    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(summary) + b"\n")
    sys.stdout.buffer.flush()
