"""What a completion cost adds up: prompt = evaluated + reused; what was remembered has no rate."""

import random

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.protocol.completion import Completion, CompletionEvent, Done, Figures, FinishReason
from tests.support.engines import ask, warm

PREFIX = "class Shelf:\n    def __init__(self, items):\n        self."
SUFFIX = "\n\n    def add(self, item):\n        self.items.append(item)\n"
LINES = "".join(f"    def value_{n}(self):\n        return self.items[{n}]\n\n" for n in range(30))


def assert_adds_up(figures: Figures) -> None:
    assert figures.n_prompt == figures.n_evaluated + figures.n_reused
    assert min(figures.n_evaluated, figures.n_reused, figures.n_recalled, figures.n_decoded) >= 0
    assert figures.n_generated == figures.n_recalled + figures.n_decoded
    assert (figures.tokens_per_s > 0) <= (figures.n_decoded > 1)
    assert figures.first_token_ms <= figures.total_ms


def test_a_prompt_is_what_was_evaluated_and_what_was_reused_whatever_is_done(engine: Engine) -> None:
    """Typing, going back, jumping, an edit above, a rest, several candidates."""
    rng = random.Random(0)
    text, cursor = PREFIX + SUFFIX + LINES, len(PREFIX)
    kinds = set()
    for step in range(40):
        match rng.choice(["type", "type", "delete", "jump", "edit above", "rest"]):
            case "type":
                text = text[:cursor] + (typed := rng.choice("abx(.\n")) + text[cursor:]
                cursor += len(typed)
            case "delete":
                text, cursor = text[: cursor - 1] + text[cursor:], cursor - 1
            case "jump":
                cursor = text.index("\n", rng.randrange(len(text) - 200))
            case "edit above":
                text, cursor = text.replace("return", "return 1 +", 1), cursor + len(" 1 +")
            case "rest":
                warm(engine, text[:cursor], text[cursor:], 3)
        asked = ask(engine, text[:cursor], text[cursor:], n_candidates=3 if step % 9 == 8 else 1)
        kinds.add(asked.plan.kind)
        assert_adds_up(asked.figures)
        assert asked.figures.n_prompt == asked.plan.n_prompt
    assert {"recalled", "anchored"} <= kinds


def test_what_came_from_memory_has_no_rate_and_its_rest_has_its_own(engine: Engine) -> None:
    made = ask(engine, PREFIX, SUFFIX, max_tokens=12)
    assert made.figures.n_recalled == 0
    typed = PREFIX + made.text[:1]
    remembered = ask(engine, typed, SUFFIX, max_tokens=3).figures
    assert (remembered.n_recalled, remembered.tokens_per_s, remembered.decode_ms) == (3, 0.0, 0.0)
    assert remembered.n_evaluated == 0
    resumed = ask(engine, typed, SUFFIX, max_tokens=20, mode="free").figures
    assert 0 < resumed.n_recalled < resumed.n_generated
    for figures in (made.figures, remembered, resumed):
        assert_adds_up(figures)


def test_the_same_question_has_the_same_prompt_wherever_its_answer_comes_from(engine: Engine) -> None:
    made = ask(engine, PREFIX, SUFFIX, max_tokens=12).figures
    remembered = ask(engine, PREFIX, SUFFIX, max_tokens=12).figures
    assert (remembered.n_recalled, remembered.n_generated) == (made.n_generated, made.n_generated)
    assert (remembered.n_prompt, remembered.n_evaluated) == (made.n_prompt, 0)


class After:
    """An interrupt that comes when it was asked for the `n`th time."""

    def __init__(self, n: int) -> None:
        self.n_left = n

    @property
    def reason(self) -> FinishReason | None:
        self.n_left -= 1
        return "superseded" if self.n_left < 0 else None


@pytest.mark.parametrize("n", [0, 1, 3, 12])
def test_of_an_interrupted_request_what_was_done_is_counted(engine: Engine, n: int) -> None:
    events: list[CompletionEvent] = []
    completion = Completion(document="test\na.py", prefix=LINES + PREFIX, layout="spm", max_tokens=20)
    engine.complete(completion, events.append, After(n))
    last = events[-1]
    assert isinstance(last, Done)
    assert last.finish_reason == "superseded"
    assert last.figures is not None
    assert last.figures.n_prompt == last.figures.n_evaluated
    assert_adds_up(last.figures)
