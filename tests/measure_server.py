"""What the language server itself takes for a key, and what an index of a large workspace costs, as a table.

    python -m tests.measure_server [--keys 400]

The real server, with a stand-in for the daemon; the workspace are this Python's standard library and its
installed packages. Each key is typed into a string in a file of 100 kB and asked about: the change, the tree,
the gates and the answer are the server's whole work but for the daemon's, never asked. The round trip
has both processes' JSON in it. Keys are typed while the workspace is read, and again when it has been.
"""

import argparse
import asyncio
import statistics
import sysconfig
import time
from pathlib import Path

import psutil
import pytest

from tests.lsp.stand_in import standing_in
from tests.support.editor import Editor, editing
from tests.support.home import isolated_home

FILE_BYTES = 100_000
BETWEEN_S = 0.02


def text_of_100_kb() -> str:
    lines: list[str] = []
    while sum(map(len, lines)) < FILE_BYTES:
        i = len(lines)
        lines.append(
            f"def function_{i}(alpha, beta):\n    gamma = alpha * {i} + beta\n    return gamma\n\n\n"
        )
    return "".join([*lines[: len(lines) // 2], 'name = "\n\n\n', *lines[len(lines) // 2 :]])


async def type_keys(editor: Editor, uri: str, line: int, n_keys: int, column: int) -> list[float]:
    took = []
    for i in range(n_keys):
        started = time.perf_counter()
        editor.insert(uri, line, column + i, "x")
        asked = editor.ask(uri, line, column + i + 1, context={"triggerKind": 2})
        await editor.answer(asked)
        took.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(BETWEEN_S)
    return took


def row(name: str, took: list[float]) -> None:
    ordered = sorted(took)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(
        f"{name:<34} median {statistics.median(took):.2f} ms, 95% {p95:.2f} ms, greatest {ordered[-1]:.2f} ms"
    )


async def measure(n_keys: int) -> None:
    text = text_of_100_kb()
    line = text[: text.index('name = "')].count("\n")
    uri = "file:///shop/long.py"
    folders = [
        {"uri": Path(sysconfig.get_path(name)).as_uri(), "name": name} for name in ("stdlib", "purelib")
    ]
    with isolated_home() as home, pytest.MonkeyPatch.context() as patch:
        async with standing_in(home, patch):
            for name, workspace in (("no workspace", []), ("a large workspace", folders)):
                async with editing(home, initialize=False) as editor:
                    await editor.initialize(workspaceFolders=workspace)
                    server = psutil.Process(editor.process.pid)
                    editor.open(uri, text)
                    await type_keys(editor, uri, line, 20, 8)
                    row(f"{name}, at once", await type_keys(editor, uri, line, n_keys, 28))
                    if workspace:
                        await idle(server)
                        row(f"{name}, read", await type_keys(editor, uri, line, n_keys, 28 + n_keys))
                    resident = server.memory_info().rss / 1e6
                    print(f"{name:<34} resident {resident:.1f} MB")


async def idle(server: psutil.Process) -> None:
    """Waits until the server has used next to no processor time for two seconds."""
    while True:
        before = sum(server.cpu_times()[:2])
        await asyncio.sleep(2)
        if sum(server.cpu_times()[:2]) - before < 0.05:
            return


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keys", type=int, default=400)
    asyncio.run(measure(arguments.parse_args().keys))


if __name__ == "__main__":
    main()
