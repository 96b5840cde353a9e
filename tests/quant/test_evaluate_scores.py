"""How answers are scored: figures that can be checked by hand, and rules that hold for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_quant.evaluate.running import up_to_first_line
from stardraft_quant.evaluate.scores import (
    first_line,
    pairs,
    score,
    share,
    sign_test,
    similarity,
    summarise,
)
from stardraft_quant.evaluate.tasks import Answer, Arm, Item, Task, Verdict
from stardraft_quant.shared.prefixes import common_prefix
from stardraftd.protocol.completion import FinishReason, Token

PSM, SPM = Arm("path", "psm"), Arm("path", "spm")


def item(
    expected: str,
    text: str,
    *,
    number: int = 0,
    arm: Arm = PSM,
    ended: FinishReason = "end",
    whole: Verdict | None = None,
) -> Item:
    task = Task(
        number=number,
        name=f"a.py:{number}:1",
        kind="whole-line",
        language="python",
        prefix="",
        suffix="",
        expected=expected,
    )
    answer = Answer(
        text=text,
        tokens=(Token(7, -0.5), Token(8, -1.5)),
        layout="psm",
        ended=ended,
        n_prompt=10,
        n_context=0,
        total_ms=2.0,
    )
    return score(task, arm, answer, whole=whole)


def test_white_space_at_the_ends_does_not_count_and_inside_it_does() -> None:
    assert item("return x", " return x  \n").exact
    assert not item("return x", "return  x").exact


def test_an_answer_that_runs_on_has_its_first_line_right_only() -> None:
    one = item("return x", "return x\nreturn y")
    assert (one.exact, one.exact_line, one.prefix, one.similarity) == (False, True, 1.0, 1.0)


def test_an_empty_answer_has_nothing_right() -> None:
    one = item("return x", "")
    assert (one.exact, one.exact_line, one.prefix, one.similarity) == (False, False, 0.0, 0.0)


def test_confidence_is_the_mean_of_the_log_probabilities_and_each_token_keeps_its_own() -> None:
    one = item("a", "b")
    assert one.mean_logprob == -1.0
    assert [token.logprob for token in one.tokens] == [-0.5, -1.5]


def test_a_first_line_is_the_first_with_something_on_it() -> None:
    assert first_line("\n\n  x = 1 \ny") == "x = 1"
    assert first_line(" \n") == ""
    assert up_to_first_line("\n  x = 1 \ny\n") == "\n  x = 1 "
    assert up_to_first_line("\n\n") == "\n\n"


def test_similarity_is_one_less_the_share_of_edits() -> None:
    assert similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert similarity("", "abc") == 0.0
    assert similarity("", "") == 1.0
    assert common_prefix("foobar", "fooz") == 3


@given(st.text(max_size=20), st.text(max_size=20))
def test_similarity_is_symmetric_and_one_only_for_equals(first: str, second: str) -> None:
    found = similarity(first, second)
    assert 0 <= found <= 1
    assert found == similarity(second, first)
    assert (found == 1) == (first == second)


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    some = share(10, 100)
    assert (some.low, some.high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    none = share(0, 10)
    assert (none.low, none.high) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert share(0, 0).high == 1.0


@given(st.integers(0, 300), st.integers(1, 300))
def test_an_interval_holds_its_share(n: int, more: int) -> None:
    found = share(n, n + more)
    assert 0 <= found.low <= found.share <= found.high <= 1


def test_the_sign_test_is_that_of_a_fair_coin() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 5) == 1.0
    assert sign_test(0, 5) == pytest.approx(2 / 32)
    assert sign_test(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert 0 < sign_test(3000, 2500) < 1e-9


def test_arms_are_compared_on_the_places_that_both_answered() -> None:
    items = [
        item("a", "a", number=0, arm=PSM),
        item("a", "b", number=0, arm=SPM),
        item("a", "a", number=1, arm=PSM),
        item("a", "a", number=1, arm=SPM),
        item("a", "b", number=2, arm=PSM),
        item("a", "a", number=2, arm=SPM),
        item("a", "a", number=3, arm=SPM),
    ]
    (pair,) = pairs(items)
    assert (pair.only_first, pair.only_second, pair.p) == (1, 1, 1.0)


def test_arms_that_differ_in_two_things_are_not_compared() -> None:
    assert pairs([item("a", "a", arm=PSM), item("a", "a", arm=Arm("none", "spm"))]) == []


def test_a_summary_counts_endings_and_programs() -> None:
    items = [
        item("a", "a", ended="boundary", whole=Verdict(True)),
        item("a", "b", ended="max_tokens", whole=Verdict(False, "AssertionError")),
        item("a", "b", ended="boundary"),
    ]
    found = summarise(items)
    assert found.ended == {"boundary": 2, "max_tokens": 1}
    assert found.passed_whole is not None
    assert (found.passed_whole.n, found.passed_whole.of) == (1, 2)
    assert found.passed_line is None
    assert (found.exact_line.n, found.exact_line.of) == (1, 3)
