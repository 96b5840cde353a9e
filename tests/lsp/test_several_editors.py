"""What is known already is not made again: by another editor with the same file, after an edit elsewhere."""

from collections.abc import AsyncIterator

import pytest

from stardraftd.client import DaemonClient
from tests.lsp.daemons import stop_daemon
from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import editing

URI = "file:///shop/shelf.py"
OTHER = "file:///shop/till.py"
TEXT = (
    "class Shelf:\n    def __init__(self, items):\n        self.\n\n"
    "    def add(self, item):\n        self.items.append(item)\n"
)


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


async def test_another_editors_same_text_is_not_read_again_and_gets_the_same_suggestion(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in home.items():
        if name.startswith("STARDRAFT_"):
            monkeypatch.setenv(name, value)
    async with editing(home) as first, editing(home) as second, DaemonClient("test") as client:
        first.open(URI, TEXT)
        item = await first.suggestion(URI, 2, 13)
        second.open(URI, TEXT)
        again = await second.suggestion(URI, 2, 13)
        figures = (await client.status()).last_figures
        second.insert(URI, 2, 13, item["insertText"][:2])
        typed = await second.suggestion(URI, 2, 15)
        status = await client.status()
    assert again["insertText"] == item["insertText"]
    assert figures is not None
    assert figures.n_evaluated <= 1
    assert typed["insertText"] == item["insertText"][2:]
    assert status.completed == 2  # the rest came from the second editor's own server
    await stop_daemon(home)


async def test_an_edit_in_another_file_leaves_suggestions_where_they_are(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        editor.open(OTHER, "y = \n")
        asked = editor.ask(URI, 0, 4)
        writing = await daemon.writing(0)
        writing.say("width * height")
        writing.end()
        await editor.answer(asked)
        editor.insert(OTHER, 0, 4, "1")
        editor.change(OTHER, {"text": "y = 2\n"})
        assert (await editor.suggestion(URI, 0, 4))["insertText"] == "width * height"
        editor.insert(URI, 0, 4, "wid")
        editor.notify("textDocument/didClose", {"textDocument": {"uri": OTHER}})
        assert (await editor.suggestion(URI, 0, 7))["insertText"] == "th * height"
        assert len(daemon.completions) == 1


async def test_a_line_that_is_indented_anew_keeps_its_suggestion(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "def f():\n    \n")
        asked = editor.ask(URI, 1, 4)
        writing = await daemon.writing(0)
        writing.say("a = 1\n    return a")
        writing.end()
        await editor.answer(asked)
        here = {"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 4}}
        editor.change(URI, {"range": here, "text": ""})
        assert (await editor.suggestion(URI, 1, 2))["insertText"] == "a = 1\n  return a"
        assert len(daemon.completions) == 1
