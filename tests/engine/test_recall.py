"""What was generated is not generated again: for whoever types it, or accepts it and goes on."""

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.engine.native.loading import LoadedModel
from tests.support.engines import ask, slow_engine, warm

PREFIX = "class Shelf:\n    def __init__(self, items):\n        self."
SUFFIX = "\n\n    def add(self, item):\n        self.items.append(item)\n"


@pytest.fixture
def text(engine: Engine) -> str:
    suggested = ask(engine, PREFIX, SUFFIX, max_tokens=12).text
    assert len(suggested) > 4
    return suggested


def test_typing_what_was_suggested_needs_no_model(engine: Engine, text: str) -> None:
    for n in range(1, len(text)):
        asked = ask(engine, PREFIX + text[:n], SUFFIX, max_tokens=12)
        assert asked.plan.kind == "recalled"
        assert asked.n_evaluated <= 1
        assert (text[:n] + asked.text).startswith(text)


def test_a_bracket_that_the_editor_closed_changes_nothing(engine: Engine, text: str) -> None:
    asked = ask(engine, PREFIX + text[:2], ")" + SUFFIX, max_tokens=12)
    assert asked.plan.kind == "recalled"


@pytest.mark.parametrize(
    ("typed", "suffix", "fields"),
    [
        ("zq", SUFFIX, {}),
        ("", SUFFIX + "\n\ndef other():\n    pass\n", {}),
        ("", SUFFIX, {"repository": "shelf"}),
        ("", SUFFIX, {"temperature": 0.5}),
        ("", SUFFIX, {"n_candidates": 2}),
        ("", SUFFIX, {"layout": "psm"}),
    ],
    ids=[
        "another key",
        "other lines below",
        "other context",
        "chance",
        "several",
        "another layout",
    ],
)
def test_anything_else_is_generated(
    engine: Engine, text: str, typed: str, suffix: str, fields: dict[str, object]
) -> None:
    assert text
    assert ask(engine, PREFIX + typed, suffix, max_tokens=12, **fields).plan.kind != "recalled"  # type: ignore[arg-type]


def test_the_same_text_in_another_editor_is_recalled(engine: Engine, text: str) -> None:
    asked = ask(engine, PREFIX, SUFFIX, max_tokens=12, document="another editor\na.py")
    assert asked.plan.kind == "recalled"
    assert asked.text == text


def test_after_a_pause_the_next_line_is_ready(trained: LoadedModel) -> None:
    """The background goes on after the end of the line; accepting it and pressing Enter finds the next."""
    engine = slow_engine(trained)
    begun = "import os\nimport sys\n"
    first = ask(engine, begun, "\n", max_tokens=24)
    assert first.done.finish_reason == "boundary"
    assert warm(engine, begun, "\n", 1).n_generated > 0
    generation = engine.generations.newest("test\na.py")
    assert generation is not None
    said = b"".join(generation.pieces).decode()
    accepted = first.text.rstrip("\n") + "\n"
    assert said.startswith(accepted)
    after_enter = ask(engine, begun + accepted, "\n", max_tokens=4)
    assert after_enter.plan.kind == "recalled"
    assert after_enter.figures.n_recalled > 0


def test_an_empty_suggestion_is_remembered_too(engine: Engine) -> None:
    first = ask(engine, "x = 1\n\n\nif __name__ == '__main__':\n    main()\n", "")
    again = ask(engine, "x = 1\n\n\nif __name__ == '__main__':\n    main()\n", "")
    assert again.text == first.text
    assert again.n_evaluated <= 1
