"""How long a key waits for what one's own code says, and how much memory that is.

    python -m tests.measure_echo_keys

A document of 100 kB with 1 MB of files near it, both from this project; 1,000 keys at random places of it,
each with a change of its line. Milliseconds in this process: no protocol, no filters.
"""

import argparse
import random
import statistics
import time
from pathlib import Path

import psutil

from stardraft_lsp.echo.code import Code
from stardraft_lsp.echo.drafts import drafts
from stardraft_lsp.echo.memory import Memory
from stardraft_lsp.echo.nearby import MAX_BYTES

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = 100_000
URI = "file:///document.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000)
    options = parser.parse_args()
    chance = random.Random(1)
    folders = ("daemon", "lsp", "quant", "tests")
    texts = [
        path.read_text(encoding="utf-8") for one in folders for path in sorted((ROOT / one).rglob("*.py"))
    ]
    chance.shuffle(texts)
    document = ""
    while len(document) < DOCUMENT:
        document += texts.pop()
    document = document[:DOCUMENT]
    process = psutil.Process()
    before = process.memory_info().rss
    memory = Memory()
    codes: list[Code] = []
    n_bytes = 0
    while texts and n_bytes < MAX_BYTES:
        codes.append(Code.of(memory.lexicon, f"file:///{len(codes)}.py", texts.pop()))
        n_bytes += codes[-1].size
    memory.opened(URI, document)
    memory.catch_up(URI, 60_000)
    memory.read(URI, codes[:10], codes[10:])
    after = process.memory_info().rss
    lines = document.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    filled = [number for number, line in enumerate(lines) if line.strip()]
    waited: list[float] = []
    drafted: list[float] = []
    n_guesses = 0
    for _ in range(options.keys):
        number = chance.choice(filled)
        line = lines[number]
        column = chance.randint(len(line) - len(line.lstrip()), len(line))
        text = document[: starts[number] + column] + document[starts[number] + len(line) :]
        begun = time.perf_counter()
        memory.changed(URI, [(number, 0, 0)], text)
        found = memory.guess(URI, text, starts[number] + column)
        n_guesses += bool(found)
        guessed = time.perf_counter()
        drafts(line[:column], found)
        waited.append((guessed - begun) * 1000)
        drafted.append((time.perf_counter() - guessed) * 1000)
        memory.changed(URI, [(number, 0, 0)], document)
    cuts = statistics.quantiles(waited, n=100)
    print(f"{len(lines):,} lines, {n_bytes:,} bytes near, {len(memory.lexicon):,} words")
    print(f"a key: {cuts[49]:.1f} ms in the median, {cuts[94]:.1f} ms at p95, {max(waited):.1f} ms at most")
    more = statistics.quantiles(drafted, n=100)
    print(
        f"drafts for the model, where it is asked: {more[49]:.2f} ms in the median, {more[94]:.2f} ms at p95"
    )
    print(f"{n_guesses} of {options.keys} places have a guess; memory {(after - before) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
