"""How often a stale plan suggests something else than what is suggested after a rest. Prints a table.

    python -m tests.measure_stale [--trace FILE]...

The recorded typing of `stardraft bench typing` is replayed in this process, on the built-in model, with a
planner that is told the speeds of StarCoder2-3B on two cores. Each answer of a stale plan is compared with
what a second engine, which has read all of the file, says to the same text. So the difference has three
parts: the stale text, the smaller window, and the layout; exact plans of the same kinds are compared as well,
for the first part to be told from the others.
"""

import argparse
from collections import Counter
from pathlib import Path

from stardraft_quant.bench.typing.traces import bundled_traces, load_trace
from tests.support.engines import ask, loaded_model, slow_engine, warm

REST_MS, LONG_REST_MS = 1000, 4000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trace", action="append", type=Path)
    given = arguments.parse_args()
    n_asked: Counter[str] = Counter()
    n_other_text: Counter[str] = Counter()
    n_other_word: Counter[str] = Counter()
    with loaded_model(n_cells=8192, n_batch=512) as typed_in, loaded_model(n_cells=8192) as rested_in:
        for path in given.trace or bundled_traces():
            trace = load_trace(path)
            engine = slow_engine(typed_in)
            text, t_ms = trace.text, 0
            first = trace.events[0].at
            ask(engine, text[:first], text[first:])
            warm(engine, text[:first], text[first:], 1)
            cursor = first
            for event in trace.events:
                pause_ms, t_ms = event.t_ms - t_ms, event.t_ms
                if pause_ms >= REST_MS:
                    warm(engine, text[:cursor], text[cursor:], 3 if pause_ms >= LONG_REST_MS else 2)
                text, cursor = event.apply(text), event.cursor_after
                asked = ask(engine, text[:cursor], text[cursor:], max_tokens=16)
                if asked.plan.kind == "recalled":
                    continue
                kind = f"{asked.plan.kind}, {'stale' if asked.plan.stale else 'exact'}"
                rested = slow_engine(rested_in)
                warm(rested, text[:cursor], text[cursor:], 3)
                at_rest = ask(rested, text[:cursor], text[cursor:], max_tokens=16).text
                n_asked[kind] += 1
                n_other_text[kind] += asked.text != at_rest
                n_other_word[kind] += asked.text.split()[:1] != at_rest.split()[:1]
    print(f"{'plan':20}{'answers':>8}  {'other text':>10}  {'other first word':>16}")
    for kind, n in n_asked.most_common():
        print(f"{kind:20}{n:>8}  {n_other_text[kind] / n:>10.0%}  {n_other_word[kind] / n:>16.0%}")


if __name__ == "__main__":
    main()
