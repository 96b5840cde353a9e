"""Reuse is real and changes nothing: the cache is what llama.cpp holds, and texts are those of a cold run."""

import random
import threading
import time
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine import llama
from stardraftd.engine.core import Engine
from stardraftd.engine.loading import LoadedModel, load
from stardraftd.engine.messages import Completion, CompletionEvent, Done, EngineSettings, Figures
from stardraftd.engine.sequences import SequenceCache, common_prefix
from stardraftd.paths import builtin_model_path

N_SEQUENCES = 3
N_CELLS = 2048


class Wanted:
    """An interrupt that never comes."""

    reason = None


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedModel]:
    llama.open_backend()
    settings = EngineSettings(
        model_path=str(builtin_model_path()), context_tokens=N_CELLS, batch_tokens=64, gpu_layers=0
    )
    model = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    yield model
    model.close()


@pytest.fixture
def engine(loaded: LoadedModel) -> Engine:
    loaded.context.clear()
    return Engine(loaded, N_SEQUENCES)


def complete(engine: Engine, **fields: object) -> tuple[str, Figures]:
    events: list[CompletionEvent] = []
    engine.complete(Completion(**fields), events.append, Wanted())  # type: ignore[arg-type]
    last = events[-1]
    assert isinstance(last, Done)
    assert last.figures is not None
    return last.text, last.figures


SOURCE = "".join(
    f"    def method_{number}(self, value):\n        self.items[{number}] = value\n        return self\n\n"
    for number in range(12)
)


def test_typing_a_line_key_by_key_gives_what_cold_runs_give(engine: Engine, loaded: LoadedModel) -> None:
    typed = "    def total(self):\n        return sum(item for item in self.items)"
    costs = []
    texts = []
    for end in range(1, len(typed) + 1):
        text, figures = complete(engine, document="a", prefix=SOURCE + typed[:end], suffix="\n\n" + SOURCE)
        costs.append(figures.n_evaluated)
        texts.append(text)
        assert figures.n_reused + figures.n_evaluated == figures.n_prompt
    assert sorted(costs[1:])[len(costs) // 2] <= 2
    assert max(costs[1:]) <= 8
    for end in range(1, len(typed) + 1, 7):
        loaded.context.clear()
        cold, figures = complete(
            Engine(loaded, N_SEQUENCES), document="a", prefix=SOURCE + typed[:end], suffix="\n\n" + SOURCE
        )
        assert figures.n_reused == 0
        assert cold == texts[end - 1], typed[:end]


def test_many_documents_share_the_cells_and_the_least_recent_goes(engine: Engine) -> None:
    for number in range(6):
        _, figures = complete(engine, document=f"{number}", prefix=f"# {number}\n" + SOURCE, suffix="\n")
        assert figures.n_evaluated > 0
    _, again = complete(engine, document="5", prefix="# 5\n" + SOURCE, suffix="\n")
    assert again.n_evaluated == 1
    _, gone = complete(engine, document="0", prefix="# 0\n" + SOURCE, suffix="\n")
    assert gone.n_reused < gone.n_prompt // 2


def test_files_of_the_repository_are_shared_between_documents(engine: Engine) -> None:
    from stardraftd.engine.messages import ContextChunk

    chunks = (ContextChunk("base.py", SOURCE[:600]),)
    _, first = complete(engine, document="a", prefix="x = ", repository="shelf", chunks=chunks)
    _, second = complete(engine, document="b", prefix="y = ", repository="shelf", chunks=chunks)
    assert first.n_reused == 0
    assert second.n_reused > 100


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_the_common_prefix_is_the_longest_one(a: list[int], b: list[int]) -> None:
    n = common_prefix(array("i", a), array("i", b))
    assert a[:n] == b[:n]
    assert n in (len(a), len(b)) or a[n] != b[n]


def test_whatever_is_asked_the_cache_knows_what_llama_cpp_holds(loaded: LoadedModel) -> None:
    choose = random.Random(7)
    loaded.context.clear()
    cache = SequenceCache(loaded.context, N_SEQUENCES)
    for _ in range(60):
        length = choose.randint(1, 300)
        base = choose.randint(0, 2) * 1000
        prompt = array("i", (1000 + base + i for i in range(length)))
        if choose.random() < 0.3:
            prompt[choose.randrange(length)] += 7
        sequence, n_reused = cache.prepare(f"{choose.randint(0, 5)}", prompt, 8)
        assert sequence.tokens == prompt[:n_reused]
        assert n_reused < len(prompt)
        assert loaded.context.last_position(sequence.index) == n_reused - 1
        for start in range(n_reused, length, 64):
            piece = prompt[start : min(start + 64, length)]
            loaded.context.decode(piece, start, sequence.index)
            cache.extend(sequence, piece)
        assert sequence.tokens == prompt
        assert loaded.context.last_position(sequence.index) == length - 1


def test_an_interrupted_decode_leaves_the_cache_true(loaded: LoadedModel) -> None:
    """The flag is raised from another thread, as a cancel is, in the middle of a long batch."""
    loaded.context.clear()
    cache = SequenceCache(loaded.context, N_SEQUENCES)
    prompt = array("i", (1000 + i % 500 for i in range(1500)))
    abort = loaded.context.abort
    interrupted = 0
    for attempt in range(20):
        sequence, n_reused = cache.prepare("a", prompt, 8)
        timer = threading.Timer(0.002 * (attempt + 1), abort.raise_)
        timer.start()
        try:
            for start in range(n_reused, len(prompt), 64):
                piece = prompt[start : start + 64]
                try:
                    loaded.context.decode(piece, start, sequence.index)
                except llama.Aborted:
                    cache.resync(sequence, piece)
                    interrupted += 1
                    break
                cache.extend(sequence, piece)
        finally:
            timer.cancel()
            timer.join()
            abort.lower()
        assert len(sequence.tokens) == loaded.context.last_position(sequence.index) + 1
        assert sequence.tokens == prompt[: len(sequence.tokens)]
        cache.truncate(sequence, 0)
    assert interrupted > 0


def test_an_interrupt_ends_a_completion_between_two_tokens(engine: Engine) -> None:
    class Later:
        def __init__(self) -> None:
            self.n_looks = 0

        @property
        def reason(self) -> str | None:
            self.n_looks += 1
            return "cancelled" if self.n_looks > 12 else None

    events: list[CompletionEvent] = []
    started = time.perf_counter()
    engine.complete(
        Completion(document="a", prefix="class A:\n    x = ", mode="free", max_tokens=500),
        events.append,
        Later(),  # type: ignore[arg-type]
    )
    last = events[-1]
    assert isinstance(last, Done)
    assert last.finish_reason == "cancelled"
    assert last.figures is not None
    assert last.figures.n_generated <= 12
    assert time.perf_counter() > started
