"""Every request is answered once and as the specification says, at any time; nothing else is answered."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.in_process import InProcess, serving
from tests.support.waiting import wait_until_async

URI = "file:///shop/shelf.py"
STATUS = "stardraft/status"
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
NOT_INITIALIZED, CANCELLED = -32002, -32800


@pytest.fixture
async def server(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    async with serving(home, monkeypatch) as found:
        found.initialize()
        found.sent.clear()
        yield found


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    ("message", "number", "code"),
    [
        ([], None, INVALID_REQUEST),
        ([{"jsonrpc": "2.0", "id": 5, "method": STATUS}], None, INVALID_REQUEST),
        (5, None, INVALID_REQUEST),
        (None, None, INVALID_REQUEST),
        ("text", None, INVALID_REQUEST),
        ({}, None, INVALID_REQUEST),
        ({"jsonrpc": "2.0"}, None, INVALID_REQUEST),
        ({"id": 5, "method": STATUS}, 5, INVALID_REQUEST),
        ({"jsonrpc": "1.0", "id": "a", "method": STATUS}, "a", INVALID_REQUEST),
        ({"jsonrpc": 2.0, "id": 5, "method": STATUS}, 5, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 5, "method": 7}, 5, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 5, "method": None}, 5, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": None, "method": STATUS}, None, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": True, "method": STATUS}, None, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": {"a": 1}, "method": STATUS}, None, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": [5], "method": STATUS}, None, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 5, "method": "no/such/method"}, 5, METHOD_NOT_FOUND),
        ({"jsonrpc": "2.0", "id": 5, "method": "$/no/such/method"}, 5, METHOD_NOT_FOUND),
        ({"jsonrpc": "2.0", "id": 5, "method": ""}, 5, METHOD_NOT_FOUND),
        ({"jsonrpc": "2.0", "id": 5, "method": "exit"}, 5, METHOD_NOT_FOUND),
        ({"jsonrpc": "2.0", "id": 5, "method": "initialize"}, 5, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 5, "method": "stardraft/switch", "params": 3}, 5, INVALID_PARAMS),
        ({"jsonrpc": "2.0", "id": 5, "method": "textDocument/inlineCompletion"}, 5, INVALID_PARAMS),
        ({"jsonrpc": "2.0", "id": 5, "method": "workspace/executeCommand", "params": []}, 5, INVALID_PARAMS),
        ({"jsonrpc": "2.0", "id": 5, "method": STATUS}, 5, None),
        ({"jsonrpc": "2.0", "id": "five", "method": STATUS, "params": None}, "five", None),
        ({"jsonrpc": "2.0", "id": 5.0, "method": STATUS, "params": []}, 5.0, None),
        ({"jsonrpc": "2.0", "id": -(2**70), "method": STATUS, "params": {"a": 1}}, -(2**70), None),
        ({"jsonrpc": "2.0", "id": "", "method": STATUS, "more": 1}, "", None),
    ],
)
async def test_what_asks_gets_one_answer(
    message: Any, number: Any, code: int | None, server: InProcess
) -> None:
    server.protocol.receive(message)
    await wait_until_async(lambda: server.sent)
    (answer,) = server.sent
    assert answer["id"] == number
    assert type(answer["id"]) is type(number)
    assert answer.get("error", {}).get("code") == code
    assert ("result" in answer) == (code is None)
    assert (await server.answer(STATUS, None))["result"]["state"]


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "no/such/notification"},
        {"jsonrpc": "2.0", "method": "$/setTrace", "params": {"value": "compact"}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 77}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": {"a": []}}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest"},
        {"jsonrpc": "2.0", "method": "initialize", "params": {}},
        {"jsonrpc": "2.0", "method": "shutdown"},
        {"jsonrpc": "2.0", "method": "stardraft/switch", "params": {"enabled": "yes"}},
        {"method": "initialized"},
        {"jsonrpc": "2.0", "id": 99, "result": None},
        {"jsonrpc": "2.0", "id": "99", "error": None},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "what?"}},
        {"id": 99},
    ],
)
async def test_what_does_not_ask_is_not_answered(message: Any, server: InProcess) -> None:
    server.protocol.receive(message)
    await asyncio.sleep(0)
    assert server.sent == []
    assert (await server.answer(STATUS, None))["result"]["state"]


async def test_a_body_that_is_no_json_is_answered_so(server: InProcess) -> None:
    await server.feed(framed(b"{nonsense}") + framed(b"[" * 9999) + framed(b'{"a": NaN}'))
    assert [answer["error"]["code"] for answer in server.sent] == [PARSE_ERROR] * 3
    assert [answer["id"] for answer in server.sent] == [None] * 3


async def test_the_server_goes_through_its_stages_once(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(home, monkeypatch) as server:
        assert (await server.answer(STATUS, None))["error"]["code"] == NOT_INITIALIZED
        assert (await server.answer("shutdown", None))["error"]["code"] == NOT_INITIALIZED
        server.notify("initialized", {})
        server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": ""}})
        assert server.server.editor is None
        assert server.text(URI) is None
        server.initialize()
        n_before = threading.active_count()
        server.notify("initialized", {})
        n_opened = threading.active_count()
        assert n_opened > n_before
        session = server.server.editor
        for _ in range(40):
            server.notify("initialized", {})
        assert threading.active_count() == n_opened
        assert server.server.editor is session
        assert (await server.answer("shutdown", None))["result"] is None
        assert server.server.was_shut_down
        for method in ("shutdown", STATUS, "textDocument/inlineCompletion", "initialize", "no/such"):
            assert (await server.answer(method, {}))["error"]["code"] == INVALID_REQUEST
        server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": ""}})
        assert server.text(URI) is None
        assert not server.protocol.is_over.is_set()
        server.notify("exit", None)
        assert server.protocol.is_over.is_set()


async def test_a_client_that_never_says_initialized_is_served(server: InProcess) -> None:
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "x = "}})
    assert server.editor.is_started


async def test_a_request_whose_id_is_in_use_is_refused_and_the_first_is_answered(server: InProcess) -> None:
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "x = "}})
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}}
    for _ in range(2):
        server.protocol.receive(
            {"jsonrpc": "2.0", "id": "a", "method": "textDocument/inlineCompletion", "params": params}
        )
    await wait_until_async(lambda: len(server.answers("a")) == 2)
    assert sorted("error" in answer for answer in server.answers("a")) == [False, True]


async def test_an_editors_answer_does_not_touch_its_own_requests(server: InProcess) -> None:
    """Both sides number their requests, and each its own way: the same number can be in use twice."""
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "x = "}})
    asked = server.protocol.send_request("stardraft/declarations", {}, msg_id="1")
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}}
    method = "textDocument/inlineCompletion"
    server.protocol.receive({"jsonrpc": "2.0", "id": "1", "method": method, "params": params})
    server.notify("$/cancelRequest", {"id": "other"})
    server.protocol.receive({"jsonrpc": "2.0", "id": "1", "result": [{"a": 1}]})
    assert asked.result() == [{"a": 1}]
    await wait_until_async(lambda: server.answers("1"))
    assert server.answers("1")[0]["result"] == {"items": []}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"code": -32601, "message": "no"}, "no"),
        ({"code": "x", "message": 5}, "The editor refused."),
        ({}, "The editor refused."),
        ("no", "The editor refused."),
        ([], "The editor refused."),
    ],
)
async def test_an_editors_refusal_of_any_make_ends_what_was_asked(
    error: Any, text: str, server: InProcess
) -> None:
    asked = server.protocol.send_request("stardraft/declarations", {}, msg_id="a")
    server.protocol.receive({"jsonrpc": "2.0", "id": "a", "error": error})
    assert str(asked.exception()) == text
    server.protocol.receive({"jsonrpc": "2.0", "id": "a", "result": 1})


async def test_messages_that_were_handled_leave_nothing_behind(server: InProcess) -> None:
    server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "x = "}})
    here = {"line": 0, "character": 4}
    change = {"range": {"start": here, "end": here}, "text": "x"}
    asked = []
    for _ in range(50):
        server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": [change]})
        server.notify("textDocument/didSave", {"textDocument": {"uri": URI}})
        server.notify("workspace/didChangeConfiguration", {"settings": None})
        asked.append(
            server.post("textDocument/inlineCompletion", {"textDocument": {"uri": URI}, "position": here})
        )
    await wait_until_async(lambda: len(server.sent) >= len(asked))
    protocol = server.protocol
    await wait_until_async(lambda: not protocol._notified)
    assert (protocol._running, protocol._request_futures, protocol._result_types) == ({}, {}, {})


async def test_an_editor_that_takes_nothing_any_more_ends_the_server(server: InProcess) -> None:
    class Gone:
        def write(self, _data: bytes) -> None:
            raise BrokenPipeError

        def close(self) -> None:
            """pygls's writers have one."""

    server.protocol.set_writer(Gone())
    server.post(STATUS, None)
    await wait_until_async(server.protocol.is_over.is_set, what="the server goes on without its editor")
    assert server.sent == []
