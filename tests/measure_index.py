"""What reading a very large workspace costs, as a table.

    python -m tests.measure_index [--files 200000]

The workspace is made for it: so many small Python files, 100 a folder, a log of 100 MB (sparse), one source
file that is too large, and a link to a folder above itself. It is read by the real index in its thread, as in
the language server, while a timer of the event loop that answers keys is watched for delays.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import psutil

from stardraft_lsp.context.report import sentence
from stardraft_lsp.context.source import ContextSource

PER_FOLDER = 100
TICK_S = 0.005
MB = 1_000_000
PATIENCE_S = 600.0


def make_workspace(root: Path, n_files: int) -> None:
    for number in range(n_files):
        folder = root / f"package_{number // PER_FOLDER}"
        if number % PER_FOLDER == 0:
            folder.mkdir()
        name = f"part_{number % PER_FOLDER}"
        head = f'"""Part {number}."""\n\n\ndef {name}_{number}(width, height):\n'
        (folder / f"{name}.py").write_text(f"{head}    return width * height + {number}\n")
    with (root / "build.log").open("wb") as log:
        log.truncate(100 * MB)
    (root / "generated.py").write_text("values = [\n" + "    1,\n" * (2 * MB // 8) + "]\n")
    (root / "package_0" / "above").symlink_to(root)


async def watch(root: Path) -> None:
    process = psutil.Process()
    before_mb = process.memory_info().rss / MB
    source = ContextSource((str(root),))
    began, worked = time.perf_counter(), time.process_time()
    source.start()
    late_s = [0.0]
    while source.status.is_scanning and time.perf_counter() - began < PATIENCE_S:
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        late_s.append(time.perf_counter() - due)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    after_mb = process.memory_info().rss / MB
    late_s.sort()
    print(sentence(source.status))
    print(f"left out           {dict(source.status.left_out)}")
    print(f"read in            {took:.1f} s, {worked:.1f} s of processor time")
    print(f"resident           {before_mb:.0f} MB before, {after_mb:.0f} MB after")
    p95_s = late_s[int(len(late_s) * 0.95)]
    print(f"a timer was late   95% {p95_s * 1000:.1f} ms, greatest {late_s[-1] * 1000:.1f} ms")
    await asyncio.to_thread(source.stop)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=int, default=200_000)
    n_files = arguments.parse_args().files
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        make_workspace(root, n_files)
        asyncio.run(watch(root))


if __name__ == "__main__":
    main()
