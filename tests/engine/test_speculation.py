"""Guesses change nothing: text and tokens are those of plain greedy decoding, however they were come by."""

from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Draft
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


def both(loaded: LoadedModel, prefix: str, suffix: str, *drafts: Draft) -> tuple[Asked, Asked]:
    plain = ask(engine_that(loaded, guesses=False), prefix, suffix, mode="free", max_tokens=40)
    engine = engine_that(loaded, guesses=True)
    return plain, ask(engine, prefix, suffix, mode="free", max_tokens=40, drafts=drafts)


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
    assert engine.decoder.speculation is not None
    engine.decoder.speculation.draft_model = drafter
    drafted = ask(engine, "class Shelf:\n    def add(self, item):\n        ", "", mode="free", max_tokens=40)
    assert drafted.text == plain.text
    (by_model,) = [one for one in drafted.figures.drafted if one.source == "model"]
    assert by_model.n_accepted >= 0.8 * by_model.n_drafted > 0


def test_a_draft_model_must_be_much_smaller(trained: LoadedModel) -> None:
    assert DraftModel.beside(trained, str(builtin_model_path())) is None


# --- guesses from outside -----------------------------------------------------------------------------------

PREFIX = "class Shelf:\n    def add(self, item):\n        "


def test_a_guess_from_outside_that_is_right_spares_decodes(trained: LoadedModel) -> None:
    plain, _ = both(trained, PREFIX, "")
    _, guessed = both(trained, PREFIX, "", Draft(text=plain.text, before=PREFIX))
    assert guessed.text == plain.text
    (drafted,) = [one for one in guessed.figures.drafted if one.source == "code"]
    assert drafted.n_accepted >= 0.8 * drafted.n_drafted > 0
    assert guessed.figures.n_accepted > 20
