"""Guesses change nothing: text and tokens are those of plain greedy decoding, however they were come by."""

from array import array
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.cache.sequences import CachedSequence
from stardraftd.engine.core import Engine
from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.limits import MAX_DRAFT_CHARACTERS, MAX_DRAFTS
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Completion, CompletionEvent, Done, Draft
from stardraftd.protocol.engine import EngineSettings
from tests.support.engines import Asked, Fixed, Wanted, ask, cache_is_true, warm
from tests.support.prompts import Case, load_cases

FLAT = ((1, 10.0), (2, 10.1), (4, 10.2), (8, 10.4), (16, 11.0), (64, 20.0))
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
HOSTILE = {
    "sentinels": "<fim_middle><|endoftext|><file_sep><fim_prefix>",
    "control characters": "\x00\x1b[2J\x07\x7f\u202e\u2028",
    "no characters": "\ufffd\uffff\ud800",
    "huge": "a" * MAX_DRAFT_CHARACTERS,
    "huge and blank": "\n" * MAX_DRAFT_CHARACTERS,
    "another language": "在书架上添加一本书 🙂 добавить книгу",
    "another language's code": "fn add(&mut self, item: Item) -> &mut Self {\n    self.items.push(item);\n",
    "nothing": "",
    "the text before": PREFIX,
}


@pytest.fixture(scope="module")
def said(trained: LoadedModel) -> Asked:
    """What the model says after PREFIX without a guess."""
    return ask(engine_that(trained, guesses=False), PREFIX, "", mode="free", max_tokens=40)


def test_a_guess_from_outside_that_is_right_spares_decodes(trained: LoadedModel, said: Asked) -> None:
    _, guessed = both(trained, PREFIX, "", Draft(text=said.text, before=PREFIX))
    assert guessed.text == said.text
    (drafted,) = [one for one in guessed.figures.drafted if one.source == "code"]
    assert drafted.n_accepted >= 0.8 * drafted.n_drafted > 0
    assert guessed.figures.n_accepted > 20


@pytest.mark.parametrize("before", ["", PREFIX], ids=["alone", "behind what stands there"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_guess_changes_the_text(trained: LoadedModel, said: Asked, text: str, before: str) -> None:
    half = said.text[: len(said.text) // 2]
    engine = engine_that(trained, guesses=True)
    drafts = (Draft(text=text, before=before), Draft(text=half + text, before=before))
    guessed = ask(engine, PREFIX, "", mode="free", max_tokens=40, drafts=drafts)
    assert guessed.text == said.text
    assert guessed.done.finish_reason == said.done.finish_reason
    assert guessed.figures.n_generated == said.figures.n_generated
    assert cache_is_true(engine)


def test_as_many_guesses_as_may_come_change_nothing(trained: LoadedModel, said: Asked) -> None:
    drafts = tuple(Draft(text=said.text[:n] + "?", before=PREFIX) for n in range(MAX_DRAFTS))
    _, guessed = both(trained, PREFIX, "", *drafts)
    assert guessed.text == said.text


def test_no_guess_goes_beyond_the_line_that_is_wanted(trained: LoadedModel) -> None:
    plain = ask(engine_that(trained, guesses=False), PREFIX, "", max_tokens=40)
    engine = engine_that(trained, guesses=True)
    more = Draft(text=plain.text + "\n        return item\n    def remove(self):\n", before=PREFIX)
    guessed = ask(engine, PREFIX, "", max_tokens=40, drafts=(more,))
    assert (guessed.text, guessed.done.finish_reason) == (plain.text, plain.done.finish_reason)
    assert guessed.figures.n_accepted > 0
    assert guessed.figures.n_drafted < guessed.figures.n_generated


def test_what_was_recalled_goes_on_with_guesses_as_without(trained: LoadedModel, said: Asked) -> None:
    engine = engine_that(trained, guesses=True)
    ask(engine, PREFIX, "", mode="free", max_tokens=6)
    typed = said.text[:3]
    drafts = (Draft(text=said.text[3:], before=PREFIX + typed),)
    rest = ask(engine, PREFIX + typed, "", mode="free", max_tokens=30, drafts=drafts)
    assert rest.figures.kind == "recalled"
    assert rest.figures.n_accepted > 0
    assert said.text[3:].startswith(rest.text)
    assert cache_is_true(engine)


def test_an_end_in_the_middle_of_verifying_leaves_a_true_cache(trained: LoadedModel, said: Asked) -> None:
    engine = engine_that(trained, guesses=True)
    completion = Completion(
        document="test\na.py",
        path="a.py",
        prefix=PREFIX,
        mode="free",
        max_tokens=40,
        drafts=(Draft(text=said.text, before=PREFIX),),
    )
    events: list[CompletionEvent] = []
    verified: list[int] = []
    evaluate = engine.cache.evaluate

    def aborted(sequence: CachedSequence, tokens: "array[int]", *, all_logits: bool = False) -> None:
        if all_logits:
            verified.append(len(tokens))
            trained.context.abort.raise_()
        try:
            evaluate(sequence, tokens, all_logits=all_logits)
        finally:
            trained.context.abort.lower()

    engine.cache.evaluate = aborted  # type: ignore[method-assign]
    engine.complete(completion, events.append, Wanted())
    engine.cache.evaluate = evaluate  # type: ignore[method-assign]
    assert verified
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "cancelled"
    assert cache_is_true(engine)
    again = ask(engine, PREFIX, "", mode="free", max_tokens=40)
    assert again.text == said.text


def test_a_saved_file_comes_back_after_guesses(trained: LoadedModel, tmp_path: Path) -> None:
    prefix = "class A:\n    def f(self):\n" + REPETITIVE
    settings = EngineSettings(
        model_path=trained.info.path, cache_folder=str(tmp_path), saved_bytes=50_000_000
    )
    trained.context.clear()
    engine = Engine(trained, 8, settings, Fixed(FLAT, cell_us=0.1))
    first = ask(engine, prefix, "", mode="free", layout="psm", max_tokens=30)
    assert first.figures.n_drafted > 0, first.text
    warm(engine, prefix, "", 1)
    assert engine.save().n_sequences == 1
    trained.context.clear()
    again = Engine(trained, 8, settings, Fixed(FLAT, cell_us=0.1))
    restored = ask(again, prefix, "", mode="free", layout="psm", max_tokens=30)
    assert restored.figures.n_reused > 64
    assert restored.text == first.text
