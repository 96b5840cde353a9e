"""Guesses change nothing: text and tokens are those of plain greedy decoding, however they were come by."""

from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.decode.speculation import Acceptance, PromptLookup
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.engine import EngineSettings
from tests.support.engines import Asked, Fixed, ask, cache_is_true
from tests.support.prompts import Case, load_cases

FLAT = ((1, 10.0), (2, 10.1), (4, 10.2), (8, 10.4), (16, 11.0), (64, 20.0))
DEAR = tuple((n, 10.0 * n) for n in (1, 2, 4, 8, 16))
REPETITIVE = "".join(f"    self.total_{i} = compute(self.items_{i}, rate)\n" for i in (1, 2, 3, 1, 2, 3, 1))


def engine_that(loaded: LoadedModel, *, guesses: bool) -> Engine:
    loaded.context.clear()
    settings = EngineSettings(model_path=loaded.info.path, speculation="auto" if guesses else "off")
    return Engine(loaded, 8, settings, Fixed(FLAT, cell_us=0.1))


def both(loaded: LoadedModel, prefix: str, suffix: str) -> tuple[Asked, Asked]:
    plain = ask(engine_that(loaded, guesses=False), prefix, suffix, mode="free", max_tokens=40)
    return plain, ask(engine_that(loaded, guesses=True), prefix, suffix, mode="free", max_tokens=40)


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.name)
def test_the_text_is_that_of_plain_decoding(trained: LoadedModel, case: Case) -> None:
    plain, guessed = both(trained, case.prefix, case.suffix)
    assert guessed.text == plain.text
    assert guessed.done.finish_reason == plain.done.finish_reason
    assert guessed.figures.n_generated == plain.figures.n_generated
    assert plain.figures.n_drafted == 0


def test_in_a_text_that_repeats_itself_guesses_are_right(trained: LoadedModel) -> None:
    plain, guessed = both(trained, "class A:\n    def f(self):\n" + REPETITIVE, "")
    assert guessed.text == plain.text
    assert guessed.figures.n_accepted > 0
    assert guessed.figures.n_accepted <= guessed.figures.n_drafted


def test_what_was_guessed_wrong_leaves_no_trace(loaded: LoadedModel) -> None:
    engine = engine_that(loaded, guesses=True)
    for _ in range(3):
        ask(engine, REPETITIVE, "", mode="free", max_tokens=30)
        assert cache_is_true(engine)
        engine.generations.forget()


def test_sampled_text_is_never_guessed(loaded: LoadedModel) -> None:
    engine = engine_that(loaded, guesses=True)
    asked = ask(engine, REPETITIVE, "", mode="free", max_tokens=30, temperature=0.8, seed=3)
    assert asked.figures.n_drafted == 0


def test_a_draft_model_of_the_same_weights_is_right_nearly_always(trained: LoadedModel) -> None:
    plain, _ = both(trained, "class Shelf:\n    def add(self, item):\n        ", "")
    engine = engine_that(trained, guesses=True)
    drafter = DraftModel(Path(builtin_model_path()), trained.model, trained.sentinels.prefix)
    engine.decoder.drafters = (drafter,)
    drafted = ask(engine, "class Shelf:\n    def add(self, item):\n        ", "", mode="free", max_tokens=40)
    assert drafted.text == plain.text
    assert drafted.figures.n_drafted > 0
    assert drafted.figures.n_accepted >= 0.8 * drafted.figures.n_drafted


def test_a_draft_model_must_be_much_smaller(trained: LoadedModel) -> None:
    assert DraftModel.beside(trained, str(builtin_model_path())) is None


@given(
    st.lists(st.integers(0, 2**31 - 1), max_size=30), st.lists(st.integers(0, 400), min_size=2, max_size=6)
)
def test_lookup_finds_what_followed_the_last_tokens(before: list[int], pattern: list[int]) -> None:
    ids = array("i", [*before, *pattern, 900, 901, *pattern])
    draft = PromptLookup().draft(ids, 4)
    assert draft, "the pattern stood there before"
    n_last = next(n for n in (4, 3, 2) if n <= len(pattern))
    ends = [i for i in range(n_last, len(ids)) if ids[i - n_last : i] == ids[len(ids) - n_last :]]
    assert any(draft == ids[end : end + 4] for end in ends) or n_last == 4


def test_lookup_never_looks_between_tokens() -> None:
    """Bytes of one token's end and the next one's beginning may be those of a token that is not there."""
    ids = array("i", [0x01000000, 0x02000000, 0x00030000, 5, 0x00010000 >> 16, 2, 0x0300])
    assert not PromptLookup().draft(array("i", [0x0100, 0x0200, 0x00010000, 0x00020000]), 3)
    assert not PromptLookup().draft(ids, 3)


def test_acceptance_follows_what_happens() -> None:
    acceptance = Acceptance()
    first = acceptance.rate
    for _ in range(20):
        acceptance.note(0, 4)
    assert acceptance.rate < 0.2 < first
    for _ in range(40):
        acceptance.note(4, 4)
    assert acceptance.rate > 0.9


def test_guessing_is_done_only_where_verifying_costs_little() -> None:
    assert SpeedModel(DEAR).draft_length(0.9, 8) == 0
    assert SpeedModel(FLAT).draft_length(0.9, 8) > 2
    assert SpeedModel(FLAT).draft_length(0.0, 8) == 0
    assert SpeedModel(FLAT).draft_length(0.9, 8, drafted_ms=100.0) == 0
