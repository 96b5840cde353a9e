"""`stardraft/origin`: where the last suggestion of a document came from, as the real server answers it."""

from pathlib import Path
from typing import Any

import pytest

from tests.lsp.stand_in import standing_in
from tests.support.editor import Editor, editing
from tests.support.waiting import within

LINE = "    amount = sum(rows)"
WRITTEN = f"def total_of(rows):\n{LINE}\n    return round(amount, 2)\n"
TYPED = "    amount = su"
BEGUN = f"def total_of(rows):\n{TYPED}"


async def origin_of(editor: Editor, uri: object) -> Any:
    return await editor.request("stardraft/origin", {"textDocument": {"uri": uri}})


async def texts(editor: Editor, uri: str, line: int, character: int) -> list[str]:
    answer = await editor.answer(editor.ask(uri, line, character))
    return [item["insertText"] for item in answer["result"]["items"]]


async def test_it_is_the_line_of_the_users_own_code_until_another_suggestion_is_shown(
    home: dict[str, str], tmp_path: Path
) -> None:
    here, there = tmp_path / "orders.py", tmp_path / "prices.py"
    here.write_text(BEGUN, encoding="utf-8")
    there.write_text(WRITTEN, encoding="utf-8")
    uri, other = here.as_uri(), there.as_uri()
    async with editing({**home, "STARDRAFT_EDITOR_ECHO": "only"}, initialize=False) as editor:
        await editor.initialize(rootUri=tmp_path.as_uri())
        editor.open(other, WRITTEN)
        editor.open(uri, BEGUN)
        assert await origin_of(editor, uri) is None
        async with within(what="the other document's line"):  # that may be read as soon as it is checked
            while await texts(editor, uri, 1, len(TYPED)) != [LINE.removeprefix(TYPED)]:
                pass
        taken_from = {"source": "echo", "uri": other, "line": 1, "text": LINE}
        assert await origin_of(editor, uri) == taken_from
        assert await origin_of(editor, other) is None
        assert await texts(editor, uri, 0, 0) == []  # where there is nothing to say
        assert await origin_of(editor, uri) == taken_from
        assert (await editor.request("stardraft/status", {}))["echo"] == "only"


async def test_it_is_the_model_where_that_wrote_the_suggestion(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = (tmp_path / "shelf.py").as_uri()
    async with standing_in(home, monkeypatch) as daemon, editing(home) as editor:
        editor.open(uri, "def area(width, height):\n    return ")
        number = editor.ask(uri, 1, 11)
        writing = await daemon.writing(0)
        writing.say("width * height")
        writing.end()
        assert (await editor.answer(number))["result"]["items"]
        assert await origin_of(editor, uri) == {"source": "model"}
        editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert await origin_of(editor, uri) is None


async def test_what_is_no_open_document_has_none(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        for uri in (None, 3, ["file:///a.py"], {"a": 1}, "file:///never/opened.py"):
            assert await origin_of(editor, uri) is None
