"""What the language server's memory, descriptors and threads come to after many keys and many documents.

    python -m tests.measure_memory [--edits 100000] [--documents 1000]

The real server, with a stand-in for the daemon that answers each question with a line. First keys: each is
typed at the cursor of a 3-kB and of a 60-kB file and, every so often, asked about. Then documents: each is
opened, changed, asked about and closed. A row says what the server holds at the start and after each tenth.
The server keeps what it needs once (its tree, its caches): the first tenth is for that, and what counts is
the growth after it.
"""

import argparse
import asyncio

import psutil
import pytest

from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import Editor, editing, start_server
from tests.support.home import isolated_home

FUNCTION = "def function_{i}(alpha, beta):\n    gamma = alpha * {i} + beta\n    return gamma\n\n\n"
KEYS_A_LINE = 40
ASKED_EVERY = 10
N_ROWS = 10


def text_of(size_bytes: int) -> str:
    lines: list[str] = []
    size = 0
    while size < size_bytes:
        lines.append(FUNCTION.format(i=len(lines)))
        size += len(lines[-1])
    return "".join(lines)


async def say_something(daemon: StandIn) -> None:
    """Answers every completion that the daemon is asked for."""
    n_answered = 0
    while True:
        for writing in daemon.completions[n_answered:]:
            writing.say("compute(alpha)")
            writing.end()
        n_answered = len(daemon.completions)
        if n_answered > 100:
            del daemon.completions[:n_answered]
            daemon.warmed.clear()
            n_answered = 0
        await asyncio.sleep(0.005)


class Server:
    """What a process holds."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def row(self, name: str) -> float:
        """Prints it; the resident memory in MB."""
        resident = self._process.memory_info().rss / 1e6
        n_files = self._process.num_fds() if hasattr(self._process, "num_fds") else 0
        print(
            f"{name:<34} resident {resident:6.1f} MB, {n_files} descriptors, "
            f"{self._process.num_threads()} threads",
            flush=True,
        )
        return resident


async def type_keys(editor: Editor, server: Server, size_bytes: int, n_edits: int) -> float:
    """The growth in MB after the first tenth."""
    text = text_of(size_bytes)
    uri = f"file:///shop/typed_{size_bytes}.py"
    line = text[: len(text) // 2].count("\n") // 5 * 5 + 3
    name = f"{size_bytes // 1000} kB"
    editor.open(uri, text)
    server.row(f"{name}, opened")
    resident = first = 0.0
    for row in range(N_ROWS):
        for i in range(n_edits // N_ROWS):
            column = i % KEYS_A_LINE
            if column == 0 and i > 0:  # the line is taken back, and begun again
                start, end = {"line": line, "character": 0}, {"line": line, "character": KEYS_A_LINE}
                editor.change(uri, {"range": {"start": start, "end": end}, "text": ""})
            editor.insert(uri, line, column, "x")
            if i % ASKED_EVERY == 0:
                await editor.answer(editor.ask(uri, line, column + 1, context={"triggerKind": 2}))
        column = n_edits // N_ROWS % KEYS_A_LINE or KEYS_A_LINE
        start, end = {"line": line, "character": 0}, {"line": line, "character": column}
        editor.change(uri, {"range": {"start": start, "end": end}, "text": ""})
        await editor.request("stardraft/status", None)
        resident = server.row(f"{name}, {(row + 1) * (n_edits // N_ROWS)} edits")
        first = first or resident
        forget(editor)
    editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return resident - first


async def open_and_close(editor: Editor, server: Server, n_documents: int) -> float:
    """The growth in MB after the first tenth."""
    text = text_of(20_000)
    resident = first = 0.0
    for row in range(N_ROWS):
        for i in range(n_documents // N_ROWS):
            uri = f"file:///shop/opened_{row}_{i}.py"
            editor.open(uri, text)
            editor.insert(uri, 3, 0, "x = ")
            await editor.answer(editor.ask(uri, 3, 4))
            editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        await editor.request("stardraft/status", None)
        resident = server.row(f"{(row + 1) * (n_documents // N_ROWS)} documents opened and closed")
        first = first or resident
        forget(editor)
    return resident - first


def forget(editor: Editor) -> None:
    """The editor's own record of what was answered is no part of the measurement."""
    editor.notifications.clear()
    for number in [number for number, answer in editor._answers.items() if answer.done()]:
        del editor._answers[number]


async def measure(n_edits: int, n_documents: int) -> None:
    with isolated_home() as home, pytest.MonkeyPatch.context() as patch:
        async with standing_in(home, patch) as daemon, editing(home, start=start_server) as editor:
            answering = asyncio.create_task(say_something(daemon))
            server = Server(editor.process.pid)
            await editor.request("stardraft/status", None)
            for size_bytes in (3_000, 60_000):
                growth = await type_keys(editor, server, size_bytes, n_edits)
                print(f"growth after the first tenth: {growth:.1f} MB")
            growth = await open_and_close(editor, server, n_documents)
            print(f"growth after the first tenth: {growth:.1f} MB")
            answering.cancel()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--edits", type=int, default=100_000)
    arguments.add_argument("--documents", type=int, default=1_000)
    given = arguments.parse_args()
    asyncio.run(measure(given.edits, given.documents))


if __name__ == "__main__":
    main()
