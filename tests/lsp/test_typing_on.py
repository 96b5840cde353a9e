"""Typing what is being generated costs nothing: the server with a stand-in daemon, written by the test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import Editor, editing
from tests.support.waiting import wait_until_async

URI = "file:///shop/shelf.py"
TEXT = "class Shelf:\n    def show(self):\n        self.\n\n\nshelf = Shelf()\n"
LINE, COLUMN = 2, 13


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


async def until_shown(editor: Editor, token: str, text: str) -> None:
    """Waits until the last thing that grew under a token is `text`."""

    def shown() -> bool:
        values = editor.progress(token)
        return bool(values) and values[-1]["items"][0]["insertText"] == text

    await wait_until_async(shown, what=lambda: f"{text!r} under {token}, not {editor.progress(token)}")


def texts(answer: dict[str, Any]) -> list[str]:
    return [item["insertText"] for item in answer["result"]["items"]]


async def test_who_types_what_is_being_generated_gets_the_rest_of_it(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        older = editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("items")
        await until_shown(editor, "one", "items")
        editor.insert(URI, LINE, COLUMN, "i")
        editor.insert(URI, LINE, COLUMN + 1, "t")
        assert (await editor.answer(older))["result"] is None
        newer = editor.ask(URI, LINE, COLUMN + 2, partialResultToken="two")
        await until_shown(editor, "two", "ems")
        writing.say(" = []")
        await until_shown(editor, "two", "ems = []")
        writing.end()
        answer = await editor.answer(newer)
        assert texts(answer) == ["ems = []"]
        assert answer["result"]["items"][0]["range"]["start"] == {"line": LINE, "character": COLUMN + 2}
        assert len(daemon.completions) == 1
        assert editor.progress("one")[-1]["items"][0]["insertText"] == "items"


@pytest.mark.parametrize("key", ["z", "items!", "x"])
async def test_who_types_something_else_gets_something_else(
    home: dict[str, str], daemon: StandIn, key: str
) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        older = editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("items")
        await until_shown(editor, "one", "items")
        editor.insert(URI, LINE, COLUMN, key)
        assert (await editor.answer(older))["result"] is None
        await wait_until_async(lambda: writing.is_cancelled)
        newer = editor.ask(URI, LINE, COLUMN + len(key))
        other = await daemon.writing(1)
        assert other.request.prefix.endswith(f"self.{key}")
        other.say("oo")
        other.end()
        assert texts(await editor.answer(newer)) == ["oo"]


async def test_a_change_elsewhere_ends_the_generation(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        older = editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("items")
        await until_shown(editor, "one", "items")
        editor.insert(URI, 0, 0, "i")
        assert (await editor.answer(older))["result"] is None
        await wait_until_async(lambda: writing.is_cancelled)


async def test_what_nobody_waits_for_is_kept_for_who_asks_next(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        older = editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("items")
        await until_shown(editor, "one", "items")
        editor.insert(URI, LINE, COLUMN, "it")
        assert (await editor.answer(older))["result"] is None
        writing.say("()")
        writing.end()
        await wait_until_async(lambda: editor.told("stardraft/status")[-1]["state"] == "ready")
        item = await editor.suggestion(URI, LINE, COLUMN + 2)
        assert item["insertText"] == "ems()"
        assert len(daemon.completions) == 1


async def test_a_newer_question_at_the_same_place_takes_over_what_runs(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        older = editor.ask(URI, LINE, COLUMN)
        writing = await daemon.writing(0)
        newer = editor.ask(URI, LINE, COLUMN)
        assert (await editor.answer(older))["result"] is None
        editor.notify("$/cancelRequest", {"id": older})
        writing.say("items")
        writing.end()
        assert texts(await editor.answer(newer)) == ["items"]
        assert len(daemon.completions) == 1


async def test_the_last_question_takes_the_generation_with_it(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("items")
        await until_shown(editor, "one", "items")
        editor.insert(URI, LINE, COLUMN, "i")
        newer = editor.ask(URI, LINE, COLUMN + 1, partialResultToken="two")
        await until_shown(editor, "two", "tems")
        assert not writing.is_cancelled
        editor.notify("$/cancelRequest", {"id": newer})
        assert (await editor.answer(newer))["error"]["code"] == -32800
        await wait_until_async(lambda: writing.is_cancelled)


async def test_a_bracket_that_the_editor_closed_is_not_closed_twice(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("add(it")
        await until_shown(editor, "one", "add(it")
        editor.insert(URI, LINE, COLUMN, "add()")
        newer = editor.ask(URI, LINE, COLUMN + 4, partialResultToken="two")
        await until_shown(editor, "two", "it")
        writing.say("em)")
        writing.end()
        assert texts(await editor.answer(newer)) == ["item"]
        assert len(daemon.completions) == 1


async def test_text_behind_a_bracket_that_the_editor_closed_is_asked_for_anew(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("add(it")
        await until_shown(editor, "one", "add(it")
        editor.insert(URI, LINE, COLUMN, "add()")
        newer = editor.ask(URI, LINE, COLUMN + 4, partialResultToken="two")
        await until_shown(editor, "two", "it")
        writing.say("em).show")
        other = await daemon.writing(1)
        await wait_until_async(lambda: writing.is_cancelled)
        assert other.request.prefix.endswith("self.add(")
        assert other.request.suffix.startswith(")\n")
        other.say("item")
        other.end()
        assert texts(await editor.answer(newer)) == ["item"]


async def test_a_shutdown_leaves_nothing_running(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        older = editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        writing.say("items")
        await until_shown(editor, "one", "items")
        editor.insert(URI, LINE, COLUMN, "i")
        assert (await editor.answer(older))["result"] is None
    await wait_until_async(lambda: writing.is_cancelled)


# --- several suggestions ---------------------------------------------------------------------------


async def test_by_hand_there_are_several_suggestions_and_the_first_one_grows(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"settings": ["editor.candidates=3"]})
        editor.open(URI, TEXT)
        asked = editor.ask(URI, LINE, COLUMN, partialResultToken="one")
        writing = await daemon.writing(0)
        assert writing.request.n_candidates == 3
        writing.say("other", candidate=1)
        writing.say("items")
        await until_shown(editor, "one", "items")
        writing.end("other", "items", " ")
        answer = await editor.answer(asked)
        assert texts(answer) == ["items", "other"]
        ranges = [item["range"] for item in answer["result"]["items"]]
        assert ranges[0] == ranges[1]
        assert len(editor.progress("one")) == 1


async def test_while_typing_there_is_one_suggestion(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"settings": ["editor.candidates=3"]})
        editor.open(URI, TEXT)
        asked = editor.ask(URI, LINE, COLUMN, context={"triggerKind": 2})
        writing = await daemon.writing(0)
        assert writing.request.n_candidates is None
        by_hand = editor.ask(URI, LINE, COLUMN)
        several = await daemon.writing(1)
        assert several.request.n_candidates == 3
        assert (await editor.answer(asked))["result"] is None
        several.say("items")
        several.end("other")
        assert texts(await editor.answer(by_hand)) == ["items", "other"]


async def test_a_completion_list_has_several_entries_in_their_order(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize({}, initializationOptions={"settings": ["editor.candidates=2"]})
        editor.open(URI, TEXT)
        position = {"line": LINE, "character": COLUMN}
        asked = editor.post(
            "textDocument/completion",
            {"textDocument": {"uri": URI}, "position": position, "context": {"triggerKind": 1}},
        )
        writing = await daemon.writing(0)
        writing.say("items")
        writing.end("add")
        entries = (await editor.answer(asked))["result"]["items"]
        assert [entry["textEdit"]["newText"] for entry in entries] == ["items", "add"]
        assert sorted(entries, key=lambda entry: str(entry["sortText"])) == entries
