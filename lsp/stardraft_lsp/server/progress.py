"""Work-done progress in the editor, for clients that can show it."""

import asyncio
import itertools

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from stardraftd.console.printable import visible_line

_tokens = itertools.count(1)


class EditorProgress:
    """One progress bar. It appears when the editor has agreed to its token, wherever the work is by then."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._token = f"stardraft-{next(_tokens)}"
        self._title = ""
        self._percent = 0
        self._open = False
        self._ended: str | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, title: str) -> None:
        self._title = visible_line(title)
        self._task = asyncio.create_task(self._create())

    def report(self, percent: int) -> None:
        if percent > self._percent:
            self._percent = percent
            if self._open:
                self._send(types.WorkDoneProgressReport(message=f"{percent} %", percentage=percent))

    def end(self, message: str) -> None:
        self._ended = visible_line(message)
        if self._open:
            self._open = False
            self._send(types.WorkDoneProgressEnd(message=self._ended))

    async def _create(self) -> None:
        try:
            await self._server.work_done_progress.create_async(self._token)
        except JsonRpcException:
            return  # the editor has its reasons; the model loads without being looked at
        self._open = True
        self._send(
            types.WorkDoneProgressBegin(title=self._title, percentage=self._percent, cancellable=False)
        )
        if self._ended is not None:
            self._send(types.WorkDoneProgressEnd(message=self._ended))

    def _send(
        self, value: types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd
    ) -> None:
        self._server.protocol.notify(types.PROGRESS, types.ProgressParams(token=self._token, value=value))
