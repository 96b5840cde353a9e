"""Writes the settings down for people: the tables of docs/configuration.md, made from the definitions.

python -m stardraftd.config.reference docs/configuration.md     brings the page up to date
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from stardraftd.config.schema import SECTIONS, settings

BEGIN = "<!-- settings: begin (made by `python -m stardraftd.config.reference`; do not edit) -->"
END = "<!-- settings: end -->"


def markdown() -> str:
    """A heading and a table for each section."""
    return "\n".join(_lines())


def updated(page: str) -> str:
    """The page with the tables between its two marks made anew. Raises ValueError when a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks the line {BEGIN if not begin else END}")
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def _lines() -> Iterator[str]:
    for section, rows in groupby(settings().values(), key=lambda row: row.section):
        yield f"### [{section}]"
        yield ""
        yield (SECTIONS[section].__doc__ or "").strip()
        yield ""
        yield "| key | default | what it is | allowed values |"
        yield "|---|---|---|---|"
        for row in rows:
            cells = (f"`{row.key}`", f"`{row.default_shown}`", row.description, row.allowed)
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
        yield ""


def main() -> None:
    page = Path(sys.argv[1])
    page.write_text(updated(page.read_text("utf-8")), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
