"""The real server over stdio, with the real daemon and model behind it, driven as editors drive it."""

import asyncio
import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from stardraftd import __version__
from tests.lsp.daemons import daemons, stop_daemon
from tests.support.editor import GHOST_TEXT, Editor, editing, start_server
from tests.support.home import write_config
from tests.support.processes import exit_status_async
from tests.support.waiting import wait_until_async, within

URI = "file:///work%20shop/shelf.py"
TEXT = (
    "class Shelf:\n    def __init__(self, items):\n        self.\n\n"
    "    def add(self, item):\n        self.items.append(item)\n"
)
LONG = "".join(f"def function_{i}(alpha, beta):\n    return alpha * {i} + beta\n\n\n" for i in range(90))
CURSOR = (2, 13)


def at(item: dict[str, Any]) -> tuple[int, int]:
    start, end = item["range"]["start"], item["range"]["end"]
    assert start["line"] == end["line"], "a range is within one line"
    return start["line"], start["character"]


async def test_a_suggestion_comes_with_its_range_and_grows_on_the_way(home: dict[str, str]) -> None:
    async with editing(home, start=start_server) as editor:
        editor.open(URI, TEXT)
        item = await editor.suggestion(URI, *CURSOR, partialResultToken="grow")
        assert item["insertText"].strip()
        assert "\n" not in item["insertText"]
        assert at(item) == CURSOR
        grown = [value["items"][0]["insertText"] for value in editor.progress("grow")]
        assert len(grown) > 1
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(grown))
        assert grown[-1] == item["insertText"]


async def test_without_a_token_nothing_is_streamed(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        editor.open(URI, TEXT)
        await editor.suggestion(URI, *CURSOR)
        assert not [
            message
            for message in editor.told("$/progress")
            if not str(message["token"]).startswith("stardraft-")
        ]


async def test_streaming_can_be_switched_off(shared_home: dict[str, str]) -> None:
    async with editing(shared_home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"streaming": False})
        editor.open(URI, TEXT)
        await editor.suggestion(URI, *CURSOR, partialResultToken="grow")
        assert not editor.progress("grow")


async def test_what_the_server_can_do(shared_home: dict[str, str]) -> None:
    async with editing(shared_home, initialize=False) as editor:
        found = await editor.initialize()
        assert found["serverInfo"] == {"name": "stardraft", "version": __version__}
        assert "inlineCompletionProvider" in found["capabilities"]
        assert "completionProvider" not in found["capabilities"]
        assert found["capabilities"]["textDocumentSync"]["change"] == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_positions_are_counted_in_the_negotiated_encoding(
    shared_home: dict[str, str], encoding: str
) -> None:
    line = '        name = "😀é"; self.'
    text = TEXT.replace("        self.\n", line + "\n")
    size = {"utf-8": len(line.encode()), "utf-16": len(line.encode("utf-16-le")) // 2, "utf-32": len(line)}
    async with editing(shared_home, initialize=False) as editor:
        capabilities = GHOST_TEXT | {"general": {"positionEncodings": [encoding]}}
        found = await editor.initialize(capabilities)
        assert found["capabilities"]["positionEncoding"] == encoding
        editor.open(URI, text)
        whole = await editor.suggestion(URI, 2, size[encoding])
        assert at(whole) == (2, size[encoding])
        # The same text, typed: the server has it right only when it counts as the editor does.
        other = URI + "typed"
        editor.open(other, text.replace("self.\n\n", "lf.\n\n"))
        editor.insert(other, 2, size[encoding] - len("self."), "se")
        typed = await editor.suggestion(other, 2, size[encoding])
        assert typed["insertText"] == whole["insertText"]


async def test_crlf_documents_get_their_own_line_ends_back(shared_home: dict[str, str]) -> None:
    async with editing(shared_home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"mode": "block"})
        text = "def total(items):\r\n    result = 0\r\n    for item in items:"
        editor.open(URI, text)
        item = await editor.suggestion(URI, 2, 22)
        assert "\r\n" in item["insertText"]
        assert "\n" not in item["insertText"].replace("\r\n", "")
        editor.open(URI + "lf", text.replace("\r\n", "\n"))
        same = await editor.suggestion(URI + "lf", 2, 22)
        assert same["insertText"] == item["insertText"].replace("\r\n", "\n")


async def test_a_newer_request_takes_the_place_of_the_older_one(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        editor.open(URI, LONG + TEXT)
        line = LONG.count("\n") + CURSOR[0]
        older = editor.ask(URI, line, CURSOR[1])
        newer = editor.ask(URI, line, CURSOR[1])
        assert (await editor.answer(older))["result"] is None
        assert (await editor.answer(newer))["result"]["items"]


async def test_a_change_of_the_text_ends_what_was_asked_before_it(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        editor.open(URI, LONG + TEXT)
        line = LONG.count("\n") + CURSOR[0]
        older = editor.ask(URI, line, CURSOR[1])
        editor.insert(URI, line, CURSOR[1], "i")
        assert (await editor.answer(older))["result"] is None


async def test_a_request_of_another_document_is_not_touched(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        editor.open(URI, TEXT)
        editor.open(URI + "other", TEXT)
        first, second = editor.ask(URI, *CURSOR), editor.ask(URI + "other", *CURSOR)
        assert (await editor.answer(first))["result"]["items"]
        assert (await editor.answer(second))["result"]["items"]


async def test_a_cancelled_request_is_answered_so_and_the_engine_is_free(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        editor.open(URI, LONG + TEXT)
        editor.open(URI + "other", TEXT)
        cancelled = editor.ask(URI, LONG.count("\n") + CURSOR[0], CURSOR[1])
        editor.notify("$/cancelRequest", {"id": cancelled})
        answer = await editor.answer(cancelled)
        assert answer["error"]["code"] == -32800
        assert (await editor.suggestion(URI + "other", *CURSOR))["insertText"]


async def test_nothing_to_suggest_is_an_empty_list(shared_home: dict[str, str]) -> None:
    async with editing(shared_home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"disabledLanguages": ["python"]})
        editor.open(URI, TEXT)
        assert await editor.request(*_inline(URI)) == {"items": []}
        report = await editor.request("stardraft/status", {})
        assert (report["state"], report["reason"]) == ("off", "language_off")
        assert await editor.request(*_inline("file:///never/opened.py")) == {"items": []}


async def test_typing_what_was_suggested_asks_no_model(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        whole = (await editor.suggestion(URI, *CURSOR))["insertText"]
        await stop_daemon(home)
        editor.insert(URI, *CURSOR, whole[:2])
        rest = await editor.suggestion(URI, CURSOR[0], CURSOR[1] + 2)
        assert rest["insertText"] == whole[2:]
        assert not daemons(home), "a daemon was started for it"


ODD_PARAMETERS: list[dict[str, Any]] = [
    {"context": {"triggerKind": 0}},
    {"context": None},
    {"context": {"triggerKind": 2, "unknown": [1, {"a": None}]}, "alsoUnknown": {}},
    {
        "context": {
            "triggerKind": 1,
            "selectedCompletionInfo": {
                "text": "items",
                "range": [{"line": 2, "character": 13}, {"line": 2, "character": 13}],
            },
        }
    },
]


async def test_odd_parameters_of_old_clients_are_served(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        for number, more in enumerate(ODD_PARAMETERS):
            uri = f"{URI}{number}.py"
            editor.open(uri, TEXT)
            item = await editor.suggestion(uri, *CURSOR, **more)
            assert item["insertText"], more
            if (more["context"] or {}).get("selectedCompletionInfo"):
                assert item["insertText"].startswith("items")


UNREADABLE: list[tuple[str, Any]] = [
    ("textDocument/inlineCompletion", None),
    ("textDocument/inlineCompletion", {"textDocument": {"uri": URI}}),
    ("textDocument/inlineCompletion", {"textDocument": 3, "position": []}),
    ("workspace/executeCommand", {"command": 5}),
    ("textDocument/hover", {"nonsense": True}),
    ("no/such/method", {}),
]


async def test_what_cannot_be_read_is_answered_with_an_error_and_nothing_pops_up(
    shared_home: dict[str, str],
) -> None:
    async with editing(shared_home) as editor:
        for number, (method, params) in enumerate(UNREADABLE):
            answer = await editor.answer(editor.post(method, params))
            assert answer["error"]["code"] in (-32602, -32601, -32600), (method, params)
            uri = f"{URI}{number}.py"
            editor.open(uri, TEXT)
            assert (await editor.suggestion(uri, *CURSOR))["insertText"], (method, params)
            assert not editor.told("window/showMessage"), (method, params)


async def test_editors_without_ghost_text_get_a_completion_list(shared_home: dict[str, str]) -> None:
    async with editing(shared_home, initialize=False) as editor:
        found = await editor.initialize({})
        assert "." in found["capabilities"]["completionProvider"]["triggerCharacters"]
        editor.open(URI, TEXT)
        answer = await editor.request(
            "textDocument/completion",
            {
                "textDocument": {"uri": URI},
                "position": {"line": 2, "character": 13},
                "context": {"triggerKind": 1},
            },
        )
        entry = answer["items"][0]
        assert entry["textEdit"]["newText"]
        assert answer["isIncomplete"] is True


async def test_a_loading_model_shows_its_progress_and_the_status_follows(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        report = await editor.until_told("stardraft/status", lambda params: params["model"])
        assert report["state"] == "ready"
        values = [message["value"] for message in editor.told("$/progress")]
        assert values[0]["kind"] == "begin"
        await wait_until_async(lambda: editor.told("$/progress")[-1]["value"]["kind"] == "end")
        assert editor.requests[0]["method"] == "window/workDoneProgress/create"


async def test_a_model_that_cannot_be_loaded_is_told_once(home: dict[str, str]) -> None:
    write_config(home, f"[model]\npath = '{Path(home['STARDRAFT_STATE_DIR']) / 'absent.gguf'}'\n")
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        for _ in range(3):
            assert await editor.request(*_inline(URI)) == {"items": []}
        shown = editor.told("window/showMessage")
        assert len(shown) == 1
        assert "absent.gguf" in shown[0]["message"]
        report = await editor.request("stardraft/status", {})
        assert report["state"] == "error"
        assert "absent.gguf" in report["message"]


async def test_wrong_options_and_a_wrong_configuration_are_told(home: dict[str, str]) -> None:
    write_config(home, "[editor]\ndebounce_ms = 'soon'\n")
    async with editing(home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"debounce": 3})
        await editor.until_told("window/showMessage", lambda params: "debounce" in params["message"])
        shown = await editor.until_told("window/showMessage", lambda params: "line 2" in params["message"])
        assert "editor.debounce_ms" in shown["message"]
        editor.open(URI, "\n\nsomething_new")  # no line of own code is like it, and no daemon is started
        assert await editor.request(*_inline(URI)) == {"items": []}
        write_config(home, "")
        editor.open(URI, TEXT)
        async with within():
            while await editor.request(*_inline(URI)) == {"items": []}:
                await asyncio.sleep(0.05)


async def test_a_changed_configuration_is_followed(home: dict[str, str]) -> None:
    write_config(home, "")
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        assert (await editor.suggestion(URI, *CURSOR))["insertText"]
        write_config(home, "[editor]\nenabled = false\n")
        async with within():
            while await editor.request(*_inline(URI)) != {"items": []}:
                await asyncio.sleep(0.05)
        assert (await editor.request("stardraft/status", {}))["reason"] == "disabled"


async def test_a_killed_daemon_is_back_with_the_next_request(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        await editor.suggestion(URI, *CURSOR)
        before = daemons(home)
        os.kill(before[0], signal.SIGKILL)
        editor.open(URI + "other", TEXT)
        assert (await editor.suggestion(URI + "other", *CURSOR))["insertText"]
        assert daemons(home) != before


@pytest.mark.parametrize("process_id", [None, os.getpid()], ids=["no process named", "one process"])
async def test_two_servers_share_one_daemon_and_take_nothing_from_each_other(
    home: dict[str, str], process_id: int | None
) -> None:
    """Also where one editor has both."""
    async with editing(home, initialize=False) as one, editing(home, initialize=False) as other:
        for editor in (one, other):
            await editor.initialize(processId=process_id)
            editor.open(URI, TEXT)
        first, second = await asyncio.gather(one.suggestion(URI, *CURSOR), other.suggestion(URI, *CURSOR))
        assert first["insertText"] == second["insertText"]
        assert first["range"] == second["range"]
        assert len(daemons(home)) == 1


async def test_a_document_may_be_opened_twice_closed_and_opened_again(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        editor.open(URI, "old text")
        editor.open(URI, TEXT)
        assert (await editor.suggestion(URI, *CURSOR))["insertText"]
        editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert await editor.request(*_inline(URI)) == {"items": []}
        editor.open(URI, TEXT)
        assert (await editor.suggestion(URI, *CURSOR))["insertText"]
        editor.open("untitled:Untitled-1", TEXT)
        assert (await editor.suggestion("untitled:Untitled-1", *CURSOR))["insertText"]


async def test_an_exit_without_a_shutdown_is_an_error(shared_home: dict[str, str]) -> None:
    process = await start_server(shared_home)
    editor = Editor(process)
    await editor.initialize()
    editor.notify("exit", None)
    assert await exit_status_async(process) == 1


async def test_a_server_whose_editor_vanished_ends(shared_home: dict[str, str]) -> None:
    process = await start_server(shared_home)
    editor = Editor(process)
    await editor.initialize()
    assert process.stdin is not None
    process.stdin.close()
    assert await exit_status_async(process) == 1


def _inline(uri: str) -> tuple[str, dict[str, Any]]:
    return "textDocument/inlineCompletion", {
        "textDocument": {"uri": uri},
        "position": {"line": CURSOR[0], "character": CURSOR[1]},
        "context": {"triggerKind": 1},
    }
