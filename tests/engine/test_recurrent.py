"""A model whose cache cannot be cut is served all the same: whole prompts, the same text as from nothing."""

from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: pip install 'stardraft[engine]'")

from stardraftd.engine.cache.sequences import Reuse, SequenceCache
from stardraftd.engine.core import Engine
from stardraftd.engine.native import backend, llama
from stardraftd.engine.native.loading import LoadedModel, load
from stardraftd.gguf.reading import read_header
from stardraftd.protocol.engine import EngineSettings
from tests.support.engines import ask, warm
from tests.support.tiny_models import write_hybrid_model, write_tiny_model

IDS = array("i", range(100, 130))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hybrid_model(tmp_path_factory.mktemp("hybrid") / "hybrid.gguf")


@pytest.fixture(scope="module")
def loaded(path: Path) -> Iterator[LoadedModel]:
    backend.open_backend()
    settings = EngineSettings(model_path=str(path), context_tokens=1024, batch_tokens=64, gpu_layers=0)
    model = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    yield model
    model.close()


@pytest.fixture
def cache(loaded: LoadedModel) -> Iterator[SequenceCache]:
    loaded.context.clear()
    yield SequenceCache(loaded.context, 4, window=16)
    loaded.context.clear()


def test_the_header_and_the_loaded_model_say_the_same(
    path: Path, loaded: LoadedModel, tmp_path: Path
) -> None:
    assert read_header(path).is_recurrent
    assert not loaded.info.can_cut
    assert not read_header(write_tiny_model(tmp_path / "plain.gguf", vocabulary=400)).is_recurrent


def test_a_refusal_of_llama_cpp_is_seen(loaded: LoadedModel, cache: SequenceCache) -> None:
    sequence = cache.fork(Reuse(None, 0, 0), "a", "fork")
    cache.evaluate(sequence, IDS)
    with pytest.raises(llama.NotRemovedError, match="positions 10 to"):
        loaded.context.remove(sequence.index, 10)


def test_only_a_whole_sequence_is_used_again(cache: SequenceCache) -> None:
    sequence = cache.fork(Reuse(None, 0, 0), "a", "fork")
    cache.evaluate(sequence, IDS)
    assert cache.reuse(IDS + array("i", (7,))).n_tokens == len(IDS)
    assert cache.reuse(IDS[:-1] + array("i", (7, 8, 9))).n_tokens == 0


def test_what_cannot_be_cut_is_dropped(loaded: LoadedModel, cache: SequenceCache) -> None:
    sequence = cache.fork(Reuse(None, 0, 0), "a", "fork")
    cache.evaluate(sequence, IDS)
    cache.truncate(sequence, 10)
    assert not sequence.tokens
    assert loaded.context.last_position(sequence.index) == -1


def test_an_interrupted_decode_leaves_nothing(loaded: LoadedModel, cache: SequenceCache) -> None:
    sequence = cache.fork(Reuse(None, 0, 0), "a", "fork")
    cache.evaluate(sequence, IDS)
    loaded.context.abort.raise_()
    try:
        with pytest.raises(llama.Aborted):
            cache.evaluate(sequence, IDS)
    finally:
        loaded.context.abort.lower()
    assert not sequence.tokens
    assert loaded.context.last_position(sequence.index) == -1


def test_nothing_forgets_past_a_window(cache: SequenceCache) -> None:
    sequence = cache.fork(Reuse(None, 0, 0), "a", "fork")
    cache.evaluate(sequence, IDS)
    assert (cache.window, sequence.n_forgotten) == (0, 0)


def test_each_answer_is_what_an_empty_cache_gives(loaded: LoadedModel) -> None:
    """Typing, deleting, jumping, resting and asking for several: each as if it were the first question."""
    lines = [f"value_{n} = compute({n})\n" for n in range(12)]
    text = "".join(lines)
    questions = [(text + typed, "print(value_3)\n") for typed in ("v", "va", "val", "v", "value_1 = ")]
    questions += [("".join(lines[:4]) + "x", "".join(lines[4:]))]
    engine = Engine(loaded, 8)
    for prefix, suffix in questions:
        warmed = ask(engine, prefix, suffix, max_tokens=6, layout="psm")
        warm(engine, prefix, suffix, 2)
        engine.forget_all()
        assert warmed.text == ask(engine, prefix, suffix, max_tokens=6, layout="psm").text
    several = ask(engine, text, "", max_tokens=4, n_candidates=3)
    assert len(several.done.candidates) == 3
    assert engine.decoder.speculation is None
    assert engine.save().n_sequences == 0
