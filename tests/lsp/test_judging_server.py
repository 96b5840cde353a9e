"""What is asked, sent, shown and counted, seen from both ends of the real server: an editor and a daemon."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from stardraftd.protocol.completion import Figures
from tests.cli.program import stardraft
from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import GHOST_TEXT, Editor, editing
from tests.support.home import write_config
from tests.support.waiting import wait_until_async, within

URI = "file:///shop/shelf.py"
TYPED = {"context": {"triggerKind": 2}}
FIGURES = Figures(
    model="stand-in",
    device="CPU",
    layout="psm",
    n_prompt=100,
    n_reused=90,
    n_evaluated=10,
    n_generated=3,
    prefill_ms=1.0,
    decode_ms=1.0,
    first_token_ms=1.0,
    total_ms=2.0,
)
CANARIES = ("CANARY_ENV", "CANARY_IGNORED", "CANARY_KEY", "CANARY_STARDRAFTIGNORED")


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


def applied(text: str, item: dict[str, Any]) -> str:
    """The document after an item of one line's range was accepted."""
    lines = text.split("\n")
    start, end = item["range"]["start"], item["range"]["end"]
    assert start["line"] == end["line"]
    line = lines[start["line"]]
    lines[start["line"]] = line[: start["character"]] + item["insertText"] + line[end["character"] :]
    return "\n".join(lines)


def shop_with_a_helper(folder: Path) -> Path:
    """A workspace in which one file calls what another one defines; the file that calls."""
    body = "".join(f"        self.frobnicate_{i}(shelf_width, shelf_height)\n" for i in range(12))
    (folder / "frobnicator.py").write_text(f"class Frobnicator:\n    def frobnicate_shelf(self):\n{body}")
    file = folder / "shelf.py"
    file.write_text("def widen(frobnicator, shelf_width, shelf_height):\n    frobnicator.frobnicate_shelf(\n")
    return file


async def reason(editor: Editor) -> str:
    report = await editor.request("stardraft/status", {})
    return str(report["reason"])


async def answered(
    editor: Editor, daemon: StandIn, number: int, asked: int, said: str
) -> list[dict[str, Any]]:
    """Lets the daemon say something to its completion of this number, and returns the editor's items."""
    writing = await daemon.writing(number)
    writing.say(said)
    writing.end()
    items: list[dict[str, Any]] = (await editor.answer(asked))["result"]["items"]
    return items


# --- when to ask -------------------------------------------------------------------------------------------


async def test_inside_a_string_nothing_is_asked_while_typing_and_the_status_says_why(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, 'name = "shel\n')
        answer = await editor.answer(editor.ask(URI, 0, 12, **TYPED))
        assert answer["result"]["items"] == []
        assert await reason(editor) == "in_string"
        assert not daemon.completions
        [item] = await answered(editor, daemon, 0, editor.ask(URI, 0, 12), 'f"')
        assert item["insertText"] == 'f"'


async def test_behind_an_opener_a_block_is_asked_for_and_elsewhere_a_line(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "def area(width, height):\n    \nx = \n")
        editor.ask(URI, 1, 4)
        assert (await daemon.writing(0)).request.mode == "block"
        asked = editor.ask(URI, 2, 4)
        assert (await daemon.writing(1)).request.mode == "line"
        await answered(editor, daemon, 1, asked, "1")


async def test_a_line_that_opens_a_block_goes_on_as_one_and_is_shown_meanwhile(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "def f(items):\n    for \n    return items\n")
        asked = editor.ask(URI, 1, 8, partialResultToken="grows")
        line = await daemon.writing(0)
        assert line.request.mode == "line"
        line.say("item in items:")
        line.end()
        block = await daemon.writing(1)
        assert (block.request.mode, block.request.pause_ms) == ("block", 0.0)
        assert block.request.prefix == line.request.prefix + "item in items:"
        assert block.request.suffix == line.request.suffix
        assert editor.progress("grows")[-1]["items"][0]["insertText"] == "item in items:"
        block.say("\n        item.close()\n    x")
        [item] = (await editor.answer(asked))["result"]["items"]
        assert item["insertText"] == "item in items:\n        item.close()"
        await wait_until_async(lambda: block.is_cancelled)
        assert editor.progress("grows")[-1]["items"][0]["insertText"] == item["insertText"]


async def test_a_line_whose_block_stands_below_it_stays_a_line(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "def f(items):\n    for \n        item.close()\n")
        [item] = await answered(editor, daemon, 0, editor.ask(URI, 1, 8), "item in items:")
        assert item["insertText"] == "item in items:"
        assert len(daemon.completions) == 1


async def test_a_line_stays_when_its_block_cannot_be_made(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "def f(items):\n    for \n    return items\n")
        asked = editor.ask(URI, 1, 8)
        line = await daemon.writing(0)
        line.say("item in items:")
        line.end()
        (await daemon.writing(1)).fail("failed", "The engine has died.")
        [item] = (await editor.answer(asked))["result"]["items"]
        assert item["insertText"] == "item in items:"


async def test_a_block_that_begins_with_the_end_of_its_scope_is_that_line(
    home: dict[str, str], daemon: StandIn
) -> None:
    uri = "file:///shop/shelf.js"
    async with editing(home) as editor:
        editor.open(uri, "function f() {\n  if (a) {\n    g();\n    \n", "javascript")
        asked = editor.ask(uri, 3, 4)
        writing = await daemon.writing(0)
        assert writing.request.mode == "block"
        writing.say("} else\n    h();\n")
        [item] = (await editor.answer(asked))["result"]["items"]
        assert item["insertText"] == "} else"
        await wait_until_async(lambda: writing.is_cancelled)


async def test_a_block_ends_with_its_scope_by_the_syntax_tree_where_indentation_does_not_tell(
    home: dict[str, str], daemon: StandIn
) -> None:
    uri = "file:///shop/shelf.js"
    async with editing(home) as editor:
        editor.open(uri, "function f(a) {\n", "javascript")
        asked = editor.ask(uri, 1, 0)
        writing = await daemon.writing(0)
        assert writing.request.mode == "block"
        writing.say("  return a;\n  }\n  const b = 1;\n")
        [item] = (await editor.answer(asked))["result"]["items"]
        assert item["insertText"] == "  return a;\n  }"
        await wait_until_async(lambda: writing.is_cancelled)


async def test_what_is_asked_for_by_hand_is_not_what_was_cut_for_being_unsure(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "total = \n")
        await answered(editor, daemon, 0, editor.ask(URI, 0, 8, **TYPED), "price")
        [whole] = await answered(editor, daemon, 1, editor.ask(URI, 0, 8), "price * rate")
        assert whole["insertText"] == "price * rate"
        again = await editor.answer(editor.ask(URI, 0, 8, **TYPED))
        assert again["result"]["items"][0]["insertText"] == "price * rate"
    assert len(daemon.completions) == 2


# --- what is shown -----------------------------------------------------------------------------------------


async def test_a_closer_that_stands_behind_the_cursor_is_not_doubled(
    home: dict[str, str], daemon: StandIn
) -> None:
    text = "def show(item):\n    print()\n"
    async with editing(home) as editor:
        editor.open(URI, text)
        [item] = await answered(editor, daemon, 0, editor.ask(URI, 1, 10), "item)")
    assert applied(text, item) == "def show(item):\n    print(item)\n"


async def test_what_goes_on_behind_the_closer_takes_its_place(home: dict[str, str], daemon: StandIn) -> None:
    text = "def area()\n"
    async with editing(home) as editor:
        editor.open(URI, text)
        asked = editor.ask(URI, 0, 9)
        line = await daemon.writing(0)
        line.say("width, height):")
        line.end()
        [item] = await answered(editor, daemon, 1, asked, "")  # it opens a block, for which there is nothing
    assert applied(text, item) == "def area(width, height):\n"


async def test_generation_ends_as_soon_as_more_would_change_nothing(
    home: dict[str, str], daemon: StandIn
) -> None:
    text = "def f(a):\n    b = a\n    \n    return b + a * 2\n"
    async with editing(home) as editor:
        editor.open(URI, text)
        asked = editor.ask(URI, 2, 4)
        writing = await daemon.writing(0)
        writing.say("c = b\n    return b + a * 2\n    c")
        [item] = (await editor.answer(asked))["result"]["items"]
        assert item["insertText"] == "c = b"
        await wait_until_async(lambda: writing.is_cancelled)


async def test_what_is_not_worth_showing_is_not_shown_and_the_status_says_so(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "def f(a):\n    b = a\n    \n    return b + a * 2\n")
        assert await answered(editor, daemon, 0, editor.ask(URI, 2, 4), "return b + a * 2") == []
        assert await reason(editor) == "not_worth_showing"


# --- what is sent ------------------------------------------------------------------------------------------


async def test_other_files_are_shown_to_the_model_and_secrets_never(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    body = "".join(f"        self.frobnicate_{i}(shelf_width, shelf_height)\n" for i in range(12))
    (shop / "frobnicator.py").write_text(
        f"class Frobnicator:\n    def frobnicate_shelf(self, shelf_width, shelf_height):\n{body}"
    )
    (shop / ".env").write_text("SHELF_TOKEN=CANARY_ENV\n" * 5)
    (shop / "shelf_key.py").write_text(
        "shelf_width = 1\n-----BEGIN RSA PRIVATE KEY-----\nCANARY_KEY\n-----END RSA PRIVATE KEY-----\n"
    )
    (shop / ".gitignore").write_text("secret_shelf.py\n")
    (shop / "secret_shelf.py").write_text(f"# CANARY_IGNORED\nclass Secret:\n{body}")
    (shop / ".stardraftignore").write_text("private_*.py\n")
    (shop / "private_shelf.py").write_text(f"# CANARY_STARDRAFTIGNORED\nclass Private:\n{body}")
    file = shop / "shelf.py"
    text = "def widen(frobnicator, shelf_width, shelf_height):\n    frobnicator.frobnicate_shelf(\n"
    file.write_text(text)
    folder = {"uri": shop.as_uri(), "name": "shop"}
    async with editing(home, initialize=False) as editor:
        await editor.initialize(workspaceFolders=[folder])
        editor.open(file.as_uri(), text)

        def chunks() -> list[Any]:
            return [chunk for request in daemon.warmed for chunk in request.chunks]

        editor.insert(file.as_uri(), 1, 32, "s")  # and then the cursor rests
        await wait_until_async(chunks, what="no piece of another file was ever sent")
        asked = editor.ask(file.as_uri(), 1, 33)
        await answered(editor, daemon, len(daemon.completions), asked, "shelf_width")
        editor.open((shop / ".env").as_uri(), "SHELF_TOKEN=CANARY_ENV\n", "dotenv")
        nothing = await editor.answer(editor.ask((shop / ".env").as_uri(), 0, 5))
        assert nothing["result"]["items"] == []
        assert await reason(editor) == "secret_file"
    requests = [*daemon.warmed, *(writing.request for writing in daemon.completions)]
    assert any("frobnicator.py" in chunk.path for chunk in chunks())
    sent = msgspec.json.encode(requests).decode()
    assert [canary for canary in CANARIES if canary in sent] == []


async def test_other_files_are_shown_as_soon_as_that_is_switched_on(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    write_config(home, "[editor]\ncross_file = false\n")
    file = shop_with_a_helper(tmp_path)
    text = file.read_text()
    async with editing(home, initialize=False) as editor:
        await editor.initialize(workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "shop"}])
        editor.open(file.as_uri(), text)
        editor.insert(file.as_uri(), 1, 32, "s")
        await wait_until_async(lambda: daemon.warmed and daemon.warmed[-1].prefix)
        assert not [chunk for request in daemon.warmed for chunk in request.chunks]
        write_config(home, "[editor]\ncross_file = true\n")

        def chunks() -> list[Any]:
            return [chunk for request in daemon.warmed for chunk in request.chunks]

        await wait_until_async(chunks, what="no piece of another file was sent after that was switched on")


async def test_where_somebody_has_just_edited_is_shown_to_the_model_in_other_files(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    far = "".join(f"unlike_{i} = {i}\n" for i in range(60))
    till, shelf = tmp_path / "till.py", tmp_path / "shelf.py"
    till.write_text(far)
    shelf.write_text("def widen(board):\n    board.\n")
    async with editing(home, initialize=False) as editor:
        await editor.initialize(workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "shop"}])
        editor.open(till.as_uri(), far)
        editor.insert(till.as_uri(), 30, 0, "something_else = 9\n")
        editor.open(shelf.as_uri(), shelf.read_text())
        editor.insert(shelf.as_uri(), 1, 10, "s")

        def regions() -> list[str]:
            shown = [chunk for request in daemon.warmed for chunk in request.chunks]
            return [chunk.text for chunk in shown if "something_else" in chunk.text]

        [region, *_] = await wait_until_async(regions)
        assert "unlike_29" in region
        assert "unlike_50" not in region


async def test_no_socket_is_opened_but_the_daemons(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        await answered(editor, daemon, 0, editor.ask(URI, 0, 4), "width")
        server = psutil.Process(editor.process.pid)
        assert server.net_connections("inet") == []
        assert server.children() == []


# --- settings ----------------------------------------------------------------------------------------------


async def test_the_editors_settings_hold_at_once_by_language_too(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        editor.notify(
            "workspace/didChangeConfiguration",
            {"settings": {"stardraft": {"languages": {"python": {"enabled": False}}}}},
        )
        assert (await editor.answer(editor.ask(URI, 0, 4)))["result"]["items"] == []
        assert await reason(editor) == "language_off"
        editor.notify("workspace/didChangeConfiguration", {"settings": {"stardraft": {}}})
        [item] = await answered(editor, daemon, 0, editor.ask(URI, 0, 4), "width")
        assert item["insertText"] == "width"


async def test_the_editor_is_asked_for_its_settings_when_it_can_be(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize({**GHOST_TEXT, "workspace": {"configuration": True}})
        await wait_until_async(
            lambda: [one for one in editor.requests if one["method"] == "workspace/configuration"]
        )


async def test_a_project_can_switch_suggestions_off_and_a_wrong_file_is_told(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    project = tmp_path / ".stardraft.toml"
    project.write_text('[folder."vendor/**"]\nenabled = false\n')
    vendored = tmp_path / "vendor" / "a.py"
    vendored.parent.mkdir()
    vendored.write_text("x = \n")
    async with editing(home, initialize=False) as editor:
        await editor.initialize(workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "shop"}])
        editor.open(vendored.as_uri(), "x = \n")

        async with within(what="the project's own settings hold"):
            while True:
                asked = editor.ask(vendored.as_uri(), 0, 4)
                await asyncio.wait({asyncio.ensure_future(editor.answer(asked))}, timeout=0.2)
                if await reason(editor) == "project_off":
                    break
                editor.notify("$/cancelRequest", {"id": asked})
        project.write_text("model = 3\n")
        editor.notify("textDocument/didSave", {"textDocument": {"uri": project.as_uri()}})
        await editor.until_told("window/showMessage", lambda params: ".stardraft.toml" in params["message"])


async def test_who_wants_quiet_for_a_while_gets_it_and_can_end_it(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        await editor.request("stardraft/snooze", {"minutes": 10})
        assert (await editor.answer(editor.ask(URI, 0, 4)))["result"]["items"] == []
        assert await reason(editor) == "snoozed"
        await editor.request("stardraft/snooze", {"minutes": 0})
        assert await answered(editor, daemon, 0, editor.ask(URI, 0, 4), "width")
        await editor.request("stardraft/switch", {"enabled": False})
        assert (await editor.answer(editor.ask(URI, 0, 4)))["result"]["items"] == []
        refused = await editor.answer(editor.post("stardraft/snooze", {"minutes": "long"}))
        assert "minutes" in refused["error"]["message"]


# --- how it is told, and counted ---------------------------------------------------------------------------


async def test_what_was_shown_and_accepted_is_counted_and_nothing_when_that_is_off(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        [item] = await answered(editor, daemon, 0, editor.ask(URI, 0, 4), "width * height")
        editor.insert(URI, 0, 4, item["insertText"])
        await editor.request("workspace/executeCommand", item["command"])
    counted = json.loads((await asyncio.to_thread(stardraft, home, "stats", "--json")).stdout)
    assert "width * height" not in json.dumps(counted)
    shown = await asyncio.to_thread(stardraft, home, "stats")
    assert "python" in shown.stdout, shown
    before = Path(home["STARDRAFT_STATE_DIR"], "stats.sqlite").read_bytes()
    assert b"width * height" not in before
    assert b"shelf.py" not in before
    write_config(home, "[editor]\nstats = false\n")
    async with editing(home) as editor:
        editor.open(URI, "y = \n")
        await answered(editor, daemon, 1, editor.ask(URI, 0, 4), "width")
    assert Path(home["STARDRAFT_STATE_DIR"], "stats.sqlite").read_bytes() == before


async def test_what_is_accepted_while_it_grows_is_counted(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        asked = editor.ask(URI, 0, 4, partialResultToken="growing")
        writing = await daemon.writing(0)
        writing.say("width * height")
        await wait_until_async(lambda: editor.progress("growing"), what="nothing grew")
        [item] = editor.progress("growing")[-1]["items"]
        editor.insert(URI, 0, 4, item["insertText"])
        await editor.request("workspace/executeCommand", item["command"])
        assert (await editor.answer(asked))["result"] is None
        rest = editor.ask(URI, 0, 4 + len(item["insertText"]))
        writing.say(" * depth")
        writing.end()
        assert [one["insertText"] for one in (await editor.answer(rest))["result"]["items"]] == [" * depth"]
    counted = json.loads((await asyncio.to_thread(stardraft, home, "stats", "--json")).stdout)
    assert counted["all"]["shown"] == 2
    assert counted["all"]["accepted"] == 1


async def test_how_many_pieces_of_other_files_stood_where_they_did_is_counted(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    file = shop_with_a_helper(tmp_path)
    async with editing(home, initialize=False) as editor:
        await editor.initialize(workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "shop"}])
        editor.open(file.as_uri(), file.read_text())
        editor.insert(file.as_uri(), 1, 32, "s")
        await wait_until_async(lambda: daemon.warmed and daemon.warmed[-1].chunks)
        for number, said in enumerate(("shelf_width", '"wide"')):
            asked = editor.ask(file.as_uri(), 1, 33 + number)
            (await daemon.writing(number)).figures = FIGURES
            await answered(editor, daemon, number, asked, said)
            editor.insert(file.as_uri(), 1, 33 + number, "=")
        n_chunks = len(daemon.completions[0].request.chunks)
        assert n_chunks
        assert daemon.completions[1].request.chunks == daemon.completions[0].request.chunks
    counted = json.loads((await asyncio.to_thread(stardraft, home, "stats", "--json")).stdout)
    assert counted["all"]["chunk_reuse"] == 0.5  # all of them, the second time
    shown = await asyncio.to_thread(stardraft, home, "stats")
    assert "Pieces of other files reused" in shown.stdout


async def test_llm_ls_clients_are_answered_in_their_own_words(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        place = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}}
        asked = editor.post("llm-ls/getCompletions", {**place, "model": "x", "ide": "neovim"})
        writing = await daemon.writing(0)
        writing.say("width")
        writing.end()
        result = (await editor.answer(asked))["result"]
        assert result["completions"] == [{"generated_text": "width"}]
        verdict = {"requestId": result["request_id"], "acceptedCompletion": 0, "shownCompletions": [0]}
        assert await editor.request("llm-ls/acceptCompletion", verdict) is None
        refused = await editor.answer(editor.post("llm-ls/getCompletions", {"model": "x"}))
        assert "textDocument" in refused["error"]["message"]


async def test_an_llm_ls_client_whose_change_comes_after_its_question_is_answered_for_it(
    home: dict[str, str], daemon: StandIn
) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        place = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 5}}
        asked = editor.post("llm-ls/getCompletions", {**place, "model": "x"})
        await daemon.writing(0)
        editor.insert(URI, 0, 4, "w")
        writing = await daemon.writing(1)
        assert writing.request.prefix == "x = w"
        writing.say("idth")
        writing.end()
        assert (await editor.answer(asked))["result"]["completions"] == [{"generated_text": "idth"}]


async def test_who_speaks_copilots_dialect_hears_its_status(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        editor.notify("textDocument/didFocus", {"textDocument": {"uri": URI}})
        await answered(editor, daemon, 0, editor.ask(URI, 0, 4), "width")
        assert await editor.until_told("didChangeStatus", lambda params: params["kind"] == "Normal")
