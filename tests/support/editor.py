"""An editor at the other end of stdio: it sends what it likes, and keeps count of every answer."""

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.support.forked import STREAM_BYTES, can_fork, fork
from tests.support.processes import Running, exit_status_async
from tests.support.waiting import DEADLINE_S, wait_until_async, within
from tests.support.witness import witness

GHOST_TEXT = {"textDocument": {"inlineCompletion": {}}, "window": {"workDoneProgress": True}}


# A reply that does not come.
NEVER = object()


class Editor:
    """A language server's client, at the level of messages.

    Invariant: every request is answered exactly once, or `check_answers` says which was not.
    """

    def __init__(self, process: Running) -> None:
        self.process = process
        self.notifications: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        # What the server's requests are answered with, by method, from their parameters; null for others.
        self.replies: dict[str, Callable[[Any], Any]] = {}
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._answered_twice: list[int] = []
        self._versions: dict[str, int] = {}
        self._reader = asyncio.create_task(self._read())

    # --- messages --------------------------------------------------------------------------------

    def post(self, method: str, params: Any) -> int:
        """Sends a request; returns its id, for `answer`."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "method": method, "params": params})
        return number

    async def answer(self, number: int, idle_s: float = DEADLINE_S) -> dict[str, Any]:
        """The whole answer to a request: with "result" or with "error"."""
        async with within(idle_s, f"the answer to request {number}"):
            return await asyncio.shield(self._answers[number])

    async def request(self, method: str, params: Any) -> Any:
        """Sends a request; returns the result of its answer."""
        answer = await self.answer(self.post(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    def notify(self, method: str, params: Any) -> None:
        self._write({"method": method, "params": params})

    def progress(self, token: object) -> list[Any]:
        """The values of `$/progress` that came for a token."""
        return [
            message["params"]["value"]
            for message in self.notifications
            if message["method"] == "$/progress" and message["params"]["token"] == token
        ]

    def told(self, method: str) -> list[Any]:
        return [message["params"] for message in self.notifications if message["method"] == method]

    def check_answers(self) -> None:
        assert not self._answered_twice, f"answered more than once: {self._answered_twice}"
        open_ones = [number for number, answer in self._answers.items() if not answer.done()]
        assert not open_ones, f"never answered: {open_ones}"

    def seen(self) -> str:
        """What a failed test has to know of it."""
        open_ones = [number for number, answer in self._answers.items() if not answer.done()]
        last = [json.dumps(message)[:300] for message in self.notifications[-10:]]
        return "\n".join([f"status {self.process.returncode}, unanswered: {open_ones}; last told:", *last])

    # --- what editors do -------------------------------------------------------------------------

    async def initialize(self, capabilities: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = await self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": None,
                "capabilities": GHOST_TEXT if capabilities is None else capabilities,
                **more,
            },
        )
        self.notify("initialized", {})
        return found

    def open(self, uri: str, text: str, language: str = "python") -> None:
        self._versions[uri] = 1
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, uri: str, *changes: dict[str, Any]) -> None:
        self._versions[uri] += 1
        document = {"uri": uri, "version": self._versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def insert(self, uri: str, line: int, character: int, text: str) -> None:
        here = {"line": line, "character": character}
        self.change(uri, {"range": {"start": here, "end": here}, "text": text})

    def ask(self, uri: str, line: int, character: int, **more: Any) -> int:
        """Posts an inline completion request, by hand unless `context` says otherwise."""
        return self.post(
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": uri},
                "position": {"line": line, "character": character},
                "context": {"triggerKind": 1},
                **more,
            },
        )

    async def suggestion(self, uri: str, line: int, character: int, **more: Any) -> dict[str, Any]:
        """The one item of an answer that has one."""
        answer = await self.answer(self.ask(uri, line, character, **more))
        items = answer["result"]["items"]
        assert len(items) == 1, answer
        item: dict[str, Any] = items[0]
        return item

    async def until_told(self, method: str, wanted: Any = lambda params: True) -> Any:
        """Waits for a notification whose parameters are `wanted`."""

        def found() -> list[Any]:
            return [params for params in self.told(method) if wanted(params)]

        all_found = await wait_until_async(
            found, what=lambda: f"a {method} that is wanted, among {self.told(method)}"
        )
        return all_found[0]

    # --- underneath ------------------------------------------------------------------------------

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await stream.readuntil(b"\r\n\r\n")
                size = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.startswith(b"Content-Length")
                )
                self._take(json.loads(await stream.readexactly(size)))

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message and "id" in message:
            self.requests.append(message)
            make = self.replies.get(message["method"])
            reply = make(message["params"]) if make is not None else None
            if reply is not NEVER:
                self._write({"id": message["id"], "result": reply})
        elif "method" in message:
            self.notifications.append(message)
        else:
            answer = self._answers[message["id"]]
            if answer.done():
                self._answered_twice.append(message["id"])
            else:
                answer.set_result(message)


async def start_server(home: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """`stardraft lsp`, as an editor starts it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stardraftd",
        "lsp",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=home,
        limit=STREAM_BYTES,
    )


async def fork_server(home: dict[str, str], *arguments: str) -> Running:
    """The same server without its start (`forked.py`), where that is possible."""
    if can_fork(home):
        return await fork("stardraft_lsp", *arguments, environment=home)
    return await start_server(home, *arguments)


@asynccontextmanager
async def editing(
    home: dict[str, str],
    *arguments: str,
    initialize: bool = True,
    start: Callable[..., Awaitable[Running]] = fork_server,
) -> AsyncIterator[Editor]:
    """An editor with a running server. At the end all its requests must have been answered.

    start: `start_server` where the server's start or its memory is what matters.
    """
    process = await start(home, *arguments)
    editor = Editor(process)
    try:
        if initialize:
            await editor.initialize()
        with witness("the editor", editor.seen):
            yield editor
        await editor.request("shutdown", None)
        editor.check_answers()
        editor.notify("exit", None)
        assert await exit_status_async(process) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        editor._reader.cancel()
        await asyncio.wait({editor._reader})
