"""Several middles for one prompt: different ones, from one evaluation of the prompt, side by side."""

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.protocol.completion import Completion, CompletionEvent, Done, Text
from tests.support.engines import Asked, Wanted, cache_is_true, slow_engine

PREFIX = "class Shelf:\n    def __init__(self, items):\n        self."
SUFFIX = "\n\n    def add(self, item):\n        self.items.append(item)\n"


def events_of(engine: Engine, interrupt: object = None, **fields: object) -> list[CompletionEvent]:
    events: list[CompletionEvent] = []
    completion = Completion(document="a\na", prefix=PREFIX, suffix=SUFFIX, **fields)  # type: ignore[arg-type]
    engine.complete(completion, events.append, interrupt or Wanted())  # type: ignore[arg-type]
    return events


def test_each_is_another_text_and_the_first_is_the_usual_one(engine: Engine, loaded: LoadedModel) -> None:
    asked = Asked(events_of(engine, n_candidates=3, max_tokens=12))
    texts = [candidate.text for candidate in asked.done.candidates]
    assert len(texts) == len(set(texts)) > 1
    assert texts[0] == asked.text == Asked(events_of(slow_engine(loaded), max_tokens=12)).text
    assert all(candidate.mean_logprob <= 0 for candidate in asked.done.candidates)


def test_the_pieces_of_each_make_its_text(engine: Engine) -> None:
    events = events_of(engine, n_candidates=3, max_tokens=12)
    pieces: dict[int, str] = {}
    for event in events:
        if isinstance(event, Text):
            pieces[event.candidate] = pieces.get(event.candidate, "") + event.text
    last = events[-1]
    assert isinstance(last, Done)
    assert {candidate.text for candidate in last.candidates} == set(pieces.values())


def test_the_prompt_is_evaluated_once(engine: Engine) -> None:
    figures = Asked(events_of(engine, n_candidates=4, max_tokens=4)).figures
    assert figures.n_evaluated == figures.n_prompt
    assert figures.n_generated <= 16


def test_nothing_is_left_behind_after_the_end_or_a_cancel(engine: Engine) -> None:
    class Soon:
        n_looks = 0

        @property
        def reason(self) -> str | None:
            self.n_looks += 1
            return "cancelled" if self.n_looks > 4 else None

    for interrupt in (None, Soon()):
        last = events_of(engine, interrupt, n_candidates=3, mode="free", max_tokens=20)[-1]
        assert isinstance(last, Done)
        assert last.finish_reason == "cancelled" or interrupt is None
        assert cache_is_true(engine)
        assert not [s for s in engine.cache.sequences if s.in_use and (s.role == "scratch" or s.pins)]


def test_one_candidate_has_no_list(engine: Engine) -> None:
    assert Asked(events_of(engine)).done.candidates == ()
