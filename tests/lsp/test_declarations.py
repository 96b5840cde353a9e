"""Declarations asked from the editor's own language servers: when, and what becomes of the answers."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stardraft_lsp.ahead.declarations import METHOD, names_around, read_declarations
from stardraft_lsp.context.choice.candidates import Declared
from stardraft_lsp.protocol.client_info import read_initialize
from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import GHOST_TEXT, NEVER, Editor, editing
from tests.support.home import write_config
from tests.support.waiting import wait_until_async

DECLARES = {**GHOST_TEXT, "experimental": {"stardraft": {"declarations": True}}}
TEXT = "from press import widen\n\n\ndef grow(shelf):\n    widen(shelf, \n"
ANSWERED = TEXT.replace("widen(shelf, \n", "widen(shelf, x\n")


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace whose names are defined more than once, so that nothing but the editor can tell which."""
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tools.py").write_text(
            f"# {folder}\n\n\ndef widen(shelf, {folder}_width):\n    shelf.width = {folder}_width\n"
        )
    (tmp_path / ".env").write_text("def widen(shelf, CANARY_width):\n    pass\n")
    (tmp_path / "shelf.py").write_text(TEXT)
    return tmp_path


def declared_at(path: Path, line: int) -> dict[str, Any]:
    here = {"line": line, "character": 4}
    return {"uri": path.as_uri(), "range": {"start": here, "end": {"line": line, "character": 9}}}


def asked(editor: Editor) -> list[dict[str, Any]]:
    return [one for one in editor.requests if one["method"] == METHOD]


def asked_as_often(editor: Editor, n_times: int) -> bool:
    return len(asked(editor)) >= n_times


async def rest(editor: Editor, shop: Path) -> str:
    """Opens the document, types a key, and leaves it alone."""
    uri = (shop / "shelf.py").as_uri()
    editor.open(uri, TEXT)
    editor.insert(uri, 4, 17, "x")
    return uri


async def start(editor: Editor, shop: Path, capabilities: dict[str, Any]) -> None:
    await editor.initialize(capabilities, workspaceFolders=[{"uri": shop.as_uri(), "name": "shop"}])


def sent(daemon: StandIn) -> list[str]:
    return [chunk.text for request in daemon.warmed for chunk in request.chunks]


async def test_what_the_editor_says_is_shown_to_the_model(
    home: dict[str, str], daemon: StandIn, shop: Path
) -> None:
    def reply(params: dict[str, Any]) -> list[Any]:
        lines = ANSWERED.split("\n")
        names = [lines[one["line"]][one["character"] :] for one in params["positions"]]
        return [
            declared_at(shop / "new" / "tools.py", 3) if name.startswith("widen") else None for name in names
        ]

    async with editing(home, initialize=False) as editor:
        editor.replies[METHOD] = reply
        await start(editor, shop, DECLARES)
        await rest(editor, shop)
        await wait_until_async(lambda: "def widen(shelf, new_width):\n" in sent(daemon))
        assert "def widen(shelf, old_width):\n" not in sent(daemon)


async def test_who_does_not_offer_it_is_not_asked_nor_who_has_other_files_switched_off(
    home: dict[str, str], daemon: StandIn, shop: Path
) -> None:
    for capabilities, cross_file in ((GHOST_TEXT, "true"), (DECLARES, "false")):
        daemon.warmed.clear()
        write_config(home, f"[editor]\ncross_file = {cross_file}\n")
        async with editing(home, initialize=False) as editor:
            await start(editor, shop, capabilities)
            await rest(editor, shop)
            await wait_until_async(lambda: [one for one in daemon.warmed if one.prefix.endswith("x")])
            assert asked(editor) == []


async def test_what_may_not_be_read_is_not_read_because_an_editor_names_it(
    home: dict[str, str], daemon: StandIn, shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "tools.py"
    outside.write_text("def widen(shelf, CANARY_width):\n    shelf.width = CANARY_width\n")
    targets = [declared_at(outside, 0), declared_at(shop / ".env", 0)]
    answers = [None, *targets, {"uri": "https://example.org/a.py"}, {"uri": 3}, "nothing"]

    def reply(params: dict[str, Any]) -> list[Any]:
        first = len(asked(editor))
        return (answers * 12)[first : first + len(params["positions"])]

    async with editing(home, initialize=False) as editor:
        editor.replies[METHOD] = reply
        await start(editor, shop, DECLARES)
        uri = await rest(editor, shop)
        for number in range(1, 4):
            await wait_until_async(partial(asked_as_often, editor, number))
            editor.insert(uri, 4, 17 + number, "y")
        await wait_until_async(lambda: [one for one in daemon.warmed if one.prefix.endswith("yyy")])
    assert "CANARY" not in "".join(sent(daemon))


async def test_one_question_is_under_way_and_typing_on_ends_it(
    home: dict[str, str], daemon: StandIn, shop: Path
) -> None:
    async with editing(home, initialize=False) as editor:
        editor.replies[METHOD] = lambda _params: NEVER
        await start(editor, shop, DECLARES)
        uri = await rest(editor, shop)
        await wait_until_async(lambda: asked(editor))
        editor.insert(uri, 4, 18, "y")
        await editor.until_told("$/cancelRequest", lambda params: params["id"] == asked(editor)[0]["id"])
        await wait_until_async(lambda: len(asked(editor)) == 2)
        editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        await editor.until_told("$/cancelRequest", lambda params: params["id"] == asked(editor)[1]["id"])


async def test_an_editor_that_does_not_answer_costs_nothing_but_a_moment(
    home: dict[str, str], daemon: StandIn, shop: Path
) -> None:
    async with editing(home, initialize=False) as editor:
        editor.replies[METHOD] = lambda _params: NEVER
        await start(editor, shop, DECLARES)
        uri = await rest(editor, shop)
        await wait_until_async(lambda: sent(daemon))
        n_asked = len(asked(editor))
        n_warmed = len(daemon.warmed)
        editor.insert(uri, 4, 18, "y")
        await wait_until_async(lambda: len(daemon.warmed) > n_warmed)
        assert len(asked(editor)) == n_asked  # it is left alone for a while


async def test_a_version_of_a_document_is_asked_about_once(
    home: dict[str, str], daemon: StandIn, shop: Path
) -> None:
    async with editing(home, initialize=False) as editor:
        editor.replies[METHOD] = lambda params: [None] * len(params["positions"])
        await start(editor, shop, DECLARES)
        uri = await rest(editor, shop)
        await wait_until_async(lambda: [one for one in daemon.warmed if one.prefix.endswith("x")])
        n_asked = len(asked(editor))
        assert n_asked
        question = editor.ask(uri, 4, 18)
        writing = await daemon.writing(0)
        writing.say(")")
        writing.end()
        await editor.answer(question)
        assert len(asked(editor)) == n_asked


def test_names_are_asked_for_where_they_stand_nearest_before_the_cursor() -> None:
    text = "alpha = beta\nbeta(alpha, "
    found = dict(names_around(text + "gamma)", len(text)))
    assert found == {"alpha": 18, "beta": 13, "gamma": 25}


def test_an_answer_of_any_other_make_declares_nothing() -> None:
    good = declared_at(Path("/shop/a.py"), 7)
    assert read_declarations(("a", "b"), [good, None]) == (Declared("a", "/shop/a.py", 7), None)
    others: tuple[Any, ...] = (None, [], {}, [good], "text", [good, good, good])
    for raw in others:
        assert read_declarations(("a", "b"), raw) == (None, None)


def test_only_a_plain_yes_is_an_offer() -> None:
    assert read_initialize({"capabilities": DECLARES}).declares
    others: tuple[Any, ...] = (
        None,
        {},
        [],
        {"stardraft": None},
        {"stardraft": {"declarations": "yes"}},
    )
    for experimental in others:
        assert not read_initialize({"capabilities": {"experimental": experimental}}).declares
