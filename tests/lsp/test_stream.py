"""The server as a process, at the end of a stream that holds anything, and beside editors that vanish."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.lsp.stand_in import standing_in
from tests.support.editor import GHOST_TEXT, Editor, editing, fork_server
from tests.support.in_process import QUIET
from tests.support.waiting import DEADLINE_S, seconds, wait_until_async

URI = "file:///shop/shelf.py"
TEXT = 's = "😀😀" + \n'
SOURCE = "password_of_the_shop"
INITIALIZE = {"processId": None, "capabilities": GHOST_TEXT, "initializationOptions": QUIET}


def framed(message: dict[str, Any], head: str = "Content-Length: {}\r\n\r\n") -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return head.format(len(body)).encode() + body


@pytest.mark.parametrize(
    "offered", [None, [], ["utf-7"], ["utf-8"], ["utf-16", "utf-8"], ["utf-32"]], ids=str
)
async def test_the_model_is_shown_the_editors_text_whatever_the_editor_counts_in(
    offered: list[str] | None, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    general = {} if offered is None else {"general": {"positionEncodings": offered}}
    async with standing_in(home, monkeypatch) as daemon, editing(home, initialize=False) as editor:
        found = await editor.initialize({**GHOST_TEXT, **general})
        encoding = found["capabilities"]["positionEncoding"]
        size = {"utf-16": 13, "utf-8": 17, "utf-32": 11}[encoding]
        editor.open(URI, TEXT)
        editor.insert(URI, 0, size, "x = ")
        asked = editor.ask(URI, 0, size + 4)
        writing = await daemon.writing(0)
        assert writing.request.prefix == TEXT[:-1] + "x = "
        writing.say("compute(alpha)")
        writing.end()
        (item,) = (await editor.answer(asked))["result"]["items"]
        assert item["range"]["start"] == {"line": 0, "character": size + 4}


async def test_rubbish_and_odd_headers_are_read_over_and_little_is_said_of_them(home: dict[str, str]) -> None:
    """2,500 bad messages with source in them: a few lines in the log, and no word of the source."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "stardraft_lsp"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=home,
    )
    bad: list[dict[str, Any]] = [
        {"method": "textDocument/didOpen", "params": {"textDocument": {"text": SOURCE}}},
        {
            "method": "textDocument/didChange",
            "params": {"textDocument": {"uri": URI}, "contentChanges": SOURCE},
        },
        {"id": 1, "method": "textDocument/inlineCompletion", "params": {"textDocument": SOURCE}},
        {"id": SOURCE, "method": SOURCE, "params": SOURCE},
        {"id": 3, "result": SOURCE},
        {"id": [SOURCE], "method": SOURCE},
    ]
    stream = [framed({"id": 0, "method": "initialize", "params": INITIALIZE}, "content-length:{}\r\n\r\n")]
    for i in range(2500):
        stream.append(framed(bad[i % len(bad)]))
        if i % 50 == 0:
            stream += [SOURCE.encode(), b"Content-Length: 9\r\n\r\n{" + SOURCE.encode()]
    stream += [
        framed({"id": 7, "method": "shutdown"}, "CONTENT-LENGTH : {}\n\n"),
        framed({"method": "exit"}, "X: y\r\ncontent-Length: {}\r\n\r\n"),
    ]
    out, log = await asyncio.wait_for(server.communicate(b"".join(stream)), seconds(DEADLINE_S))
    assert server.returncode == 0
    assert b'"id": 7' in out
    assert SOURCE.encode() not in log
    assert len(log) < 10_000
    assert b"Traceback" not in log


async def test_the_server_ends_when_the_editors_process_has(home: dict[str, str]) -> None:
    """Another process holds the other end of stdin: that alone keeps no server alive."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as editors:
        process = await fork_server(home)
        editor = Editor(process)
        await editor.initialize(processId=editors.pid, initializationOptions=QUIET)
        editors.kill()  # and nobody waits for it: its number stays in use
        assert await asyncio.wait_for(process.wait(), seconds(DEADLINE_S)) == 1


@pytest.mark.parametrize("number", [2**31 - 2, 0, 2**70])
async def test_a_process_that_is_none_here_keeps_nobody_from_being_served(
    number: int, home: dict[str, str]
) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize(processId=number, initializationOptions=QUIET)
        editor.open(URI, TEXT)
        await wait_until_async(lambda: editor.told("stardraft/status") or True)
        assert (await editor.request("stardraft/status", None))["state"]
