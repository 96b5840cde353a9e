"""Regions that were edited or viewed, and how they move with what is typed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.context.choice.recent import MOST_LINES, REACH_LINES, Recent, region_text

A, B = "file:///a.py", "file:///b.py"


def lines_of(recent: Recent, uri: str) -> list[tuple[int, int]]:
    return [(region.first_line, region.last_line) for region in recent.regions if region.uri == uri]


def test_edits_beside_each_other_are_one_region() -> None:
    recent = Recent()
    recent.edited(A, 100, 0, 0, 1.0)
    recent.edited(A, 103, 0, 0, 2.0)
    assert lines_of(recent, A) == [(100 - REACH_LINES, 103 + REACH_LINES)]


def test_edits_apart_are_two_and_the_newest_is_last() -> None:
    recent = Recent()
    recent.edited(A, 100, 0, 0, 1.0)
    recent.edited(B, 5, 0, 0, 2.0)
    recent.edited(A, 300, 0, 0, 3.0)
    recent.edited(A, 101, 0, 0, 4.0)
    assert [(region.uri, region.seen_at) for region in recent.regions] == [(B, 2.0), (A, 3.0), (A, 4.0)]


def test_a_region_moves_with_the_lines_above_it() -> None:
    recent = Recent()
    recent.edited(A, 100, 0, 0, 1.0)
    recent.edited(A, 10, 0, 5, 2.0)
    assert (100 - REACH_LINES + 5, 100 + REACH_LINES + 5) in lines_of(recent, A)
    recent.edited(A, 10, 5, 0, 3.0)
    assert (100 - REACH_LINES, 100 + REACH_LINES) in lines_of(recent, A)


def test_a_region_whose_lines_are_deleted_is_gone() -> None:
    recent = Recent()
    recent.edited(A, 100, 0, 0, 1.0)
    recent.edited(A, 50, 100, 0, 2.0)
    assert lines_of(recent, A) == [(50 - REACH_LINES, 50 + REACH_LINES)]


def test_glances_on_the_way_do_not_count() -> None:
    recent = Recent()
    for line, now in ((100, 1.0), (200, 1.1), (300, 1.2)):
        recent.viewed(A, line, now)
    assert len(recent.regions) == 1
    recent.viewed(A, 500, 9.0)
    assert len(recent.regions) == 2


def test_a_text_is_cut_as_it_is_now() -> None:
    recent = Recent()
    recent.edited(A, 3, 0, 0, 1.0)
    [region] = recent.regions
    assert region_text(region, ["", "a", "", "b", "", ""]) == "a\n\nb\n"
    assert region_text(region, []) == ""


@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B]),
            st.integers(0, 400),
            st.integers(0, 60),
            st.integers(0, 60),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_regions_are_few_and_do_not_overlap(steps: list[tuple[str, int, int, int, bool]]) -> None:
    recent = Recent(n_most=6)
    for now, (uri, line, n_old, n_new, is_edit) in enumerate(steps):
        if is_edit:
            recent.edited(uri, line, n_old, n_new, float(now))
        else:
            recent.viewed(uri, line, float(now))
        assert recent.regions[-1].uri == uri
        assert recent.regions[-1].touches(uri, line, line)
    assert len(recent.regions) <= 6
    for uri in (A, B):
        held = sorted(lines_of(recent, uri))
        assert all(0 <= first <= last for first, last in held)
        assert all(one[1] < other[0] for one, other in pairwise(held))
        assert all(last - first < MOST_LINES + 60 + 60 for first, last in held)
