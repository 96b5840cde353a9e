"""Past the trained window every token sees what it would have seen in training.

Compared with the reference implementation, transformers' Starcoder2 with a sliding window, on a small random
model: a token at position i attends to those at i - window + 1 ... i.
"""

import dataclasses
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="torch is not installed: pip install 'stardraft[reference]'")
pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install 'stardraft[reference]'"
)
pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: pip install 'stardraft[engine]'")

import torch

from stardraftd.engine import llama
from stardraftd.engine.core import Engine
from stardraftd.engine.loading import LoadedModel, load
from stardraftd.engine.messages import EngineSettings
from stardraftd.engine.sequences import CachedSequence, Reuse, SequenceCache
from tests.support.engines import ask, cache_is_true, warm
from tests.support.tiny_models import reference_model, write_tiny_model

WINDOW = 64
N_TOKENS = 300
# llama.cpp keeps keys and values in 16 bits; logits have a standard deviation of about 1.
BOUND = 0.02
Logits = NDArray[np.float32]

IDS = array("i", np.random.default_rng(3).integers(100, 40_000, N_TOKENS).tolist())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(
        tmp_path_factory.mktemp("window") / "tiny.gguf",
        layers=3,
        hidden=64,
        heads=4,
        kv_heads=2,
        context=1024,
    )


@pytest.fixture(scope="module")
def loaded(path: Path) -> Iterator[LoadedModel]:
    llama.open_backend()
    settings = EngineSettings(model_path=str(path), context_tokens=1024, batch_tokens=64, gpu_layers=0)
    model = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    yield model
    model.close()


@pytest.fixture
def cache(loaded: LoadedModel) -> SequenceCache:
    loaded.context.clear()
    return SequenceCache(loaded.context, 6, WINDOW)


def reference_logits(path: Path, window: int | None) -> Logits:
    model: Any = reference_model(path, window)
    with torch.no_grad():
        return np.asarray(model(torch.tensor([list(IDS)])).logits[0].numpy(), np.float32)


@pytest.fixture(scope="module")
def windowed(path: Path) -> Logits:
    return reference_logits(path, WINDOW)


@pytest.fixture(scope="module")
def unbounded(path: Path) -> Logits:
    return reference_logits(path, None)


def evaluated(cache: SequenceCache, sequence: CachedSequence, ids: "array[int]", n_at_once: int) -> Logits:
    """Logits after the last token of each decode."""
    rows = []
    for start in range(0, len(ids), n_at_once):
        cache.evaluate(sequence, ids[start : start + n_at_once])
        rows.append(cache._context.logits().copy())
    return np.stack(rows)


def fork(cache: SequenceCache) -> CachedSequence:
    return cache.fork(Reuse(None, 0, 0), "a", "fork")


def furthest(one: Logits, other: Logits) -> float:
    return float(np.abs(one - other).max())


def test_token_by_token_the_window_is_that_of_the_reference(
    cache: SequenceCache, windowed: Logits, unbounded: Logits
) -> None:
    ours = evaluated(cache, fork(cache), IDS, 1)
    assert furthest(ours, windowed) < BOUND
    assert furthest(windowed[:WINDOW], unbounded[:WINDOW]) < BOUND, "up to the window it is the same thing"
    assert furthest(ours[WINDOW + 8 :], unbounded[WINDOW + 8 :]) > 5 * BOUND, "past it, it is not"


def test_several_at_once_are_right_to_within_a_micro_batch(
    cache: SequenceCache, windowed: Logits, unbounded: Logits
) -> None:
    """The last of 8 tokens sees up to 7 more than in training, and nothing like all of the past."""
    n = 8
    ours = evaluated(cache, fork(cache), IDS[: N_TOKENS // n * n], n)
    last = slice(n - 1, N_TOKENS // n * n, n)
    far = slice(2 * WINDOW // n, None)
    to_window = np.sqrt(((ours[far] - windowed[last][far]) ** 2).mean())
    to_all = np.sqrt(((ours[far] - unbounded[last][far]) ** 2).mean())
    assert to_window < 0.5 * to_all


def test_a_fork_that_goes_on_holds_a_windows_cells(cache: SequenceCache, loaded: LoadedModel) -> None:
    sequence = fork(cache)
    evaluated(cache, sequence, IDS, 1)
    assert cache.n_cells_used == WINDOW
    assert loaded.context.last_position(sequence.index) == N_TOKENS - 1


def test_a_files_sequence_keeps_all_and_serves_a_fork_at_any_place(
    cache: SequenceCache, windowed: Logits
) -> None:
    file = cache.fork(Reuse(None, 0, 0), "a", "file")
    evaluated(cache, file, IDS, 1)
    assert cache.n_cells_used == N_TOKENS
    assert file.n_exact == N_TOKENS
    for place in (40, 150, 280):
        reuse = Reuse(file, place, place)
        forked = cache.fork(reuse, "a", "fork")
        cache.evaluate(forked, IDS[place : place + 1])
        assert furthest(cache._context.logits(), windowed[place]) < BOUND
        cache.drop(forked)
    assert not [sequence for sequence in cache.sequences if sequence.in_use and sequence.role == "scratch"]


def test_an_engine_types_on_past_the_window(loaded: LoadedModel) -> None:
    loaded.context.clear()
    engine = Engine(dataclasses.replace(loaded, window=WINDOW), 8)
    text = "".join(f"value_{i} = {i}\n" for i in range(40))
    for end in range(len(text) - 30, len(text), 3):
        ask(engine, text[:end], "", mode="free", max_tokens=4)
        assert cache_is_true(engine)
    warm(engine, text, "", 3)
    assert cache_is_true(engine)
