"""What the filters cost: each feed of a suggestion that grows token by token. Prints a table.

    python -m tests.measure_filters [--repeats 20]

The text is 48 kB before the cursor and 24 kB behind it; times are of the processor, so that other
work does not count. Nothing is asserted: figures for docs/quality.md.
"""

import argparse
import gc
import random
import re
import statistics
import time

from stardraft_lsp.filters import Around, FilterSettings, Piece, Pipeline, Thresholds

METHOD = (
    "    def method_{0}(self, alpha, beta=None):\n"
    '        """What it does, in a sentence (and more)."""\n'
    "        if not alpha:\n"
    "            return [self.items[{0}], beta]\n"
    "        total = sum(item.price for item in self.items if item.name != 'x{0}')\n"
    "        return self.combine(total, alpha * {0}, beta or {{}})\n\n"
)
BLOCK = (
    "if ready:\n            for item in self.items:\n                total += item.price * self.rate(item)\n"
    "                self.log.info('priced %s', item.name)\n"
    "            return self.combine(total, ready, beta or {})\n"
    "        raise LookupError(f'nothing is ready for {ready}')\n"
)
THRESHOLDS = Thresholds(show=0.05, cut=1e-9, cut_lines=1e-9)


def text_of(n_bytes: int, first: int) -> str:
    return "".join(METHOD.format(first + i) for i in range(n_bytes // len(METHOD.format(100)) + 1))


def places() -> dict[str, tuple[Around, str]]:
    before = "class Shelf:\n" + text_of(48_000, 100)
    behind = "\n" + text_of(24_000, 900)
    opening = "    def add(self, ready, beta):\n        "
    return {
        "a line": (
            Around.at(before + opening + "total = ", behind, language="python", mode="line"),
            BLOCK[:9] + "\n",
        ),
        "before a closer": (
            Around.at(before + opening + "total = combine(", ")" + behind, language="python", mode="line"),
            "[self.rate(item) for item in self.items if item.name], ready)",
        ),
        "a block": (
            Around.at(before + opening, behind, language="python", path="shelf.py", mode="block"),
            BLOCK,
        ),
        "a block of 1,000 characters": (
            Around.at(before + opening, behind, language="python", path="shelf.py", mode="block"),
            "".join(f"value_{i} = self.compute(alpha_{i}, [beta, {i}])\n        " for i in range(22)),
        ),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=20)
    given = arguments.parse_args()
    chance = random.Random(0)
    print(f"{'':32}{'first feed':>12}{'feed, median':>14}{'p95':>8}{'finish':>8}   us")
    for name, (around, generated) in places().items():
        first, feeds, ends = [], [], []
        tokens = re.findall(r"\s*\w+|\s*[^\w\s]+|\s+", generated)
        gc.collect()
        for _ in range(given.repeats):
            fresh = Around(
                around.prefix, around.suffix, around.language, around.path, around.indentation, around.mode
            )
            pipeline = Pipeline(fresh, FilterSettings(thresholds=THRESHOLDS))
            text, pieces = "", []
            for i, token in enumerate(tokens):
                text += token
                pieces.append(Piece(token, -chance.random() / 10))
                started = time.thread_time()
                pipeline.feed(text, pieces)
                (feeds if i else first).append((time.thread_time() - started) * 1e6)
            started = time.thread_time()
            pipeline.finish(text, pieces)
            ends.append((time.thread_time() - started) * 1e6)
        p95 = sorted(feeds)[int(len(feeds) * 0.95)]
        print(
            f"{name:32}{statistics.median(first):12.0f}{statistics.median(feeds):14.0f}{p95:8.0f}"
            f"{statistics.median(ends):8.0f}"
        )
    started = time.thread_time()
    for _ in range(given.repeats):
        Around.at(around.prefix, around.suffix, language="python", path="shelf.py", mode="block")
    each_us = (time.thread_time() - started) / given.repeats * 1e6
    print(f"\n{'Around.at':32}{each_us:12.0f}   us")


if __name__ == "__main__":
    main()
