"""The language server within the test's own process: messages go in as JSON values, what it sends is kept.

For what is decided about a message itself, thousands of times. Nothing of the server is replaced but its
stream; suggestions are off, so no daemon is started.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stardraft_lsp.server.editor_session import EditorSession
from stardraft_lsp.server.handlers import build_server
from stardraft_lsp.server.stdio import take_messages
from tests.support.waiting import wait_until_async

QUIET = {"enabled": False, "crossFile": False, "stats": False}


class InProcess:
    """A server. sent: the messages that it sent, in their order."""

    def __init__(self) -> None:
        self.server = build_server()
        self.protocol = self.server.protocol
        self.sent: list[dict[str, Any]] = []
        self.protocol.set_writer(self)
        self._n_requests = 0

    def write(self, data: bytes) -> None:
        self.sent.append(json.loads(data.partition(b"\r\n\r\n")[2]))

    def close(self) -> None:
        """pygls's writers have one."""

    def notify(self, method: str, params: Any) -> None:
        self.protocol.receive({"jsonrpc": "2.0", "method": method, "params": params})

    def post(self, method: str, params: Any) -> int:
        self._n_requests += 1
        self.protocol.receive({"jsonrpc": "2.0", "id": self._n_requests, "method": method, "params": params})
        return self._n_requests

    def answers(self, number: Any) -> list[dict[str, Any]]:
        return [one for one in self.sent if "method" not in one and one["id"] == number]

    def answered(self) -> list[Any]:
        """The ids of all answers."""
        return [one["id"] for one in self.sent if "method" not in one]

    async def answer(self, method: str, params: Any) -> dict[str, Any]:
        number = self.post(method, params)
        await wait_until_async(lambda: self.answers(number), what=f"{method} was not answered")
        assert len(self.answers(number)) == 1
        return self.answers(number)[0]

    async def feed(self, *chunks: bytes) -> None:
        """Has the server read a stream to its end."""
        waiting = [*chunks, b""]

        async def read() -> bytes:
            return waiting.pop(0)

        await take_messages(read, self.protocol)

    def initialize(self, **more: Any) -> dict[str, Any]:
        number = self.post("initialize", {"capabilities": {}, "initializationOptions": QUIET, **more})
        (answer,) = self.answers(number)
        return answer

    @property
    def editor(self) -> EditorSession:
        """The session with the editor, which `initialize` has opened."""
        assert self.server.editor is not None
        return self.server.editor

    def text(self, uri: str) -> str | None:
        """What the server takes for a document's text; None when it knows of none."""
        editor = self.server.editor
        document = editor.documents.get(uri) if editor is not None else None
        return document.text if document is not None else None

    async def finish(self) -> None:
        await self.server.close_session()
        self.server.shutdown()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    """A server with this home, not yet initialised."""
    for name, value in home.items():
        if name.startswith("STARDRAFT_"):
            monkeypatch.setenv(name, value)
    server = InProcess()
    try:
        yield server
    finally:
        await server.finish()
