"""A keystroke costs a keystroke: what each kind of edit evaluates, on an engine that believes itself slow.

A small random model computes, but the planner is told the speeds of StarCoder2-3B on two cores; so the plans
are those of the large model, and only tokens are counted here.
"""

import dataclasses
import random
import statistics
from collections.abc import Callable

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.protocol.completion import Completion, CompletionEvent, Done
from tests.support.engines import ask, cache_is_true, cold_text, slow_engine, warm

FILE = "".join(
    f"    def method_{number}(self, value):\n"
    f"        self.items[{number}] = value * {number}\n"
    f"        return self.find(value)\n\n"
    for number in range(28)
)


def behind_value(text: str, number: int) -> int:
    """A place in the middle of a method's line."""
    begun = f"self.items[{number}] = value"
    return text.index(begun) + len(begun)


MIDDLE = FILE.index("    def method_14")
BEFORE, BEHIND = FILE[:MIDDLE], FILE[MIDDLE:]


def rested(engine: Engine) -> Engine:
    """A file that is open, read and rested in."""
    ask(engine, BEFORE, BEHIND)
    for level in (1, 2, 3):
        warm(engine, BEFORE, BEHIND, level)
    return engine


@pytest.fixture
def at_work(engine: Engine) -> Engine:
    return rested(engine)


def newest_text_is_that_of_a_cold_run(engine: Engine, loaded: LoadedModel, text: str) -> bool:
    generation = engine.generations.newest("test\na.py")
    assert generation is not None
    return cold_text(loaded, generation) == text


def test_a_file_just_opened_gets_a_small_window_first(engine: Engine) -> None:
    asked = ask(engine, BEFORE, BEHIND)
    assert asked.n_evaluated < 100, "it would take a slow machine long to read all of it"
    assert asked.plan.predicted_ms < 1.5 * 600
    assert not asked.plan.stale
    assert asked.plan.n_later > 500, "the rest is left for the background"


def test_with_more_patience_the_window_is_larger(engine: Engine, loaded: LoadedModel) -> None:
    small = ask(engine, BEFORE, BEHIND, target_ms=300.0)
    large = ask(slow_engine(loaded), BEFORE, BEHIND, target_ms=3000.0)
    assert large.plan.n_window > 2 * small.plan.n_window


def test_typing_costs_the_typed_tokens_brackets_included(at_work: Engine) -> None:
    """`(` puts a `)` after the cursor, which is typed over at the end; the suffix is not read again."""
    typed = "    total = sum(item.price(self.rate) for item in self.items)"
    prefix, closers, costs = BEFORE, "", []
    for key in typed:
        if key == ")" and closers.startswith(")"):
            closers = closers[1:]
        elif key == "(":
            closers = ")" + closers
        prefix += key
        costs.append(ask(at_work, prefix, closers + "\n" + BEHIND).n_evaluated)
    assert statistics.median(costs) <= 2
    assert sorted(costs)[int(len(costs) * 0.95)] <= 8
    assert cache_is_true(at_work)


@pytest.mark.parametrize(
    ("edit", "most"),
    [
        (lambda text: text[:-1], 4),
        (lambda text: text[:-6], 6),
        (lambda text: text + "\n        ", 6),
        (lambda text: text + ".append(value)\n        return self", 16),
        (lambda text: text.rpartition("\n")[0] + "\n", 60),
    ],
    ids=["delete a character", "delete a word", "Enter with indent", "paste", "delete the line"],
)
def test_edits_at_the_cursor_are_cheap(at_work: Engine, edit: Callable[[str], str], most: int) -> None:
    begun = BEFORE + "    def total(self):\n        self.items"
    ask(at_work, begun, "\n" + BEHIND)
    after = edit(begun)
    assert ask(at_work, after, "\n" + BEHIND).n_evaluated <= most
    assert ask(at_work, begun, "\n" + BEHIND).n_evaluated <= most, "undo"


def test_an_accepted_suggestion_is_in_the_cache_already(trained: LoadedModel) -> None:
    """A trained model's tokens are those that its text is made of again; a random one's are any."""
    at_work = rested(slow_engine(trained))
    begun = BEFORE + "    def total(self):\n        return "
    suggested = ask(at_work, begun, "\n" + BEHIND).text
    assert suggested.strip()
    assert ask(at_work, begun + suggested, "\n" + BEHIND).n_evaluated <= 3


@pytest.mark.parametrize("number", [2, 9, 17, 26])
def test_a_jump_in_a_warm_file_costs_a_line_and_a_short_suffix(
    at_work: Engine, loaded: LoadedModel, number: int
) -> None:
    place = behind_value(FILE, number)
    asked = ask(at_work, FILE[:place], FILE[place:])
    assert asked.plan.kind == "anchored"
    assert not asked.plan.stale
    assert asked.n_evaluated <= 80
    assert newest_text_is_that_of_a_cold_run(at_work, loaded, asked.text)


def test_below_an_edit_only_the_changed_lines_and_a_short_suffix_are_evaluated(
    at_work: Engine, loaded: LoadedModel
) -> None:
    changed = BEFORE + "    # What follows is counted anew.\n    limit = 30\n\n" + BEHIND
    place = behind_value(changed, 25)
    asked = ask(at_work, changed[:place], changed[place:])
    assert asked.plan.stale, "what stands between the edit and the cursor was read with the old text"
    assert asked.n_evaluated <= 80
    assert cache_is_true(at_work)
    warm(at_work, changed[:place], changed[place:], 3)
    again = ask(at_work, changed[:place] + "x", changed[place:])
    assert not again.plan.stale, "at a longer rest all of it is read again"
    assert newest_text_is_that_of_a_cold_run(at_work, loaded, again.text)


def test_a_stale_suffix_is_exact_again_after_a_rest(at_work: Engine, loaded: LoadedModel) -> None:
    begun = BEFORE + "    total = len"
    ask(at_work, begun, "\n" + BEHIND)
    warm(at_work, begun, "\n" + BEHIND, 2)
    at_work.generations.forget()
    typed = ask(at_work, begun + "(", ")\n" + BEHIND)
    assert typed.plan.stale
    assert typed.n_evaluated <= 4
    warm(at_work, begun + "(", ")\n" + BEHIND, 2)
    at_work.generations.forget()
    rested = ask(at_work, begun + "(q", ")\n" + BEHIND)
    assert not rested.plan.stale
    assert rested.n_evaluated <= 4
    assert newest_text_is_that_of_a_cold_run(at_work, loaded, rested.text)


def test_a_model_that_was_not_trained_on_spm_never_gets_it(loaded: LoadedModel) -> None:
    engine = slow_engine(dataclasses.replace(loaded, architecture="qwen2"))
    for level in (1, 2, 3):
        assert ask(engine, BEFORE + "x" * level, BEHIND).plan.layout == "psm"
        warm(engine, BEFORE + "x" * level, BEHIND, level)
    assert ask(slow_engine(loaded), BEFORE, BEHIND).plan.layout == "spm"


def test_another_document_does_not_push_the_first_one_out(at_work: Engine) -> None:
    other = FILE.replace("method", "function").replace("items", "things")
    ask(at_work, other[:800], other[800:], document="test\nb.py")
    warm(at_work, other[:800], other[800:], 1, document="test\nb.py")
    place = behind_value(FILE, 5)
    assert ask(at_work, FILE[:place], FILE[place:]).n_evaluated <= 80


def test_a_rested_document_leaves_the_background_nothing_to_do(at_work: Engine) -> None:
    assert [warm(at_work, BEFORE, BEHIND, level).n_evaluated for level in (1, 2, 3)] == [0, 0, 0]


@pytest.mark.parametrize(("model", "every"), [("loaded", 1), ("trained", 4)], ids=["random", "built-in"])
def test_every_exact_plan_says_what_a_cold_run_says(
    model: str, every: int, request: pytest.FixtureRequest
) -> None:
    """A user types, deletes, jumps and rests at random; each answer of an exact plan is made again cold,
    and every fourth with the trained model, which takes four times as long."""
    choose = random.Random(11)
    loaded: LoadedModel = request.getfixturevalue(model)
    engine = slow_engine(loaded)
    checked = []
    text, cursor = FILE, MIDDLE
    for _ in range(60):
        kind = choose.choice("tttttdjwW")
        if kind == "t":
            key = choose.choice(["x", " = ", "self.", "(", "\n        ", "value"])
            text, cursor = text[:cursor] + key + text[cursor:], cursor + len(key)
        elif kind == "d":
            n = choose.randint(1, 12)
            text, cursor = text[: max(0, cursor - n)] + text[cursor:], max(0, cursor - n)
        elif kind == "j":
            cursor = choose.randrange(len(text))
        else:
            warm(engine, text[:cursor], text[cursor:], 2 if kind == "w" else 3)
            continue
        asked = ask(engine, text[:cursor], text[cursor:])
        assert cache_is_true(engine)
        if not asked.plan.stale and asked.plan.kind != "recalled":
            generation = engine.generations.newest("test\na.py")
            assert generation is not None
            checked.append((generation, asked.text))
    assert len(checked) > 20
    for generation, said in checked[::every]:
        assert cold_text(loaded, generation) == said


def test_interruptions_at_any_decode_leave_the_cache_true(loaded: LoadedModel) -> None:
    choose = random.Random(5)
    engine = slow_engine(loaded)

    class Soon:
        def __init__(self, n: int) -> None:
            self.n = n

        @property
        def reason(self) -> str | None:
            self.n -= 1
            return "superseded" if self.n < 0 else None

    for number in range(80):
        place = choose.randrange(len(FILE))
        changed = FILE[:place] + f"# {number}\n" + FILE[place:]
        completion = Completion(
            document="test\na.py", path="a.py", prefix=changed[:place], suffix=changed[place:], max_tokens=6
        )
        interrupt = Soon(choose.randrange(12))
        events: list[CompletionEvent] = []
        if choose.random() < 0.5:
            engine.complete(completion, events.append, interrupt)  # type: ignore[arg-type]
            assert isinstance(events[-1], Done)
        else:
            for _ in engine.warm(completion, 3, lambda _warmed: None, interrupt):  # type: ignore[arg-type]
                pass
        assert cache_is_true(engine)
        assert not any(sequence.pins for sequence in engine.cache.sequences)
        assert not [s for s in engine.cache.sequences if s.in_use and s.role == "scratch"]
