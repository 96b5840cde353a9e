"""No odd value costs more than itself: what is not understood is ignored, what is missing has a default."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lsprotocol import types

from stardraft_lsp.protocol.client_info import read_initialize
from tests.support.in_process import QUIET, InProcess, serving
from tests.support.specification import MESSAGES, MISSING, WRONG, changed, example, paths
from tests.support.waiting import wait_until_async

URI = "file:///shop/shelf.py"
EMOJI = 's = "😀😀" + '
HERE = {"line": 0, "character": 13}


@pytest.fixture
async def server(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    async with serving(home, monkeypatch) as found:
        yield found


INITIALIZE = example(types.InitializeParams)
ROOMS = [path for path in paths(INITIALIZE) if len(path) <= 2]


def test_initialize_takes_every_field_of_the_specification_in_every_wrong_type() -> None:
    n_cases = 0
    for path in paths(INITIALIZE):
        is_about_capabilities = not path or path[0] == "capabilities"
        for wrong in WRONG:
            client = read_initialize(changed(INITIALIZE, path, wrong))
            assert client.encoding in ("utf-8", "utf-16", "utf-32")
            assert all(folder.uri for folder in client.folders)
            if not is_about_capabilities:
                assert client.has_settings == read_initialize(INITIALIZE).has_settings
            n_cases += 1
    assert n_cases > 3000


@pytest.mark.parametrize(
    "wrong", WRONG, ids=lambda wrong: "missing" if wrong is MISSING else json.dumps(wrong)
)
async def test_a_server_starts_whatever_one_value_of_initialize_is(
    wrong: Any, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = WRONG.index(wrong)
    for path in ROOMS[number % 4 :: 4]:
        async with serving(home, monkeypatch) as server:
            params = changed(INITIALIZE, path, wrong)
            answer = await server.answer("initialize", params)
            assert "positionEncoding" in answer["result"]["capabilities"], (path, wrong)


@pytest.mark.parametrize(
    "more",
    [
        {"trace": "compact"},
        {"capabilities": None},
        {"capabilities": []},
        {"clientInfo": {}},
        {"clientInfo": {"name": "a\nb\0" * 999}},
        {"workspaceFolders": [{"uri": "file:///shop"}, {"name": "no uri"}, 5, None]},
        {"workspaceFolders": {"uri": "file:///shop"}},
        {"rootUri": "file://[bad"},
        {"rootUri": "diffview://[abc"},
        {"rootUri": 7, "rootPath": ["/shop"]},
        {"rootPath": "//host"},
        {"processId": "12"},
        {"processId": 1e300},
        {"processId": -1},
        {"capabilities": {"textDocument": {"inlineCompletion": True}}},
        {"capabilities": {"textDocument": {"documentSymbol": {"symbolKind": {"valueSet": [27, "x"]}}}}},
        {"capabilities": {"general": {"positionEncodings": {"0": "utf-8"}}}},
    ],
)
async def test_what_real_clients_get_wrong_is_no_refusal(more: dict[str, Any], server: InProcess) -> None:
    answer = server.initialize(**more)
    assert answer["result"]["serverInfo"]["name"] == "stardraft"
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": EMOJI}})
    assert server.text(URI) == EMOJI


@pytest.mark.parametrize("number", [1e300, 2**70, -1, 0, "12", True, 1.5, [12], None])
def test_what_is_no_processs_number_is_none(number: Any) -> None:
    assert read_initialize({"processId": number}).process_id is None
    assert read_initialize({"processId": 12.0}).process_id == 12


async def test_parameters_of_initialize_may_be_no_object_at_all(server: InProcess) -> None:
    assert "result" in await server.answer("initialize", ["nothing", 1])


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (MISSING, "utf-16"),
        (None, "utf-16"),
        ([], "utf-16"),
        (["utf-7", "latin-1"], "utf-16"),
        (["UTF-8"], "utf-16"),
        ("utf-8", "utf-16"),
        ([None, 8, "utf-32"], "utf-32"),
        (["utf-7", "utf-8", "utf-16"], "utf-8"),
    ],
)
async def test_what_is_answered_is_what_is_counted_in(offered: Any, chosen: str, server: InProcess) -> None:
    capabilities = {} if offered is MISSING else {"general": {"positionEncodings": offered}}
    answer = server.initialize(capabilities=capabilities)
    assert answer["result"]["capabilities"]["positionEncoding"] == chosen
    size = {"utf-8": len(EMOJI.encode()), "utf-16": 13, "utf-32": len(EMOJI)}[chosen]
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": EMOJI + "\n"}})
    at = {"line": 0, "character": size}
    change = {"range": {"start": at, "end": at}, "text": "x = "}
    server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": [change]})
    assert server.text(URI) == EMOJI + "x = \n"


# --- documents -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        {"languageId": "python", "version": 1},
        {"version": None, "languageId": None},
        {},
        {"version": "3", "languageId": 5},
        {"version": 4.0},
        {"version": -7, "languageId": ["python"]},
    ],
)
async def test_a_document_is_open_whatever_is_said_beside_its_text(
    item: dict[str, Any], server: InProcess
) -> None:
    server.initialize()
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": EMOJI, **item}})
    assert server.text(URI) == EMOJI


def insertion(**more: Any) -> dict[str, Any]:
    return {"range": {"start": HERE, "end": HERE}, "text": "x", **more}


@pytest.mark.parametrize(
    ("version", "changes", "text"),
    [
        (2, [insertion()], EMOJI + "x"),
        (None, [insertion()], EMOJI + "x"),
        (MISSING, [insertion()], EMOJI + "x"),
        ("2", [insertion()], EMOJI + "x"),
        (1, [insertion()], EMOJI + "x"),
        (2, [{"range": None, "text": "new"}], "new"),
        (2, [{"text": "new"}], "new"),
        (2, [{"rangeLength": 3, "range": None, "text": ""}], ""),
        (2, [insertion(range=[HERE, HERE])], EMOJI + "x"),
        (2, [insertion(rangeLength="many")], EMOJI + "x"),
        (2, [insertion(range={"start": {"line": 0.0, "character": 13.0}, "end": HERE})], EMOJI + "x"),
        (2, [insertion(range={"start": {}, "end": {"character": 4}})], 'x"😀😀" + '),
        (2, [insertion(range={"start": HERE, "end": {"line": 0, "character": 4}}, text=None)], "s = "),
        (2, insertion(), EMOJI + "x"),
        (2, [], EMOJI),
        (2, {}, EMOJI),
        (2, [insertion(range={"start": HERE, "end": {"line": 10**30, "character": 10**30}})], EMOJI + "x"),
    ],
)
async def test_a_change_is_taken_in_whatever_is_said_beside_it(
    version: Any, changes: Any, text: str, server: InProcess
) -> None:
    server.initialize()
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "version": 1, "text": EMOJI}})
    before = server.editor.documents[URI].version
    document = {"uri": URI} if version is MISSING else {"uri": URI, "version": version}
    server.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})
    assert server.text(URI) == text
    assert server.editor.documents[URI].version != before, "an answer for the old text would be taken"


@pytest.mark.parametrize(
    "changes",
    [
        None,
        5,
        [None],
        ["text"],
        [insertion(), 5],
        [{"text": 5}],
        [{}],
        [{"range": {"start": HERE}, "text": "x"}],
        [insertion(range="0:13")],
        [insertion(range={"start": {"line": -1, "character": 0}, "end": HERE})],
        [insertion(range={"start": {"line": "0", "character": 0}, "end": HERE})],
        [insertion(text=["x"])],
    ],
)
async def test_after_a_change_that_cannot_be_read_nothing_is_suggested_for_the_old_text(
    changes: Any, server: InProcess
) -> None:
    server.initialize()
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": EMOJI}})
    server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": changes})
    assert server.text(URI) is None
    answer = await server.answer(
        "textDocument/inlineCompletion", {"textDocument": {"uri": URI}, "position": HERE}
    )
    assert answer["result"] == {"items": []}
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "again"}})
    assert server.text(URI) == "again"


@pytest.mark.parametrize(("method", "of"), MESSAGES)
async def test_every_message_is_survived_with_every_wrong_value(
    method: str, of: Any, server: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server.initialize()
    whole = example(of)
    asked = []
    for path in paths(whole):
        for wrong in WRONG:
            params = changed(whole, path, wrong)
            server.notify(method, params)
            asked.append(server.post(method, params))
    await wait_until_async(lambda: len(server.answered()) >= len(asked) + 1)
    assert sorted(server.answered()) == [1, *asked], "one answer each, and one to initialize"
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": EMOJI}})
    assert server.text(URI) == EMOJI
    mistakes = [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
    assert not mistakes, [record.getMessage() for record in mistakes]


@pytest.mark.parametrize(
    "uri",
    [
        "diffview://[abc",
        "file://[bad/a.py",
        "file://[::1/a.py",
        "file:///shop/%00.py",
        "file:///shop/\ud83d.py",
        "//[",
        ":",
        "[",
        "untitled:[1]",
        "http://a[b]c:99999999/x",
        "file:///" + "a/" * 3000 + "b.py",
        "file://\u2100/a",
    ],
)
async def test_an_address_that_is_none_is_served_without_a_trace(
    uri: str, server: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server.initialize(workspaceFolders=[{"uri": uri}, {"uri": "file:///shop"}])
    server.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "text": EMOJI}})
    assert server.text(uri) == EMOJI
    for method in ("textDocument/inlineCompletion", "textDocument/completion"):
        answer = await server.answer(method, {"textDocument": {"uri": uri}, "position": HERE})
        assert "result" in answer
    server.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": uri, "type": 1}]})
    server.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert not [record for record in caplog.records if record.exc_info]


def test_quiet_options_are_options() -> None:
    """What the in-process server is started with has to be understood, or a daemon would be started."""
    from stardraft_lsp.settings.options import overrides

    assert len(overrides(QUIET)) == len(QUIET)


async def test_what_is_about_the_whole_text_is_done_once_for_a_message(server: InProcess) -> None:
    server.initialize()
    text = "".join(f"value_{i} = {i}\n" for i in range(1000))
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": text}})
    before = server.editor.context._n_sent
    changes = [
        {"range": {"start": {"line": i, "character": 0}, "end": {"line": i, "character": 1}}, "text": "y"}
        for i in reversed(range(1000))
    ]
    server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": changes})
    assert server.text(URI) == text.replace("value", "yalue")
    assert server.editor.context._n_sent == before + 1
