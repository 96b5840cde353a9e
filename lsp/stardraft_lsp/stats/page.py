"""The figures as one HTML file: picture and tables in it, no script, and nothing from elsewhere."""

import re
from collections.abc import Sequence
from html import escape

from stardraft_lsp.stats.summary import PHASES, Group, Summary
from stardraft_lsp.stats.table import GROUP_COLUMNS, group_cells, headline, overview, tables_of
from stardraftd.patterns import linear

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
svg { width: 100%; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; margin: 1.5rem 0 }
td, th { padding: .2rem .9rem .2rem 0; text-align: right } td:first-child, th:first-child { text-align: left }
td, th { white-space: nowrap }
@media (max-width: 44rem) { .wide svg { width: 55rem; max-width: none } }
th { border-bottom: 1px solid #bbb } caption { text-align: left; font-weight: 600 }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_PROLOGUE = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_METADATA = linear(r"<metadata>.*?</metadata>", dot_all=True)


def page(summary: Summary, svg: str) -> str:
    """A whole document. The browser is forbidden to load anything, whatever were in it."""
    picture = _METADATA.sub("", _PROLOGUE.sub("", svg))
    latency = [
        (name, f"{one.p50_ms:,.0f}", f"{one.p95_ms:,.0f}", f"{one.n:,}")
        for phase, name in PHASES.items()
        if (one := summary.all.latency.get(phase)) is not None
    ]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>stardraft stats</title>',
        # Without it a phone shows the page as wide as a desk, and all of it tiny.
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{escape(headline(summary))}</h1>",
        f'<div class="wide">{picture}</div>',
        _table("", (), overview(summary.all)),
        _table("Milliseconds", ("median", "95%", "of"), latency),
        *(_group_table(title, groups) for title, groups in tables_of(summary)),
        "<p>Counted on this computer, and sent nowhere.</p></body></html>",
    ]
    return "\n".join(parts)


def _group_table(title: str, groups: Sequence[Group]) -> str:
    return _table(title, GROUP_COLUMNS, [group_cells(group) for group in groups])


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(column)}</th>" for column in (title, *columns)) if columns else ""
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>{f"<tr>{head}</tr>" if head else ""}\n{body}</table></div>'
