"""A text in pieces is the same text, and a change costs what it changes."""

import itertools
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.text import pieces
from stardraft_lsp.text.documents import Change, Document, Position
from stardraft_lsp.text.pieces import Pieces
from stardraft_lsp.text.positions import Encoding, index_of_unit, units

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
TEXT = st.text("ab\n\r\x0cé\u2028😀", max_size=60)
EDITS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 20), TEXT), max_size=15)


@pytest.fixture(autouse=True)
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real" not in request.node.name:
        monkeypatch.setattr(pieces, "PIECE_CHARS", 8)


def check(found: Pieces, text: str, encoding: Encoding) -> None:
    assert found.text == text == "".join(found._pieces)
    assert found._units == [units(piece, encoding) for piece in found._pieces]
    ends = [len(re.findall(r"\r\n|\r|\n", piece)) for piece in found._pieces]
    assert found._line_ends == ends
    assert sum(ends) == len(re.findall(r"\r\n|\r|\n", text)), "a line end was cut"
    assert all(found._pieces) or found._pieces == [""]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(start=TEXT, edits=EDITS)
def test_random_edits_of_small_pieces_are_edits_of_the_text(
    encoding: Encoding, start: str, edits: list[tuple[int, int, str]]
) -> None:
    found, text = Pieces(start, encoding), start
    for at, length, new in edits:
        begin, end = min(at, len(text)), min(at + length, len(text))
        assert found.between(found.place_of(begin), found.place_of(end)) == text[begin:end]
        found.replace(found.place_of(begin), found.place_of(end), new)
        text = text[:begin] + new + text[end:]
        check(found, text, encoding)
        for offset in range(len(text) + 1):
            assert found.offset(found.place_of(offset)) == offset


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXT)
def test_every_position_is_where_the_protocol_has_it(encoding: Encoding, text: str) -> None:
    found = Pieces(text, encoding)
    lines = re.split(r"\r\n|\r|\n", text)
    starts = [0, *(end.end() for end in re.finditer(r"\r\n|\r|\n", text))]
    for number, (line, start) in enumerate(zip(lines, starts, strict=True)):
        for n_units in range(units(line, encoding) + 3):
            expected = start + index_of_unit(line, n_units, encoding)
            assert found.offset(found.place(number, n_units)) == expected
        assert found.position(found.place_of(start)) == (number, 0)
    assert found.place(len(lines), 0) == found.place(10**30, 10**30) == found.end
    assert found.place(-1, 5) == (0, 0)


@given(line=st.text("aé😀\ud83d\udc00", max_size=30), n_units=st.integers(-2, 70))
def test_an_index_is_found_as_it_would_be_by_walking(line: str, n_units: int) -> None:
    for encoding in ENCODINGS:
        passed = list(itertools.accumulate((units(char, encoding) for char in line), initial=0))
        walked = max([index for index, before in enumerate(passed) if before <= n_units], default=0)
        assert index_of_unit(line, n_units, encoding) == walked


def n_steps(work: Callable[[], Any]) -> int:
    """How many lines of this program a piece of work runs through: what does not depend on the machine."""
    count = 0

    def trace(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


LINES = "".join(f"value_{i} = compute(alpha, {i})\n" for i in range(12_000))  # 400 kB
LONG_LINE = "é" + "x = [1, 2], " * 25_000  # 300 kB


@pytest.mark.parametrize(("text", "line"), [(LINES, 6_000), (LONG_LINE, 0)], ids=["lines", "one line"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_of_a_real_document_a_change_takes_few_steps(encoding: Encoding, text: str, line: int) -> None:
    document = Document("a", "python", 0, text, encoding)
    at = Position(line, 250_000 if line == 0 else 3)
    assert n_steps(lambda: document.apply([Change("x", at, at)])) < 250


@pytest.mark.parametrize("text", [LINES, LONG_LINE], ids=["lines", "one line"])
def test_a_real_message_with_10_000_changes_is_taken_in_with_few_steps(text: str) -> None:
    """As editors send "replace all": from the end to the beginning."""
    document = Document("a", "python", 0, text, "utf-16")
    n_lines = text.count("\n")
    places = [Position(i, 0) if n_lines else Position(0, 1 + 24 * i) for i in range(10_000)]
    changes = [Change("y", at, Position(at.line, at.character + 1)) for at in reversed(places)]
    assert n_steps(lambda: document.apply(changes[:500])) < 500 * 250
    document.apply(changes[500:])
    lines = text.split("\n")
    if n_lines:
        expected = "\n".join([*("y" + line[1:] for line in lines[:10_000]), *lines[10_000:]])
    else:
        expected = "".join("y" if i % 24 == 1 and i < 240_001 else char for i, char in enumerate(text))
    assert document.text == expected


def test_a_real_message_with_many_changes_is_one_change_for_everybody_else() -> None:
    document = Document("a", "python", 7, LINES, "utf-16")
    here = Position(3, 0)
    applied = document.apply([Change("a\n", here, here), Change("b", here, Position(4, 0))])
    assert document.version == 8
    assert [(one.line, one.n_line_feeds, one.edit.text) for one in applied] == [(3, 0, "a\n"), (3, 1, "b")]


def test_what_stands_before_a_whole_new_text_is_left_out() -> None:
    document = Document("a", "python", 0, "old", "utf-16")
    here = Position(0, 0)
    applied = document.apply([Change("x", here, here), Change("new"), Change("!", here, here)])
    assert document.text == "!new"
    assert [one.is_whole for one in applied] == [True, False]
