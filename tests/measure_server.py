"""What the language server itself takes for a key, and what an index of a large workspace costs, as a table.

    python -m tests.measure_server [--keys 400]

The real server, with a stand-in for the daemon; the workspace are 5,000 files of this Python's standard
library and its installed packages, copied, because both are often ignored by a repository around them. Each
key is typed into a string in a file of 100 kB and, a moment later, asked about: the change, then the tree,
the gates and the answer are the server's whole work but for the daemon's, never asked. The round trip is the
question's, with both processes' JSON in it; on Linux the processor time of the thread that answers stands
beside it, which does not depend on what else the computer does. Keys are typed while the workspace is read,
and again when it has been. On a busy computer, as root: nice -n -10 python -m tests.measure_server
"""

import argparse
import asyncio
import shutil
import statistics
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.lsp.stand_in import standing_in
from tests.support.editor import Editor, editing, start_server
from tests.support.home import isolated_home

FILE_BYTES = 100_000
N_FILES = 5_000
BETWEEN_S = 0.02
# The change is taken in by then, and nothing that the server does on its own account has begun.
CHANGING_S = 0.004


def text_of_100_kb() -> str:
    lines: list[str] = []
    while sum(map(len, lines)) < FILE_BYTES:
        i = len(lines)
        lines.append(
            f"def function_{i}(alpha, beta):\n    gamma = alpha * {i} + beta\n    return gamma\n\n\n"
        )
    return "".join([*lines[: len(lines) // 2], 'name = "\n\n\n', *lines[len(lines) // 2 :]])


class Took(NamedTuple):
    """Milliseconds of each key: until the answer, and of the answering thread's work (nothing off Linux)."""

    round_trip: list[float]
    question: list[float]
    change: list[float]


async def type_keys(editor: Editor, uri: str, line: int, n_keys: int, column: int) -> Took:
    took = Took([], [], [])
    for i in range(n_keys):
        worked = work_ms(editor.process.pid)
        editor.insert(uri, line, column + i, "x")
        await asyncio.sleep(CHANGING_S)
        changed, started = work_ms(editor.process.pid), time.perf_counter()
        asked = editor.ask(uri, line, column + i + 1, context={"triggerKind": 2})
        await editor.answer(asked)
        took.round_trip.append((time.perf_counter() - started) * 1000)
        took.question.append(work_ms(editor.process.pid) - changed)
        took.change.append(changed - worked)
        await asyncio.sleep(BETWEEN_S)
    return took


def work_ms(pid: int) -> float:
    """How long a process's first thread has been on a processor."""
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6
    except OSError:
        return 0.0


def row(name: str, took: Took) -> None:
    for what, times in zip(("round trip", "question", "change"), took, strict=True):
        ordered = sorted(times)
        p95 = ordered[int(len(ordered) * 0.95)]
        print(
            f"{name:<27} {what:<11} median {statistics.median(times):.2f} ms, 95% {p95:.2f} ms, "
            f"greatest {ordered[-1]:.2f} ms"
        )


async def measure(n_keys: int) -> None:
    text = text_of_100_kb()
    line = text[: text.index('name = "')].count("\n")
    uri = "file:///shop/long.py"
    with (
        isolated_home() as home,
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as copies,
    ):
        copy_sources(Path(copies))
        folders = [{"uri": Path(copies).as_uri(), "name": "large"}]
        async with standing_in(home, patch):
            for name, workspace in (("no workspace", list[dict[str, str]]()), ("a large workspace", folders)):
                async with editing(home, initialize=False, start=start_server) as editor:
                    await editor.initialize(workspaceFolders=workspace)
                    server = psutil.Process(editor.process.pid)
                    editor.open(uri, text)
                    await type_keys(editor, uri, line, 20, 8)
                    row(f"{name}, at once", await type_keys(editor, uri, line, n_keys, 28))
                    if workspace:
                        await idle(server)
                        row(f"{name}, read", await type_keys(editor, uri, line, n_keys, 28 + n_keys))
                    resident = server.memory_info().rss / 1e6
                    print(f"{name:<27} resident {resident:.1f} MB")


def copy_sources(folder: Path) -> None:
    """N_FILES source files in as many folders as they came from."""
    roots = {name: Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")}
    found = ((name, path) for name, root in roots.items() for path in sorted(root.rglob("*.py")))
    seen: set[Path] = set()
    for name, path in found:
        if len(seen) == N_FILES:
            return
        if path not in seen:
            seen.add(path)
            # "site-packages" is a folder that is never looked into.
            copy = folder / name / str(path.relative_to(roots[name])).replace("site-packages", "packages")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


async def idle(server: psutil.Process) -> None:
    """Waits until the server has used next to no processor time for four seconds."""
    while True:
        before = sum(server.cpu_times()[:2])
        await asyncio.sleep(4)
        if sum(server.cpu_times()[:2]) - before < 0.03:
            return


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keys", type=int, default=400)
    asyncio.run(measure(arguments.parse_args().keys))


if __name__ == "__main__":
    main()
