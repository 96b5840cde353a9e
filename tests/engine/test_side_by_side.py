"""Several editors in one cache: what is done for one of them does not reach into another one's answer."""

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.core import Engine
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.protocol.completion import Completion, CompletionEvent, Done, Text
from tests.support.engines import Wanted, cache_is_true, slow_engine, warm

FILE = "".join(
    f"    def method_{number}(self, value):\n        self.items[{number}] = value\n        return self\n\n"
    for number in range(24)
)
CHANGED = FILE.index("    def method_3")
WRITTEN = FILE[: FILE.index("method_20")] + "zeta(self, alpha):\n        for item in self.items:\n"


class Answer:
    """A long answer for the second editor, in a file that the first one has been reading too."""

    def __init__(self, engine: Engine) -> None:
        self.events: list[CompletionEvent] = []
        completion = Completion(
            document="second\na.py", path="a.py", prefix=WRITTEN, mode="free", max_tokens=40
        )
        self._steps = engine.steps(completion, self.events.append, Wanted())

    def begin(self) -> None:
        """Goes on until there is some text, with more to come."""
        while not any(isinstance(event, Text) for event in self.events):
            next(self._steps)
        assert not any(isinstance(event, Done) for event in self.events)

    def finish(self) -> str:
        for _ in self._steps:
            pass
        last = self.events[-1]
        assert isinstance(last, Done)
        return last.text


def an_engine_that_read_the_file(loaded: LoadedModel) -> Engine:
    engine = slow_engine(loaded)
    warm(engine, FILE, "", 1, document="first\na.py")
    return engine


def test_a_changed_line_in_one_editor_leaves_the_answer_in_another_alone(loaded: LoadedModel) -> None:
    """The file's cells behind the change are not moved while somebody's answer stands on them."""
    undisturbed = Answer(an_engine_that_read_the_file(loaded)).finish()
    engine = an_engine_that_read_the_file(loaded)
    answer = Answer(engine)
    answer.begin()
    warm(engine, FILE[:CHANGED] + "    # a note\n", FILE[CHANGED:], 1, document="first\na.py")
    assert cache_is_true(engine)
    assert answer.finish() == undisturbed
    (file,) = engine.cache.find("first\na.py", "file")
    assert file.n_exact == len(file.tokens), "what could not be moved was read anew"
    assert cache_is_true(engine)


def test_when_nobody_else_is_at_work_the_rest_of_the_file_is_moved(loaded: LoadedModel) -> None:
    engine = an_engine_that_read_the_file(loaded)
    Answer(engine).finish()
    warmed = warm(engine, FILE[:CHANGED] + "    # a note\n", FILE[CHANGED:], 1, document="first\na.py")
    assert warmed.n_evaluated < 20
    (file,) = engine.cache.find("first\na.py", "file")
    assert file.n_exact < len(file.tokens)
