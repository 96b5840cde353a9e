"""Runs a model over tasks, through the engine that suggests in the editor: its prompts, boundaries and stops.

Every task begins with an empty cache, so answers do not depend on their order, and times are those of a
first request. The prompt's length is fixed for the layouts that are asked for by name; "auto" is what an
editor gets, planned by how fast this computer is, so it may answer differently on another.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stardraft_quant.evaluate.tasks import Answer, Arm, Task
from stardraftd.errors import EngineError, EngineMissingError
from stardraftd.protocol.completion import (
    Completion,
    CompletionEvent,
    Done,
    FinishReason,
    Mode,
    ModelInfo,
    Plan,
    Text,
)
from stardraftd.protocol.engine import EngineSettings

if TYPE_CHECKING:
    from stardraftd.engine.native.loading import LoadedModel

MAX_WINDOW = 4096  # tokens: what StarCoder2 was trained with


class Always:
    """An interrupt that does not come; Ctrl-C ends the process's own work."""

    reason: FinishReason | None = None


class Answerer:
    """A loaded model that answers tasks. Made by `opened`.

    window: the most tokens of a prompt and its answer together, for the layouts "psm" and "spm".
    """

    def __init__(self, loaded: "LoadedModel", settings: EngineSettings, window: int, *, plans: bool) -> None:
        from stardraftd.engine.core import Engine
        from stardraftd.engine.native.loading import N_SEQUENCES
        from stardraftd.engine.plan.speeds import SpeedModel

        # Without "auto" nothing is planned, so nothing has to be measured.
        speeds = None if plans else SpeedModel(((1, 1.0),), cell_us=0.0)
        self._engine = Engine(loaded, N_SEQUENCES, settings, speeds)
        self._own_window = self._engine.planner.n_window
        n_most = min(loaded.model.n_context_trained, loaded.context.n_cells // 2)
        self.window = min(window, n_most)
        self.info: ModelInfo = loaded.info
        self.warnings = loaded.warnings
        self.knows_repositories = loaded.sentinels.separator is not None
        self.knows_spm = loaded.architecture == "starcoder2"

    def answer(self, task: Task, arm: Arm, *, mode: Mode, max_tokens: int) -> Answer:
        """Greedy, from an empty cache. Raises EngineError."""
        engine = self._engine
        engine.forget_all()
        engine.planner.n_window = self._own_window if arm.layout == "auto" else self.window
        in_repository = arm.context == "repo"
        completion = Completion(
            document="eval",
            path="" if arm.context == "none" else task.path,
            prefix=task.prefix,
            suffix=task.suffix,
            repository=task.repository if in_repository else "",
            chunks=task.chunks if in_repository else (),
            mode=mode,
            layout=arm.layout,
            max_tokens=max_tokens,
        )
        events: list[CompletionEvent] = []
        started = time.perf_counter()
        engine.complete(completion, events.append, Always())
        return _answer(events, (time.perf_counter() - started) * 1000)


@contextmanager
def opened(
    model: Path,
    *,
    window: int = MAX_WINDOW,
    threads: int = 0,
    gpu_layers: int = -1,
    plans: bool = False,
) -> Iterator[Answerer]:
    """The model, loaded as the engine loads it. `plans` when the layout "auto" will be asked for.

    Raises ModelError, EngineLoadError, EngineMissingError.
    """
    if "OMP_WAIT_POLICY" not in os.environ:  # threads that wait yield soon, as in the daemon's engine process
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        os.environ.setdefault("KMP_BLOCKTIME", "1")
    try:
        from stardraftd.engine.native import backend, llama
        from stardraftd.engine.native.loading import load
    except ImportError as error:
        raise EngineMissingError(
            f"A model is run with llama.cpp, which is not installed: {error}.",
            "Have it built: stardraft setup engine",
        ) from error
    backend.open_backend()
    settings = EngineSettings(
        model_path=str(model),
        threads=threads,
        gpu_layers=gpu_layers,
        context_tokens=2 * window,
        speculation="off",
    )
    loaded = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    try:
        yield Answerer(loaded, settings, window, plans=plans)
    finally:
        loaded.close()


def _answer(events: list[CompletionEvent], total_ms: float) -> Answer:
    plan = next((event for event in events if isinstance(event, Plan)), None)
    done = events[-1]
    if plan is None or not isinstance(done, Done):
        raise EngineError("The engine ended a completion without an answer.", "Please report it.")
    tokens = [token for event in events if isinstance(event, Text) for token in event.tokens]
    return Answer(
        text=done.text,
        tokens=tuple(msgspec.structs.replace(token, logprob=round(token.logprob, 5)) for token in tokens),
        layout=plan.layout,
        ended=done.finish_reason,
        n_prompt=plan.n_prompt,
        n_context=plan.n_context,
        total_ms=round(total_ms, 3),
    )
