"""What is read in advance: documents that are opened, and what is around a cursor that rests."""

from collections.abc import AsyncIterator

import pytest

from stardraftd.cursor_window import MAX_SUFFIX_BYTES
from tests.lsp.daemons import daemons
from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import editing
from tests.support.waiting import wait_until_async

URI = "file:///shop/shelf.py"
TEXT = "class Shelf:\n    def show(self):\n        self.\n"


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


def read(daemon: StandIn) -> list[str]:
    """The last letter of each document that was read, in order."""
    return [request.document[-1] for request in daemon.warmed]


async def test_documents_are_read_when_the_model_is_there_and_the_newest_last(
    home: dict[str, str], daemon: StandIn
) -> None:
    daemon.may_load.clear()
    async with editing(home) as editor:
        for name in "abca":
            editor.open(URI + name, TEXT)
        await editor.request("stardraft/status", {})
        assert not daemon.warmed
        daemon.may_load.set()
        await wait_until_async(lambda: len(daemon.warmed) >= 3)
        editor.open(URI + "d", TEXT)
        await wait_until_async(lambda: len(daemon.warmed) >= 4)
    assert read(daemon) == ["b", "c", "a", "d"]


async def test_an_opened_document_is_read_from_its_beginning_within_its_bytes(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize()
        editor.open(URI, f"class Shelf:\n{'x' * MAX_SUFFIX_BYTES}\n")
        await wait_until_async(lambda: daemon.warmed)
    [request] = daemon.warmed
    assert (request.document, request.path) == (URI, "shelf.py")
    assert (request.prefix, request.suffix) == ("", "class Shelf:\n")


async def test_around_a_cursor_that_rests_the_document_is_read(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        await wait_until_async(lambda: len(daemon.warmed) == 1)
        for column, key in enumerate("items", 13):
            editor.insert(URI, 2, column, key)
        await wait_until_async(lambda: len(daemon.warmed) > 1)
    assert len(daemon.warmed) == 2, "five keys and one rest"
    assert daemon.warmed[1].prefix.endswith("self.items")
    assert daemon.warmed[1].suffix == "\n"


async def test_a_question_takes_the_place_of_the_reading(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        await wait_until_async(lambda: len(daemon.warmed) == 1)
        editor.insert(URI, 2, 13, "i")
        asked = editor.ask(URI, 2, 14)
        writing = await daemon.writing(0)
        writing.say("tems")
        writing.end()
        await editor.answer(asked)
        editor.open(URI + "b", TEXT)
        editor.insert(URI + "b", 2, 13, "i")
        await wait_until_async(lambda: daemon.warmed[-1].prefix and read(daemon)[-1] == "b")
    assert read(daemon).count("y") == 1


async def test_languages_that_are_off_are_not_read(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"disabledLanguages": ["markdown"]})
        editor.open(URI + "m", TEXT, "markdown")
        editor.open(URI + "p", TEXT)
        await wait_until_async(lambda: daemon.warmed)
    assert read(daemon) == ["p"]


async def test_switched_off_nothing_is_read(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"enabled": False})
        editor.open(URI, TEXT)
        assert (await editor.answer(editor.ask(URI, 2, 13)))["result"] == {"items": []}
    assert not daemon.warmed


async def test_a_daemon_that_cannot_read_in_advance_is_no_trouble(
    home: dict[str, str], daemon: StandIn
) -> None:
    daemon.knows_warming = False
    async with editing(home) as editor:
        for name in "ab":
            editor.open(URI + name, TEXT)
        await wait_until_async(lambda: len(daemon.warmed) == 2)
        asked = editor.ask(URI + "a", 2, 13)
        writing = await daemon.writing(0)
        writing.say("items")
        writing.end()
        assert (await editor.answer(asked))["result"]["items"]
        assert not editor.told("window/showMessage")
        assert (await editor.request("stardraft/status", {}))["state"] == "ready"
    assert not daemons(home), "a daemon was started beside it"
