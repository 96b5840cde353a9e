"""The cache is what llama.cpp holds: shared by documents, bounded in cells, true after every interruption."""

import random
import threading
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.cache.sequences import (
    CachedSequence,
    Reuse,
    SequenceCache,
    common_prefix,
    common_suffix,
)
from stardraftd.engine.core import Engine
from stardraftd.engine.native import llama
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.protocol.completion import Completion, CompletionEvent, ContextChunk, Done
from tests.support.engines import ask, cache_is_true, loaded_model, slow_engine, warm
from tests.support.tiny_models import random_model

N_CELLS = 2048
SOURCE = "".join(
    f"    def method_{number}(self, value):\n        self.items[{number}] = value\n        return self\n\n"
    for number in range(12)
)


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedModel]:
    with loaded_model(random_model(), n_cells=N_CELLS) as model:
        yield model


@pytest.fixture
def engine(loaded: LoadedModel) -> Engine:
    return slow_engine(loaded, 6)


@pytest.fixture
def cache(loaded: LoadedModel) -> SequenceCache:
    loaded.context.clear()
    return SequenceCache(loaded.context, 6)


def tokens(start: int, n: int) -> "array[int]":
    return array("i", range(start, start + n))


def evaluated(cache: SequenceCache, document: str, ids: "array[int]") -> CachedSequence:
    sequence = cache.fork(cache.reuse(ids), document, "fork")
    for start in range(len(sequence.tokens), len(ids), 64):
        cache.evaluate(sequence, ids[start : start + 64])
    return sequence


def test_many_documents_share_the_cells_and_the_least_recent_goes(engine: Engine) -> None:
    for number in range(6):
        source = f"# {number}\n" + SOURCE
        ask(engine, source, "\n", document=f"test\n{number}")
        warm(engine, source, "\n", 1, document=f"test\n{number}")
        assert engine.cache.n_cells_used <= N_CELLS
        assert cache_is_true(engine)
    assert engine.cache.find("test\n5", "file")
    assert not engine.cache.find("test\n0", "file")


def test_files_of_the_repository_are_shared_between_documents(engine: Engine) -> None:
    chunks = (ContextChunk("base.py", SOURCE[:600]),)
    first = ask(engine, "x = ", "", document="a", repository="shelf", chunks=chunks)
    second = ask(engine, "y = ", "", document="b", repository="shelf", chunks=chunks)
    assert first.plan.n_reused == 0
    assert second.plan.n_reused > 100


def test_a_copied_beginning_takes_no_cells(cache: SequenceCache) -> None:
    first = evaluated(cache, "a", tokens(1000, 300))
    n_before = cache.n_cells_used
    cache.fork(Reuse(first, 200, 200), "b", "fork")
    assert cache.n_cells_used == n_before == 300
    cache.drop(first)
    assert cache.n_cells_used == 200, "what the other one still needs stays"


def test_what_cannot_be_rebuilt_cheaply_is_evicted_last(cache: SequenceCache) -> None:
    file = evaluated(cache, "a", tokens(1000, 700))
    file.role = "file"
    old_fork = evaluated(cache, "b", tokens(3000, 700))
    evaluated(cache, "c", tokens(5000, 900))
    assert file.tokens
    assert not old_fork.tokens


def test_a_pinned_sequence_stays(cache: SequenceCache) -> None:
    pinned = evaluated(cache, "a", tokens(1000, 900))
    with cache.pinned(pinned):
        evaluated(cache, "b", tokens(3000, 900))
        evaluated(cache, "c", tokens(5000, 900))
    assert len(pinned.tokens) == 900


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_the_common_prefix_is_the_longest_one(a: list[int], b: list[int]) -> None:
    n = common_prefix(array("i", a), array("i", b))
    assert a[:n] == b[:n]
    assert n in (len(a), len(b)) or a[n] != b[n]


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)), st.integers(0, 8))
def test_the_common_suffix_is_the_longest_one(a: list[int], b: list[int], n_most: int) -> None:
    n = common_suffix(array("i", a), array("i", b), n_most)
    assert a[len(a) - n :] == b[len(b) - n :]
    assert n in (len(a), len(b), n_most) or a[-n - 1] != b[-n - 1]


def test_whatever_is_asked_the_cache_knows_what_llama_cpp_holds(
    cache: SequenceCache, loaded: LoadedModel
) -> None:
    choose = random.Random(7)
    for _ in range(60):
        prompt = tokens(1000 + choose.randint(0, 2) * 1000, choose.randint(2, 300))
        if choose.random() < 0.3:
            prompt[choose.randrange(len(prompt))] += 7
        reuse = cache.reuse(prompt)
        assert reuse.n_tokens < len(prompt), "the last token is evaluated for its logits"
        sequence = evaluated(cache, f"{choose.randint(0, 5)}", prompt)
        assert sequence.tokens == prompt
        assert sequence.n_exact == len(prompt)
        for other in cache.sequences:
            assert loaded.context.last_position(other.index) == len(other.tokens) - 1


def test_a_spliced_file_stands_at_its_new_positions(cache: SequenceCache, loaded: LoadedModel) -> None:
    old = tokens(1000, 400)
    sequence = evaluated(cache, "a", old)
    behind = cache.fork(Reuse(sequence, 350, 350), "a", "fork")
    patched = cache.fork(Reuse(sequence, 100, 100), "a", "scratch")
    cache.evaluate(patched, tokens(8000, 30))
    cache.splice(sequence, 100, 120, patched)
    assert patched.tokens == tokens(1000, 100) + tokens(8000, 30) + tokens(1120, 280)
    assert patched.n_exact == 130
    assert len(behind.tokens) == 120, "a fork that shared the moved cells keeps what stands before them"
    assert not sequence.in_use
    for other in cache.sequences:
        assert loaded.context.last_position(other.index) == len(other.tokens) - 1
    cache.evaluate(patched, tokens(20, 3))
    assert loaded.context.last_position(patched.index) == 412


def test_an_interrupted_decode_leaves_the_cache_true(cache: SequenceCache, loaded: LoadedModel) -> None:
    """The flag is raised from another thread, as a cancel is, in the middle of a long batch."""
    prompt = array("i", (1000 + i % 500 for i in range(1500)))
    abort = loaded.context.abort
    interrupted = 0
    for attempt in range(20):
        sequence = cache.fork(Reuse(None, 0, 0), "a", "fork")
        timer = threading.Timer(0.002 * (attempt + 1), abort.raise_)
        timer.start()
        try:
            for start in range(0, len(prompt), 64):
                cache.evaluate(sequence, prompt[start : start + 64])
        except llama.Aborted:
            interrupted += 1
        finally:
            timer.cancel()
            timer.join()
            abort.lower()
        assert len(sequence.tokens) == loaded.context.last_position(sequence.index) + 1
        assert sequence.tokens == prompt[: len(sequence.tokens)]
        cache.drop(sequence)
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
    engine.complete(
        Completion(document="a", prefix="class A:\n    x = ", mode="free", max_tokens=500),
        events.append,
        Later(),  # type: ignore[arg-type]
    )
    last = events[-1]
    assert isinstance(last, Done)
    assert last.finish_reason == "cancelled"
    assert last.figures is not None
    assert 0 < last.figures.n_generated <= 12
