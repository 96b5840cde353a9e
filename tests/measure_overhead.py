"""What Python adds to a token: planning, choosing, probabilities, text, events. Prints a table.

    python -m tests.measure_overhead [--model PATH.gguf] [--runs 5]

A completion of many tokens is made by `Engine.complete`, with the events written out as the worker writes
them; the time inside `llama_decode` is subtracted. Nothing is guessed ahead, so each token is one decode.
"""

import argparse
import io
import statistics
import time

from stardraftd.engine.core import Engine
from stardraftd.engine.native import backend, llama
from stardraftd.engine.native.decode_clock import timed_decodes
from stardraftd.engine.native.loading import N_SEQUENCES, load
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Completion, CompletionEvent
from stardraftd.protocol.engine import EngineSettings, Tagged, frame
from tests.support.engines import Asked, Wanted

N_TOKENS = 64
TEXT = "".join(f"def function_{i}(alpha, beta):\n    return alpha * {i} + beta\n\n\n" for i in range(30))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default=str(builtin_model_path()))
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    backend.open_backend()
    settings = EngineSettings(model_path=given.model, speculation="off")
    loaded = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    engine = Engine(loaded, N_SEQUENCES, settings)
    token_ms, python_ms, key_ms = [], [], []
    for run in range(given.runs):
        written = io.BytesIO()
        events: list[CompletionEvent] = []

        def emit(event: CompletionEvent) -> None:
            events.append(event)  # noqa: B023 - called before the next round
            written.write(frame(Tagged(1, event)))  # noqa: B023

        prefix = TEXT + f"# {run}\n"
        engine.complete(Completion(document="a\na", prefix=prefix, max_tokens=1), emit, Wanted())
        events.clear()
        key = Completion(document="a\na", prefix=prefix + "q", mode="free", max_tokens=N_TOKENS)
        with timed_decodes() as clock:
            started = time.perf_counter()
            engine.complete(key, emit, Wanted())
            total_ms = (time.perf_counter() - started) * 1000
        figures = Asked(events).figures
        between_ms = figures.decode_ms / max(figures.n_decoded - 1, 1)
        n = figures.n_generated
        if n < N_TOKENS // 2:
            continue  # the model ended it: too few tokens to tell
        token_ms.append(between_ms)
        key_ms.append(figures.first_token_ms - clock.total_ms / n)
        python_ms.append((total_ms - clock.total_ms - key_ms[-1]) / n)
    print(f"a token                           {statistics.median(token_ms):.3f} ms")
    print(f"of it Python                      {statistics.median(python_ms):.3f} ms "
          f"({statistics.median(python_ms) / statistics.median(token_ms):.1%})")  # fmt: skip
    print(f"Python before the first token     {statistics.median(key_ms):.3f} ms (planning, and its choice)")


if __name__ == "__main__":
    main()
