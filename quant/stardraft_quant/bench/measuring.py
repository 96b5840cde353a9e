"""`python -m stardraft_quant.bench.measuring`: the process that holds the model and times its decodes.

`speed` starts it with the engine's environment, for OpenMP reads its variables once, when its library is
loaded. It speaks JSON, a line a message: settings come first and are answered by `Loading`... and `Ready`;
then each question by one answer. A `Failed` is the last answer. The process leaves when stdin ends.

What is decoded is nonsense, for a decode costs the same whatever the tokens are.
"""

import os
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from stardraftd.errors import EngineError, EngineLoadError, StardraftError
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.engine import EngineSettings
from stardraftd.protocol.errors import ErrorMessage

if TYPE_CHECKING:
    from stardraftd.engine.native.decode_clock import DecodeClock
    from stardraftd.engine.native.llama import AbortFlag
    from stardraftd.engine.native.loading import LoadedModel

SEQUENCE = 0
N_TO_WAKE = 32  # tokens
PROGRESS_STEP = 0.02


# --- questions and answers -------------------------------------------------------------------------------


class Prefill(Struct, frozen=True, kw_only=True, tag="prefill"):
    """How long do `n_tokens` take behind `depth` others?

    It is measured `n_times`, but not again once `budget_ms` are spent.
    """

    depth: int
    n_tokens: int
    n_times: int
    budget_ms: float


class Decode(Struct, frozen=True, kw_only=True, tag="decode"):
    """How long do `n_tokens` take one by one behind `depth` others, each chosen from the logits before it?"""

    depth: int
    n_tokens: int
    n_times: int
    budget_ms: float


class Resident(Struct, frozen=True, tag="resident"):
    """How much memory does the process hold now?"""


Question = Prefill | Decode | Resident


class Loading(Struct, frozen=True, tag="loading"):
    fraction: float


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """The model is loaded and was decoded with once.

    description:     the model's architecture, size and type in llama.cpp's own words.
    weights_bytes:   the tensors alone; `info.size_bytes` is the file.
    started_bytes:   resident memory before the model was loaded: Python and the libraries.
    """

    info: ModelInfo
    description: str
    n_batch: int
    weights_bytes: int
    started_bytes: int
    warnings: tuple[str, ...]


class Took(Struct, frozen=True, tag="took"):
    """Milliseconds of each repetition."""

    ms: tuple[float, ...]


class Decoded(Struct, frozen=True, kw_only=True, tag="decoded"):
    """Milliseconds of each token, by repetition: of the whole loop, and of that inside `llama_decode`."""

    token_ms: tuple[tuple[float, ...], ...]
    native_ms: tuple[tuple[float, ...], ...]


class Holds(Struct, frozen=True, tag="holds"):
    resident_bytes: int


class Failed(ErrorMessage, frozen=True, tag="failed"):
    """An error of stardraftd.errors."""


Answer = Loading | Ready | Took | Decoded | Holds | Failed

settings_decoder = msgspec.json.Decoder(EngineSettings)
question_decoder = msgspec.json.Decoder(Question)
answer_decoder = msgspec.json.Decoder(Answer)


def line(message: EngineSettings | Question | Answer) -> bytes:
    """A message as it stands on the pipe."""
    return msgspec.json.encode(message) + b"\n"


# --- the process -----------------------------------------------------------------------------------------


def main() -> int:
    """Runs until stdin ends. Returns the process's exit status."""
    out = _take_stdout()

    def send(answer: Answer) -> None:
        out.write(line(answer))
        out.flush()

    try:
        _serve(sys.stdin.buffer, send)
    except StardraftError as error:
        send(Failed.of(error))
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def _take_stdout() -> BinaryIO:
    """The real stdout, moved aside: what native code prints goes to stderr."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(sys.stderr.fileno(), 1)
    return out


def _serve(questions: BinaryIO, send: Callable[[Answer], None]) -> None:
    from stardraftd.engine.worker import open_engine

    settings = settings_decoder.decode(questions.readline())
    requests = open_engine()
    started_bytes = _resident_bytes()
    _check_memory(settings)
    loaded = _load(settings, requests.abort, send)
    from stardraftd.engine.native.decode_clock import timed_decodes

    with timed_decodes() as clock:
        bench = Bench(loaded, clock)
        bench.warm_up()
        send(_ready(loaded, started_bytes))
        for question in questions:
            send(bench.answer(question_decoder.decode(question)))


def _load(settings: EngineSettings, abort: "AbortFlag", send: Callable[[Answer], None]) -> "LoadedModel":
    from stardraftd.engine.native.loading import load

    told = -1.0

    def tell(_name: str, fraction: float) -> None:
        nonlocal told
        if fraction >= told + PROGRESS_STEP:
            told = fraction
            send(Loading(round(fraction, 3)))

    return load(settings, abort, tell)


def _check_memory(settings: EngineSettings) -> None:
    """Raises EngineLoadError if the file cannot fit: the system would end the process, without a reason."""
    import psutil

    from stardraftd.engine.native.devices import offload_devices

    if settings.gpu_layers != 0 and offload_devices():
        return  # its memory is llama.cpp's to look at
    needed_bytes = 0
    with suppress(OSError):  # that it is not there is said where it is opened
        needed_bytes = os.stat(settings.model_path).st_size  # noqa: PTH116
    available_bytes = psutil.virtual_memory().available
    if needed_bytes > available_bytes:
        raise EngineLoadError(
            f"{settings.model_path} has {needed_bytes / 1e9:,.1f} GB, and {available_bytes / 1e9:,.1f} GB "
            "of memory are free.",
            "Free some memory, or measure a smaller model.",
        )


def _ready(loaded: "LoadedModel", started_bytes: int) -> Ready:
    return Ready(
        info=loaded.info,
        description=loaded.model.description,
        n_batch=loaded.context.n_batch,
        weights_bytes=loaded.model.size_bytes,
        started_bytes=started_bytes,
        warnings=loaded.warnings,
    )


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


# --- the loop -------------------------------------------------------------------------------------------


class Bench:
    """Times decodes with one loaded model.

    Invariant between two questions: the cache holds one sequence, positions 0 to `_depth` - 1.
    """

    def __init__(self, loaded: "LoadedModel", clock: "DecodeClock") -> None:
        self._context = loaded.context
        self._n_vocab = loaded.model.n_vocab
        self._clock = clock
        self._depth = 0

    def warm_up(self) -> None:
        """Touches every page of the weights, and of the buffers of the largest batch and the smallest."""
        for n_tokens in (min(self._context.n_batch, self._context.n_cells), 1):
            self._context.decode(self._tokens(n_tokens), 0, SEQUENCE)
            self._context.remove(SEQUENCE)

    def answer(self, question: Question) -> Answer:
        """Raises EngineError when llama.cpp refuses a decode."""
        from stardraftd.engine.native.llama import DecodeError

        try:
            match question:
                case Prefill():
                    self._go_to(question.depth)
                    return Took(tuple(self._prefills(question)))
                case Decode():
                    self._go_to(question.depth)
                    return self._decodes(question)
                case Resident():
                    return Holds(_resident_bytes())
        except DecodeError as error:
            raise EngineError(
                f"llama.cpp could not decode during {question}: {error}.",
                "Give more --context-tokens, or smaller --depths.",
            ) from error

    def _tokens(self, n_tokens: int) -> "array[int]":
        """Ids that are no special tokens, for those have the lowest ones."""
        first = min(1000, self._n_vocab // 2)
        return array("i", (first + i % (self._n_vocab - first) for i in range(n_tokens)))

    def _go_to(self, depth: int) -> None:
        """Brings the cache to `depth` tokens, and wakes the threads: they slept while a peer had its turn."""
        if depth < self._depth:
            self._context.remove(SEQUENCE, depth)
        else:
            self._evaluate(self._depth, depth - self._depth)
        self._depth = depth
        for n_tokens in (min(N_TO_WAKE, self._context.n_batch), 1):
            self._evaluate(depth, n_tokens)
            self._context.remove(SEQUENCE, depth)

    def _evaluate(self, position: int, n_tokens: int) -> None:
        for start in range(0, n_tokens, self._context.n_batch):
            n_now = min(self._context.n_batch, n_tokens - start)
            self._context.decode(self._tokens(n_now), position + start, SEQUENCE)

    def _prefills(self, question: Prefill) -> Iterator[float]:
        spent_ms = 0.0
        for _ in range(question.n_times):
            started = time.perf_counter()
            self._evaluate(question.depth, question.n_tokens)
            took_ms = (time.perf_counter() - started) * 1000
            self._context.remove(SEQUENCE, question.depth)
            yield took_ms
            spent_ms += took_ms
            if spent_ms > question.budget_ms:
                return

    def _decodes(self, question: Decode) -> Decoded:
        token_ms: list[tuple[float, ...]] = []
        native_ms: list[tuple[float, ...]] = []
        while len(token_ms) < question.n_times:
            whole, native = self._decode_once(question)
            token_ms.append(whole)
            native_ms.append(native)
            if sum(map(sum, token_ms)) > question.budget_ms:
                break
        return Decoded(token_ms=tuple(token_ms), native_ms=tuple(native_ms))

    def _decode_once(self, question: Decode) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The engine's own steps for one token after the other: a decode, and the greedy choice after it."""
        from stardraftd.engine.native.sampling import Sampler

        whole_ms, native_ms = array("d"), array("d")
        ids = self._tokens(1)
        with Sampler(temperature=0, top_k=0, top_p=1, seed=0) as sampler:
            for position in range(question.depth, question.depth + question.n_tokens):
                before_ms, started = self._clock.total_ms, time.perf_counter()
                self._context.decode(ids, position, SEQUENCE)
                ids[0] = sampler.sample(self._context)
                whole_ms.append((time.perf_counter() - started) * 1000)
                native_ms.append(self._clock.total_ms - before_ms)
        self._context.remove(SEQUENCE, question.depth)
        return tuple(whole_ms), tuple(native_ms)


if __name__ == "__main__":
    sys.exit(main())
