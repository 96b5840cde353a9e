"""How much of a text is still there: its place through edits, and the likeness of two texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.stats.edits import Edit, edit_between
from stardraft_lsp.stats.kept import Kept, common_length, kept_share

DOCUMENT = "before ACCEPTED after"
START = DOCUMENT.index("ACCEPTED")


def after(*changes: tuple[str, str]) -> str:
    """What stands in the accepted text's place after each (old, new) was replaced, once."""
    document = DOCUMENT
    kept = Kept("ACCEPTED", START)
    for old, new in changes:
        start = document.index(old)
        document = document[:start] + new + document[start + len(old) :]
        kept.edited(start, start + len(old), len(new))
    return kept.text_now(document)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("before ", "")], "ACCEPTED"),
        ([("before", "long before")], "ACCEPTED"),
        ([("after", "")], "ACCEPTED"),
        ([("ACCEPTED", "ACCEPTED")], "ACCEPTED"),
        ([("CEP", "c-e-p")], "ACc-e-pTED"),
        ([("ACC", "")], "EPTED"),
        ([("TED", "")], "ACCEP"),
        ([("ACCEPTED", "")], ""),
        ([("ACCEPTED", ""), ("before  after", "before ACCEPTED after")], "before ACCEPTED after"),
        ([("ACCEPTED after", "REFUSED after")], "REFUSED after"),
        ([("before ACC", "b_ACC")], "b_ACCEPTED"),
        ([(DOCUMENT, "def ACCEPTED")], "def ACCEPTED"),
    ],
)
def test_the_place_of_an_accepted_text_moves_with_the_edits(
    changes: list[tuple[str, str]], expected: str
) -> None:
    assert after(*changes) == expected


def test_what_is_typed_at_its_edges_is_not_part_of_it() -> None:
    kept = Kept("ACCEPTED", START)
    kept.edited(START, START, 3)
    kept.edited(kept.end, kept.end, 3)
    assert (kept.start, kept.end) == (START + 3, START + 3 + len("ACCEPTED"))


def test_an_undo_brings_it_back() -> None:
    kept = Kept("ACCEPTED", START)
    kept.edited(START, START + 8, 0)
    kept.edited(0, 2, 0)
    kept.edited(START - 2, START - 2, 8)
    assert (kept.start, kept.end) == (START - 2, START + 6)


@given(st.text("ab \n", max_size=30), st.integers(0, 30), st.integers(0, 30), st.data())
def test_the_place_is_always_inside_the_document(
    document: str, first: int, second: int, data: st.DataObject
) -> None:
    start, end = sorted((min(first, len(document)), min(second, len(document))))
    kept = Kept(document[start:end], start)
    for _ in range(6):
        a = data.draw(st.integers(0, len(document)))
        b = data.draw(st.integers(a, len(document)))
        new = data.draw(st.text("xy", max_size=5))
        document = document[:a] + new + document[b:]
        kept.apply(Edit(a, b, new))
        assert 0 <= kept.start <= kept.end <= len(document)


@given(st.text("abc\n", max_size=40), st.text("abc\n", max_size=40))
def test_the_edit_between_two_texts_makes_the_one_of_the_other(before: str, now: str) -> None:
    edit = edit_between(before, now)
    assert before[: edit.start] + edit.text + before[edit.end :] == now
    assert len(before) + edit.delta == len(now)


@pytest.mark.parametrize(
    ("accepted", "now", "expected"),
    [
        ("return value", "return value", 1.0),
        ("return value", "return  (\n    value\n)", 1.0),  # what a formatter adds takes nothing away
        ("return value", "", 0.0),
        ("return value", "yield value", 0.5),
        ("a = b + c", "b + c", 0.6),
        ("f(x, y)", "f(y, x)", 4 / 6),
        ("  \n", "", 1.0),
        ("größe = 1", "größe = 2", 2 / 3),
    ],
)
def test_the_kept_share_is_that_of_tokens_in_order(accepted: str, now: str, expected: float) -> None:
    assert kept_share(accepted, now) == pytest.approx(expected)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_common_length_is_that_of_the_plain_algorithm(first: list[str], second: list[str]) -> None:
    row = [0] * (len(second) + 1)
    for one in first:
        previous = row
        row = [0]
        for index, other in enumerate(second):
            row.append(previous[index] + 1 if one == other else max(previous[index + 1], row[index]))
    assert common_length(first, second) == row[-1]
