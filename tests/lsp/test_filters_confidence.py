"""A suggestion is shown as far as the model was sure of it, not at all if it was unsure from the start."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.filters import (
    OFF,
    Around,
    FilterSettings,
    Piece,
    Pipeline,
    Thresholds,
    piece_of,
    thresholds_for,
)
from stardraft_lsp.filters.confidence import calibrated, sure_enough
from stardraft_lsp.filters.draft import Draft

SURE, UNSURE = math.log(0.9), math.log(0.01)


def pieces_of(*tokens: tuple[str, float]) -> tuple[str, list[Piece]]:
    return "".join(text for text, _ in tokens), [Piece(text, logprob) for text, logprob in tokens]


def shown(thresholds: Thresholds, *tokens: tuple[str, float], mode: str = "line") -> str:
    text, pieces = pieces_of(*tokens)
    around = Around("def f():\n    ", "\n", mode=mode)  # type: ignore[arg-type]
    return Pipeline(around, FilterSettings(thresholds=thresholds)).finish(text, pieces).text


def test_a_text_is_cut_at_a_whole_word_where_the_model_becomes_unsure() -> None:
    tokens = [("compute", SURE), ("(a)", SURE), (" +", SURE), (" tax", UNSURE), ("_rate", SURE)]
    assert shown(Thresholds(cut=0.1), *tokens) == "compute(a)"
    assert shown(Thresholds(cut=0.001), *tokens) == "compute(a) + tax_rate"


def test_half_a_word_goes_with_the_half_that_was_unsure() -> None:
    assert shown(Thresholds(cut=0.1), ("items", SURE), (".first", SURE), ("_or", UNSURE)) == "items"


def test_a_line_does_not_pay_for_the_one_before_it() -> None:
    tokens = [("compute()", math.log(0.3)), ("\n    ", SURE), ("return", math.log(0.3)), (" x", SURE)]
    text = "compute()\n    return x"
    assert shown(Thresholds(cut=0.2, cut_lines=0.2), *tokens, mode="block") == text
    assert shown(Thresholds(cut=0.2, cut_lines=0.4), *tokens, mode="block") == "compute()"


def test_nothing_is_shown_when_the_first_tokens_were_improbable() -> None:
    tokens = [("foo", UNSURE), ("(", UNSURE), ("a", UNSURE), (")", UNSURE)]
    assert shown(Thresholds(show=0.1), *tokens) == ""
    assert shown(Thresholds(show=0.005), *tokens) == "foo(a)"
    assert shown(Thresholds(show=0.1), *((text, SURE) for text, _ in tokens)) == "foo(a)"


def test_generation_can_end_as_soon_as_no_further_token_could_make_it_good() -> None:
    pipeline = Pipeline(Around("x = ", "\n"), FilterSettings(thresholds=Thresholds(show=0.5)))
    first = pipeline.feed(*pieces_of(("foo", math.log(0.01))))
    assert first.is_final
    assert first.why == ("unsure_from_the_start",)


def test_it_is_off_with_one_setting_and_without_probabilities() -> None:
    tokens = [("foo", UNSURE), ("bar", UNSURE)]
    assert shown(OFF, *tokens) == "foobar"
    around = Around("x = ", "\n")
    strict = FilterSettings(thresholds=Thresholds(show=0.99, cut=0.99))
    assert Pipeline(around, strict).finish("foobar").text == "foobar"


def test_a_piece_has_the_tokens_of_an_event() -> None:
    assert piece_of("foo(", [-1.0, -0.5]) == Piece("foo(", -1.5, 2)


def test_the_thresholds_of_the_package_are_probabilities_with_a_source() -> None:
    for entry in calibrated():
        assert entry.source
        values = entry.thresholds
        assert all(0 <= value < 1 for value in (values.show, values.cut, values.cut_lines))
    assert calibrated()[-1].model == "", "there is an answer for any model"
    assert thresholds_for("a model that nobody measured") == calibrated()[-1].thresholds
    assert thresholds_for("stardraft-tiny") == thresholds_for("stardraft-tiny-Q8_0")


TOKENS = st.lists(
    st.tuples(st.sampled_from(["foo", " ", "(", ")", "\n    ", ".bar", ", "]), st.floats(-4, 0)), max_size=14
)


@pytest.mark.parametrize("mode", ["line", "block"])
@given(tokens=TOKENS, show=st.sampled_from([0.0, 0.2, 0.6]), cut=st.sampled_from([0.0, 0.05, 0.5]))
def test_what_is_final_while_it_grows_is_what_is_shown_in_the_end(
    mode: str, tokens: list[tuple[str, float]], show: float, cut: float
) -> None:
    around = Around("def f(items):\n    x = ", "\n", mode=mode)  # type: ignore[arg-type]
    pipeline = Pipeline(around, FilterSettings(thresholds=Thresholds(show=show, cut=cut, cut_lines=cut)))
    whole = pipeline.finish(*pieces_of(*tokens))
    for n in range(1, len(tokens)):
        growing = pipeline.feed(*pieces_of(*tokens[:n]))
        if growing.is_final:
            assert growing.text == whole.text
            return


@given(tokens=TOKENS)
def test_the_surer_a_model_is_the_more_is_left(tokens: list[tuple[str, float]]) -> None:
    thresholds = Thresholds(show=0.3, cut=0.2, cut_lines=0.2)
    text, pieces = pieces_of(*tokens)
    surer = [Piece(piece.text, piece.logprob / 2) for piece in pieces]
    left = sure_enough(Draft(text, "whole"), pieces, thresholds).text
    assert sure_enough(Draft(text, "whole"), surer, thresholds).text.startswith(left)
