"""A table never cuts what stands in it: on a narrow terminal its rows stand one below the other."""

import io

import pytest
from rich.console import Console

from stardraftd.console.printable import console
from stardraftd.console.tables import FittedTable

ROWS = [
    ("starcoder2-3b", "Q4_K_M", "1,887,904,896", "12.3 (11.9 to 12.8)"),
    ("starcoder2-15b", "F16", "31,320,000,000", "1.4 (1.3 to 1.5)"),
]


def shown(table: FittedTable, width: int) -> str:
    to = io.StringIO()
    Console(file=to, width=width).print(table)
    return to.getvalue()


def table(*titles: str, header: bool = True) -> FittedTable:
    made = FittedTable(title="Models that are here, and their speed", box=None, show_header=header)
    for number, title in enumerate(titles):
        made.add_column(title, justify="left" if number < 2 else "right")
    for row in ROWS:
        made.add_row(*row[: len(titles)])
    return made


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_number_is_cut_at_any_width(width: int) -> None:
    told = shown(table("model", "quant", "bytes", "tokens/s"), width)
    assert all(cell in told for row in ROWS for cell in row)
    assert all(len(line.rstrip()) <= width for line in told.splitlines())
    assert "\N{HORIZONTAL ELLIPSIS}" not in told


def test_rows_on_their_own_say_what_each_cell_is() -> None:
    told = [line.rstrip() for line in shown(table("model", "quant", "bytes", "tokens/s"), 40).splitlines()]
    assert told[1:5] == [
        "model, quant",
        "starcoder2-3b Q4_K_M",
        "  bytes: 1,887,904,896;",
        "      tokens/s: 12.3 (11.9 to 12.8)",
    ]


def test_a_list_without_a_header_keeps_its_labels() -> None:
    told = shown(table("model", "quant", header=False), 18).splitlines()
    assert told[-2:] == ["starcoder2-15b", "  F16"]


def test_nothing_is_cut_in_a_pipe(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = FittedTable(box=None)
    for number in range(12):
        wide.add_column(f"column {number}", justify="right")
    wide.add_row(*(str(10**number) for number in range(12)))
    console().print(wide)
    header, row = (line.rstrip() for line in capfd.readouterr().out.splitlines())
    assert header.endswith("column 11")
    assert row.endswith(str(10**11))
    assert len(row) > 100
