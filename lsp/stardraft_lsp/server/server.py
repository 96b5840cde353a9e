"""The server as pygls has it: its options, what it shows in the editor, and the session with it.

What the editor says comes through `handlers`, one short function per method.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from stardraft_lsp.protocol import Protocol
from stardraft_lsp.protocol.client_info import ClientInfo
from stardraft_lsp.protocol.dialects import write_status
from stardraft_lsp.server.editor_session import EditorSession
from stardraft_lsp.server.progress import EditorProgress
from stardraft_lsp.settings import options
from stardraft_lsp.status import StatusBoard, StatusReport
from stardraftd import __version__
from stardraftd.config.checking import Given
from stardraftd.console.printable import visible
from stardraftd.errors import ConfigError, StardraftError
from stardraftd.protocol.http import Notice

STATUS = "stardraft/status"


class StardraftServer(LanguageServer):
    """The server of one editor. editor: the session with it, from `initialize` on."""

    protocol: Protocol

    def __init__(self, overrides: Sequence[str] = ()) -> None:
        super().__init__(
            "stardraft",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=Protocol,
            converter_factory=default_converter,
        )
        self.overrides: tuple[str | Given, ...] = tuple(overrides)
        self.board = StatusBoard(self.send_status, self.show_error)
        self.editor: EditorSession | None = None

    @property
    def client(self) -> ClientInfo:
        """The editor, as it introduced itself."""
        return self.protocol.client

    @property
    def was_shut_down(self) -> bool:
        """Whether the editor has asked for it."""
        return self.protocol.stage == "shut down"

    def take_options(self, initialization_options: object) -> None:
        """Checks what the command line and the editor gave; wrong options are told and left out."""
        given, self.overrides = [one for one in self.overrides if isinstance(one, str)], ()
        self._take(lambda: options.checked(given))
        self._take(lambda: options.overrides(initialization_options))

    def _take(self, read: Callable[[], tuple[str | Given, ...]]) -> None:
        try:
            self.overrides = (*self.overrides, *read())
        except ConfigError as error:
            self.board.tell(error)

    def open_session(self) -> EditorSession:
        """The session with the editor, which has introduced itself; not started yet."""
        self.take_options(self.client.options)
        self.editor = EditorSession(
            self.protocol,
            self.board,
            self.overrides,
            new_progress=self.new_progress,
            show_notice=self.show_notice,
            soon=_calls_soon(asyncio.get_running_loop()),
        )
        return self.editor

    async def close_session(self) -> None:
        """Ends the session, if there is one."""
        if self.editor is not None:
            await self.editor.close()

    def new_progress(self) -> EditorProgress | None:
        return EditorProgress(self) if self.client.shows_progress else None

    def send_status(self, report: StatusReport) -> None:
        self.protocol.notify(STATUS, msgspec.to_builtins(report))
        if self.editor is not None and self.editor.speaks_copilot:
            self.protocol.notify("didChangeStatus", write_status(report))

    def show_error(self, error: StardraftError) -> None:
        self._show(types.MessageType.Error, f"stardraft: {error.message} {error.hint}".strip())

    def show_notice(self, notice: Notice) -> None:
        self._show(types.MessageType.Warning, f"stardraft: {notice.message} {notice.hint}".strip())

    def _show(self, kind: types.MessageType, message: str) -> None:
        self.window_show_message(types.ShowMessageParams(type=kind, message=visible(message)))


def _calls_soon(loop: asyncio.AbstractEventLoop) -> Callable[[Callable[[], object]], None]:
    """Has a function called in the loop's thread; may be called from any thread."""

    def soon(call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: too late to matter
            loop.call_soon_threadsafe(call)

    return soon
