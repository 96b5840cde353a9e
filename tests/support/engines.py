"""The engine inside the test's own process, on a random model or on the built-in one, as slow as a test wants
it to believe."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stardraftd.engine.cache.recall import Generation
from stardraftd.engine.cache.sequences import Reuse
from stardraftd.engine.core import Engine
from stardraftd.engine.decode.decoding import Decoder
from stardraftd.engine.decode.run import Run
from stardraftd.engine.native import backend, llama
from stardraftd.engine.native.loading import LoadedModel, load
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Completion, CompletionEvent, Done, Figures, Plan
from stardraftd.protocol.engine import EngineSettings, Warmed

# StarCoder2-3B in Q4_K_M on two cores, as measured (docs/performance.md).
SLOW = ((1, 53.0), (2, 89.0), (4, 128.0), (8, 220.0), (16, 294.0), (32, 511.0), (64, 1021.0), (128, 1809.0))


class Fixed(SpeedModel):
    """Speeds that stay what they are, however fast the small model really is."""

    def took(self, predicted_ms: float, took_ms: float) -> None:
        """Nothing is learnt."""

    def token_took(self, n_cells: int, took_ms: float) -> None:
        """Nothing is learnt."""

    def measured(self, n_tokens: int, milliseconds: float) -> None:
        """Nothing is learnt."""


class Wanted:
    """An interrupt that does not come."""

    reason = None


@contextmanager
def loaded_model(
    path: Path | None = None, *, n_cells: int = 4096, n_batch: int = 64
) -> Iterator[LoadedModel]:
    """The model at `path`, by default the built-in one."""
    backend.open_backend()
    settings = EngineSettings(
        model_path=str(path or builtin_model_path()),
        context_tokens=n_cells,
        batch_tokens=n_batch,
        threads=1,
        gpu_layers=0,
    )
    model = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    try:
        yield dataclasses.replace(model, row=0)  # planned with as if it were a large one
    finally:
        model.close()


def slow_engine(loaded: LoadedModel, n_sequences: int = 12) -> Engine:
    """An engine with an empty cache that plans as if the model were StarCoder2-3B on two cores."""
    loaded.context.clear()
    settings = EngineSettings(model_path=loaded.info.path, speculation="off")
    return Engine(loaded, n_sequences, settings, Fixed(SLOW, cell_us=10.0))


class Asked:
    """A completion's plan, its text and its figures."""

    def __init__(self, events: list[CompletionEvent]) -> None:
        first, last = events[0], events[-1]
        assert isinstance(first, Plan)
        assert isinstance(last, Done)
        assert last.figures is not None
        self.plan: Plan = first
        self.done: Done = last
        self.text: str = last.text
        self.figures: Figures = last.figures

    @property
    def n_evaluated(self) -> int:
        return self.figures.n_evaluated


def ask(engine: Engine, prefix: str, suffix: str, *, document: str = "test\na.py", **fields: object) -> Asked:
    events: list[CompletionEvent] = []
    completion = Completion(
        document=document,
        path="a.py",
        prefix=prefix,
        suffix=suffix,
        **({"max_tokens": 8} | fields),  # type: ignore[arg-type]
    )
    engine.complete(completion, events.append, Wanted())
    return Asked(events)


def warm(engine: Engine, prefix: str, suffix: str, level: int, *, document: str = "test\na.py") -> Warmed:
    """All the background work of a level; asserts that nothing is left of it."""
    events: list[Warmed] = []
    completion = Completion(document=document, path="a.py", prefix=prefix, suffix=suffix, max_tokens=8)
    for _ in engine.warm(completion, level, events.append, Wanted()):
        pass
    assert events[-1].finished
    return events[-1]


def cold_text(loaded: LoadedModel, generation: Generation) -> str:
    """What the model says to a generation's prompt when nothing is cached."""
    loaded.context.clear()
    engine = Engine(
        loaded, 2, EngineSettings(model_path=loaded.info.path, speculation="off"), Fixed(SLOW, cell_us=10.0)
    )
    events: list[CompletionEvent] = []
    run = Run(generation.completion, events.append, Wanted())
    sequence = engine.cache.fork(Reuse(None, 0, 0), "cold", "fork")
    for _ in engine.evaluator.evaluate(sequence, generation.prompt, run):
        pass
    decoder: Decoder = engine.decoder
    again = Generation(generation.completion, generation.prompt, generation.layout, generation.stale)
    for _ in decoder.decode(sequence, again, run):
        pass
    return run.main.text


def cache_is_true(engine: Engine) -> bool:
    """Whether every sequence is as long in llama.cpp as the engine believes."""
    context = engine.loaded.context
    return all(
        context.last_position(sequence.index) == len(sequence.tokens) - 1
        for sequence in engine.cache.sequences
    )
