"""Keys leave nothing behind: what is allocated after thousands of them is what was after the first few."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from stardraft_lsp.syntax.languages import grammar_of
from stardraft_lsp.syntax.trees import DocumentTree, parse_source
from tests.lsp.stand_in import standing_in
from tests.support.in_process import QUIET, InProcess, serving
from tests.support.waiting import wait_until_async

FUNCTION = "def function_{i}(alpha, beta):\n    gamma = alpha * {i} + beta\n    return gamma\n\n\n"
TEXT = "".join(FUNCTION.format(i=i) for i in range(40))  # 3 kB
URI = "file:///shop/shelf.py"
# Chunks of the source kept at each key are six times as much, a future at each key twice.
N_KEYS, N_FIRST, MOST_KEPT_BYTES = 200, 50, 100_000


@pytest.fixture
def kept() -> Iterator["Kept"]:
    tracemalloc.start()
    yield Kept()
    tracemalloc.stop()


@pytest.fixture
def uncollected() -> Iterator[Callable[[], list[str]]]:
    """Objects of the language server that nobody has any more but a cycle of their own, by their types.

    Only what is made from now on: what earlier tests left, a thread that has just ended may still have.
    """
    gc.collect()
    gc.freeze()
    gc.disable()

    def found() -> list[str]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        names = {type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("stardraft")}
        gc.garbage.clear()
        return sorted(names)

    yield found
    gc.enable()
    gc.unfreeze()


class Kept:
    """What is allocated now that was not when this was made, or was started anew."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        gc.collect()
        self._before = tracemalloc.get_traced_memory()[0]

    @property
    def n_bytes(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self._before


def test_a_tree_that_is_parsed_at_every_key_stays_as_large_as_it_is(kept: Kept) -> None:
    grammar = grammar_of("python")
    assert grammar is not None
    tree = DocumentTree(grammar, TEXT)
    at = TEXT.index("gamma")
    for key in range(N_KEYS + N_FIRST):
        tree.edit(at, at + key % 2, "" if key % 2 else "x")
        assert tree.parse(1000)
        if key == N_FIRST:
            kept.start()
    assert kept.n_bytes < MOST_KEPT_BYTES


def test_texts_of_other_files_leave_nothing_when_they_were_parsed(kept: Kept) -> None:
    grammar = grammar_of("python")
    assert grammar is not None
    for number in range(100):
        assert parse_source(grammar, (TEXT + f"x = {number}\n").encode(), 1000) is not None
        if number == 10:
            kept.start()
    assert kept.n_bytes < MOST_KEPT_BYTES


@pytest.fixture
async def server(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    async with serving(home, monkeypatch) as found:
        found.initialize()
        found.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": TEXT}})
        yield found


async def test_keys_and_questions_leave_nothing_in_the_server(server: InProcess, kept: Kept) -> None:
    here = {"line": 1, "character": 4}
    after = {"line": 1, "character": 5}
    for key in range(N_KEYS + N_FIRST):
        is_typed = key % 2 == 0
        change = {"range": {"start": here, "end": here if is_typed else after}, "text": "x" * is_typed}
        server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": [change]})
        server.post("textDocument/inlineCompletion", {"textDocument": {"uri": URI}, "position": here})
        await asyncio.sleep(0)
        server.sent.clear()
        if key == N_FIRST:
            kept.start()
    await asyncio.to_thread(server.editor.context.wait_until_idle, 30)
    server.sent.clear()
    assert server.text(URI) == TEXT
    assert kept.n_bytes < MOST_KEPT_BYTES


async def test_documents_that_were_closed_leave_nothing_in_the_server(server: InProcess, kept: Kept) -> None:
    for number in range(200):
        uri = f"file:///shop/shelf_{number}.py"
        server.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "text": TEXT}})
        await server.answer(
            "textDocument/inlineCompletion",
            {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 0}},
        ) if number % 20 == 0 else None
        server.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        await asyncio.sleep(0)
        server.sent.clear()
        if number == 50:
            await asyncio.to_thread(server.editor.context.wait_until_idle, 30)
            kept.start()
    await asyncio.to_thread(server.editor.context.wait_until_idle, 30)
    await asyncio.sleep(0.01)
    assert kept.n_bytes < 150 * 2_000, "a closed document's text is three kB"


async def test_what_a_question_made_is_gone_when_it_is_answered(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, uncollected: Callable[[], list[str]]
) -> None:
    """A tree takes 20 times its source, and Python's collector, which counts objects, comes late for it."""
    async with standing_in(home, monkeypatch) as daemon, serving(home, monkeypatch) as server:
        server.initialize(initializationOptions={**QUIET, "enabled": True})
        server.notify("initialized", {})
        for number in range(3):
            uri = f"file:///shop/shelf_{number}.py"
            place = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 99}}
            server.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "text": TEXT}})
            asked = server.post("textDocument/inlineCompletion", place)
            writing = await daemon.writing(number)
            writing.say(" + alpha")
            if number == 1:
                server.notify("$/cancelRequest", {"id": asked})
            else:
                writing.end()
            await wait_until_async(lambda asked=asked: server.answers(asked), what="no answer")
            server.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert uncollected() == []
