"""What is shown of own code: what is as sure as it has to be, and surer for a single character."""

import pytest

from stardraft_lsp.echo.choosing import Guess
from stardraft_lsp.echo.code import Code, Origin, Source
from stardraft_lsp.echo.lexemes import Lexicon
from stardraft_lsp.echo.voting import Candidate
from stardraft_lsp.filters import Around, FilterSettings, Pipeline
from stardraft_lsp.session.own_code import SHOWN, SHOWN_BY_HAND, SHOWN_SINGLE, OwnCode
from stardraft_lsp.session.question import Question
from stardraft_lsp.syntax.amount import Wanted
from stardraft_lsp.text.folders import Place

BEFORE = "value = compute(1"
ABOVE = "other = compute(2"


def shown(text: str, confidence: float, *, invoked: bool = False) -> str | None:
    """What is shown when own code is this sure of a text."""
    line = f"{ABOVE}{text}"
    source = Source.of([Code.of(Lexicon(), "file:///w/a.py", line)], 1.0, "near")
    guess = Guess(text, confidence, Origin("file:///w/a.py", 0, line), Candidate("", source, 1, 4))
    question = Question("file:///w/b.py", "python", Place("b.py", ""), f"{BEFORE}\n", len(BEFORE), invoked)

    def pipeline() -> Pipeline:
        return Pipeline(Around.at(BEFORE, "\n", language="python"), FilterSettings(min_visible=1))

    own_code = OwnCode(lambda _question: [guess])
    found = own_code.find(
        question, own_code.guesses(question), Wanted("line", "in_line", 1), "python", pipeline
    )
    return found.text if found is not None else None


@pytest.mark.parametrize(
    ("text", "bound"), [(", 2)", SHOWN), (")", SHOWN_SINGLE), ("  )", SHOWN_SINGLE), (" + 1)", SHOWN)]
)
def test_a_guess_is_shown_from_its_bound_on(text: str, bound: float) -> None:
    assert shown(text, bound) == text
    assert shown(text, bound - 0.01) is None


def test_by_hand_a_guess_may_be_less_sure() -> None:
    assert shown(", 2)", SHOWN_BY_HAND, invoked=True) == ", 2)"
    assert shown(", 2)", SHOWN_BY_HAND - 0.01, invoked=True) is None
