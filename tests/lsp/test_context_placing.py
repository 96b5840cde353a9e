"""Chunks once placed stay placed, so that the engine's cache stays useful; and never repeat anything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stardraft_lsp.context.choice.placing import MAX_SHARED, Candidate, Kind, Placement
from stardraft_lsp.context.choice.ranking import shared_lines, telling_lines

CALM_S, UNWANTED_S = 20.0, 300.0


def text(name: str, n_lines: int = 4) -> str:
    return "".join(f"{name}_{i} = compute_{name}({i})\n" for i in range(n_lines))


def candidate(name: str, value: float = 0.5, kind: Kind = "similar", n_lines: int = 4) -> Candidate:
    return Candidate(f"{name}.py", text(name, n_lines), value, kind, f"/w/{name}.py", name)


def placement(budget: int = 1_000) -> Placement:
    return Placement(budget, CALM_S, UNWANTED_S)


def names(placed: Placement) -> str:
    return "".join(chunk.path[0] for chunk in placed.chunks)


def test_what_changes_least_comes_first_and_the_best_of_a_kind_last() -> None:
    placed = placement()
    placed.update(
        [
            candidate("a", 0.9, "recent"),
            candidate("b", 0.3),
            candidate("c", 0.8),
            candidate("d", 0.6, "definition"),
        ],
        0,
    )
    assert names(placed) == "bcda"


def test_new_chunks_go_last_whatever_they_are_worth() -> None:
    placed = placement()
    placed.update([candidate("a"), candidate("b", 0.6)], 0)
    placed.update([candidate("c", 0.9), candidate("a"), candidate("b")], 100)
    assert names(placed) == "abc"


def test_changes_wait_until_the_last_one_was_a_while_ago() -> None:
    placed = placement()
    placed.update([candidate("a")], 0)
    placed.update([candidate("a"), candidate("b")], CALM_S - 1)
    assert names(placed) == "a"
    placed.update([candidate("a"), candidate("b")], CALM_S)
    assert names(placed) == "ab"


def test_a_chunk_keeps_its_text_while_its_file_is_edited() -> None:
    placed = placement()
    placed.update([candidate("a")], 0)
    edited = candidate("a")._replace(text=text("a") + "added_line = 1\n")
    placed.update([edited], 1_000)
    assert [chunk.text for chunk in placed.chunks] == [text("a")]


def test_what_may_not_be_sent_any_more_goes_at_once() -> None:
    placed = placement()
    placed.update([candidate("a"), candidate("b", 0.6), candidate("c", 0.7)], 0)
    placed.update([candidate("d")], 1, is_gone=lambda chunk: chunk.source == "/w/b.py")
    assert names(placed) == "acd"


def test_the_text_around_the_cursor_is_not_repeated() -> None:
    placed = placement()
    assert placed.update([candidate("a")], 0, around="import x\n" + text("a") + "\n") == ()
    placed.update([candidate("a"), candidate("b")], 50)
    placed.update([candidate("a"), candidate("b")], 51, around=text("a"))
    assert names(placed) == "b"


def test_a_chunk_that_repeats_another_is_not_placed() -> None:
    placed = placement()
    placed.update([candidate("a", 0.9), candidate("b")._replace(text=text("a"))], 0)
    assert names(placed) == "a"


def test_nothing_is_exchanged_while_it_is_wanted() -> None:
    both = [candidate("a"), candidate("b", 0.6)]
    budget = sum(len(one.path) + len(one.text) + 2 for one in both)
    placed = placement(budget)
    placed.update(both, 0)
    placed.update([*both, candidate("c", 9.0)], 100)
    assert names(placed) == "ab"


def test_the_last_chunk_is_exchanged_when_nothing_wants_it_any_more() -> None:
    both = [candidate("a"), candidate("b", 0.6)]
    placed = placement(sum(len(one.path) + len(one.text) + 2 for one in both))
    placed.update(both, 0)
    placed.update([both[0], candidate("c", 0.4)], 100)
    assert names(placed) == "ac"


def test_when_most_is_long_unwanted_the_place_is_cleared() -> None:
    placed = placement()
    placed.update([candidate("a"), candidate("b", 0.6), candidate("c", 0.7)], 0)
    placed.update([candidate("c")], UNWANTED_S)
    assert names(placed) == "c"


def test_the_reuse_is_what_stood_there_before() -> None:
    placed = placement()
    assert placed.reuse.share == 1
    placed.update([candidate("a")], 0)
    assert placed.reuse.share == 0
    placed.update([candidate("a")], 1)
    assert placed.reuse.share == 0.5
    placed.update([candidate("a")], 2, is_gone=lambda _chunk: True)
    assert placed.reuse.n_updates == 3


NAMES = st.sampled_from("abcdefghijkl")
OFFERS = st.lists(
    st.builds(
        candidate,
        NAMES,
        st.floats(0.05, 1),
        st.sampled_from(["similar", "definition", "recent"]),
        st.integers(1, 12),
    ),
    max_size=8,
)
UPDATES = st.lists(
    st.tuples(OFFERS, st.floats(0, 60), st.sets(NAMES, max_size=2), st.sets(NAMES, max_size=1)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(UPDATES, st.integers(100, 1_500))
def test_over_any_updates_the_front_stands_still(
    updates: list[tuple[list[Candidate], float, set[str], set[str]]], budget: int
) -> None:
    placed = placement(budget)
    now = 0.0
    changed_at = None
    for all_offers, pause_s, around, gone in updates:
        now += pause_s
        before = placed.placed
        known = "".join(text(name) for name in sorted(around))
        refused = {f"/w/{name}.py" for name in gone}
        offers = [offer for offer in all_offers if offer.source not in refused]
        chunks = placed.update(offers, now, known, lambda chunk: chunk.source in refused)  # noqa: B023
        assert sum(len(chunk.path) + len(chunk.text) + 2 for chunk in chunks) <= budget
        assert not [one for one in placed.placed if one.source in refused]
        lines = [telling_lines(chunk.text) for chunk in chunks]
        for i, one in enumerate(lines):
            assert shared_lines(one, set(telling_lines(known))) < MAX_SHARED
            assert all(shared_lines(one, set(other)) < MAX_SHARED for j, other in enumerate(lines) if i != j)
        kept = [old.chunk for old in before if old.chunk in chunks]
        assert list(chunks[: len(kept)]) == kept  # in the old order, and in front of what is new
        must_go = [
            old
            for old in before
            if old.source in refused or shared_lines(list(old.lines), set(telling_lines(known))) >= MAX_SHARED
        ]
        is_calm = changed_at is None or now - changed_at >= CALM_S
        if not must_go and not is_calm and changed_at is not None:
            # A run of five shared lines is also a repetition; those chunks hold more than ten lines.
            assert chunks == tuple(o.chunk for o in before) or any(len(o.lines) > 8 for o in before)
        if chunks != tuple(old.chunk for old in before):
            changed_at = now
