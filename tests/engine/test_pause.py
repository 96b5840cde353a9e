"""A request with a pause: the prompt is read at once, the writing waits, who types on has lost nothing."""

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.protocol.completion import (
    Completion,
    CompletionEvent,
    Done,
    Figures,
    FinishReason,
    Plan,
    Text,
)
from tests.support.engines import ask

PREFIX = "class Shelf:\n    def __init__(self, items):\n        self."
SUFFIX = "\n\n    def add(self, item):\n        self.items.append(item)\n"


class Unwanted:
    """An interrupt that the test raises."""

    reason: FinishReason | None = None


def test_while_the_pause_lasts_the_prompt_is_read_and_nothing_is_written(engine: Engine) -> None:
    events: list[CompletionEvent] = []
    interrupt = Unwanted()
    completion = Completion(document="a", path="a.py", prefix=PREFIX, suffix=SUFFIX, pause_ms=60_000)
    steps = engine.steps(completion, events.append, interrupt)
    for _ in range(5):
        next(steps)
    assert [type(event) for event in events] == [Plan]
    interrupt.reason = "superseded"
    for _ in steps:
        pass
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.text, done.finish_reason) == ("", "superseded")
    figures = done.figures
    assert isinstance(figures, Figures)
    assert figures.n_evaluated == figures.n_prompt
    assert figures.n_generated == 0

    after = ask(engine, PREFIX + "i", SUFFIX)
    assert after.figures is not None
    assert after.figures.n_evaluated <= 2


def test_others_answer_while_one_waits_and_what_it_then_says_is_the_same(engine: Engine) -> None:
    alone = ask(engine, PREFIX, SUFFIX, document="alone").text
    engine.forget_all()
    events: list[CompletionEvent] = []
    completion = Completion(
        document="a", path="a.py", prefix=PREFIX, suffix=SUFFIX, pause_ms=50, max_tokens=8
    )
    steps = engine.steps(completion, events.append, Unwanted())
    next(steps)
    ask(engine, "def area(width, height):\n    return ", "\n", document="b")  # takes the place of the logits
    for _ in steps:
        pass
    done = events[-1]
    assert isinstance(done, Done)
    assert done.text == alone
    assert "".join(event.text for event in events if isinstance(event, Text)) == alone
