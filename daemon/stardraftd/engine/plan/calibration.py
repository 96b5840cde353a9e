"""Measuring what decodes cost on this device, and remembering it from one loading to the next."""

import time
from array import array
from collections.abc import Iterator

from stardraftd.engine.cache.sequences import Reuse, SequenceCache
from stardraftd.engine.interrupt import Interrupt
from stardraftd.engine.native.llama import Aborted
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.engine.plan.speeds import (
    LOAD_BUDGET_MS,
    MAX_VERIFIED,
    SpeedModel,
    remember,
    remembered,
    speeds_file,
)
from stardraftd.measurements import Key
from stardraftd.protocol.engine import EngineSettings

DOCUMENT = "\ncalibration"  # no front end's document begins with a line end


class Never:
    """An interrupt that does not come."""

    reason = None


def open_speeds(loaded: LoadedModel, cache: SequenceCache, settings: EngineSettings) -> SpeedModel:
    """What was measured for this model on this device before; or a first quick measurement, about 2 s."""
    file = speeds_file(settings)
    speeds = remembered(file, Key.of(loaded.info, settings).text) if file else SpeedModel()
    if not speeds.curve:
        started = time.perf_counter()
        for _ in calibrate(loaded, cache, speeds, Never()):
            if (time.perf_counter() - started) * 1000 > LOAD_BUDGET_MS:
                break
        keep_speeds(loaded, settings, speeds)
    return speeds


def keep_speeds(loaded: LoadedModel, settings: EngineSettings, speeds: SpeedModel) -> None:
    file = speeds_file(settings)
    if file is not None:
        remember(file, Key.of(loaded.info, settings).text, speeds)


def calibrate(
    loaded: LoadedModel, cache: SequenceCache, speeds: SpeedModel, interrupt: Interrupt
) -> Iterator[None]:
    """Measures the batch sizes that are missing, one after the other. Raises Aborted."""
    missing = [n for n in speeds.missing if n <= loaded.context.n_batch]
    if not missing:
        return
    if not speeds.curve:
        _time_one(loaded, cache, 1)  # the first decode of all touches every page of the weights
    for n in missing:
        if interrupt.reason:
            raise Aborted
        took_ms = min(_time_one(loaded, cache, n) for _ in range(3 if n <= 4 else 1))
        speeds.measured(n, took_ms)
        yield


def _time_one(loaded: LoadedModel, cache: SequenceCache, n: int) -> float:
    """Milliseconds of one decode of `n` tokens in an empty sequence.

    Of few tokens the logits of each are computed, as when guesses are verified.
    """
    tokens = array("i", (7 + i % (loaded.model.n_vocab - 7) for i in range(1000, 1000 + n)))
    sequence = cache.fork(Reuse(None, 0, 0), DOCUMENT, "scratch")
    try:
        started = time.perf_counter()
        cache.evaluate(sequence, tokens, all_logits=n <= MAX_VERIFIED)
        loaded.context.synchronize()
        return (time.perf_counter() - started) * 1000
    finally:
        cache.drop(sequence)
