"""Several language servers typed into for a long time: what each holds at the beginning and at the end.

    python -m tests.soak [--servers 4] [--minutes 30] [--daemon]

Each server is one editor in which somebody types a module of Python's standard library into the middle of
another one, key by key, asks at every key as editors do, takes a suggestion now and then, and opens and
closes other files. The daemon is a stand-in that answers with a line; with --daemon it is the real one with
the built-in model, and it and its engine are looked at as well. The first tenth of the time is for what is
needed once, such as for a file of each size; a row compares the end with that. Exit status 1 where something
grew by more than 5 %.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.lsp.stand_in import standing_in
from tests.measure_memory import forget, say_something, text_of
from tests.support.editor import Editor, editing, start_server
from tests.support.home import isolated_home, processes_of

MOST_GROWTH = 0.05
# A descriptor more or a thread more at the moment of looking is one that is at work.
AT_WORK = 2
KEY_S = (0.02, 0.15)
FIRST_LINES, LINES_A_FILE = 10, 60
SIZES_BYTES = (3_000, 20_000, 60_000)
MODULES = (
    "heapq.py",
    "bisect.py",
    "textwrap.py",
    "shlex.py",
    "queue.py",
    "fnmatch.py",
    "sched.py",
    "glob.py",
)


class Held(NamedTuple):
    """What a process holds."""

    resident_mb: float
    n_descriptors: int
    n_threads: int

    @classmethod
    def by(cls, process: psutil.Process) -> "Held":
        n_descriptors = process.num_fds() if hasattr(process, "num_fds") else 0
        return cls(process.memory_info().rss / 1e6, n_descriptors, process.num_threads())

    def grew_to(self, later: "Held") -> bool:
        """Whether something did, by more than MOST_GROWTH."""
        more_memory = later.resident_mb > self.resident_mb * (1 + MOST_GROWTH)
        more_files = later.n_descriptors > self.n_descriptors * (1 + MOST_GROWTH) + AT_WORK
        more_threads = later.n_threads > self.n_threads * (1 + MOST_GROWTH) + AT_WORK
        return more_memory or more_files or more_threads


class Typist:
    """Somebody at one editor. n_keys: typed so far; n_shown: suggestions that came."""

    def __init__(self, editor: Editor, seed: int) -> None:
        self._editor = editor
        self._random = random.Random(seed)
        self._folder = Path(sysconfig.get_path("stdlib"))
        self._n_files = self.n_keys = self.n_shown = 0

    async def type_until(self, end_s: float) -> None:
        """Types until `time.monotonic()` is `end_s`."""
        for size_bytes in SIZES_BYTES:  # what a file of each size needs once, before it is looked at first
            await self._type_into(size_bytes, FIRST_LINES, end_s)
        while time.monotonic() < end_s:
            await self._type_into(self._random.choice(SIZES_BYTES), LINES_A_FILE, end_s)

    async def _type_into(self, size_bytes: int, n_lines: int, end_s: float) -> None:
        self._n_files += 1
        module = self._random.choice(MODULES)
        uri = f"file:///shop/{self._n_files % 5}/{module}"
        self._editor.open(uri, text_of(size_bytes))
        await self._type_lines(uri, (self._folder / module).read_text(encoding="utf-8"), n_lines, end_s)
        self._editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        forget(self._editor)

    async def _type_lines(self, uri: str, text: str, n_lines: int, end_s: float) -> None:
        lines = text.split("\n")
        first = self._random.randrange(max(len(lines) - n_lines, 1))
        for number, line in enumerate(lines[first : first + n_lines]):
            self._editor.insert(uri, 5 + number, 0, "\n")
            for column, char in enumerate(line):
                if time.monotonic() > end_s:
                    return
                self._editor.insert(uri, 5 + number, column, char)
                await self._ask(uri, 5 + number, column + 1)
                self.n_keys += 1

    async def _ask(self, uri: str, line: int, column: int) -> None:
        asked = self._editor.ask(uri, line, column, context={"triggerKind": 2})
        await asyncio.sleep(self._random.uniform(*KEY_S))
        if self._random.random() < 0.1:  # waits for the answer, and takes it or not
            answer = await self._editor.answer(asked)
            items = (answer.get("result") or {}).get("items", [])
            self.n_shown += len(items)
            if items and self._random.random() < 0.3:
                command = items[0]["command"]
                arguments = {"command": command["command"], "arguments": command["arguments"]}
                await self._editor.answer(self._editor.post("workspace/executeCommand", arguments))


@asynccontextmanager
async def a_daemon(home: dict[str, str], *, is_real: bool) -> AsyncIterator[None]:
    """A stand-in that answers; the real one starts by itself."""
    if is_real:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        async with standing_in(home, patch) as daemon:
            answering = asyncio.create_task(say_something(daemon))
            yield
            answering.cancel()
            await asyncio.wait({answering})


async def soak(n_servers: int, minutes: float, *, is_real: bool) -> int:
    """The exit status."""
    with isolated_home() as home:
        async with a_daemon(home, is_real=is_real), contextlib.AsyncExitStack() as stack:
            editors = [
                await stack.enter_async_context(editing(home, start=start_server)) for _ in range(n_servers)
            ]
            typists = [Typist(editor, seed) for seed, editor in enumerate(editors)]
            begun = time.monotonic()
            typing = [asyncio.create_task(typist.type_until(begun + minutes * 60)) for typist in typists]
            await asyncio.sleep(minutes * 6)
            watched = {editor.process.pid: f"server {number}" for number, editor in enumerate(editors, 1)}
            if is_real:
                others = (process for process in processes_of(home) if process.pid not in watched)
                watched |= {process.pid: process.name() for process in others}
            first = {pid: Held.by(psutil.Process(pid)) for pid in watched}
            await asyncio.gather(*typing)
            last = {pid: Held.by(psutil.Process(pid)) for pid in watched}
    for pid, name in watched.items():
        print(_row(name, first[pid], last[pid]))
    print(
        f"{sum(typist.n_keys for typist in typists)} keys in {minutes:g} minutes, "
        f"{sum(typist.n_shown for typist in typists)} suggestions looked at; "
        f"load {psutil.getloadavg()[0]:.1f} at the end"
    )
    return int(any(first[pid].grew_to(last[pid]) for pid in watched))


def _row(name: str, first: Held, last: Held) -> str:
    growth = (last.resident_mb / first.resident_mb - 1) * 100
    return (
        f"{name:<12} resident {first.resident_mb:6.1f} -> {last.resident_mb:6.1f} MB ({growth:+.1f} %), "
        f"descriptors {first.n_descriptors} -> {last.n_descriptors}, "
        f"threads {first.n_threads} -> {last.n_threads}"
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--servers", type=int, default=4)
    arguments.add_argument("--minutes", type=float, default=30.0)
    arguments.add_argument("--daemon", action="store_true", help="the real one, with the built-in model")
    given = arguments.parse_args()
    return asyncio.run(soak(given.servers, given.minutes, is_real=given.daemon))


if __name__ == "__main__":
    sys.exit(main())
