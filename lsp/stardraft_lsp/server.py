"""The language server's protocol: one short function per method; what they decide is decided elsewhere.

Every request is answered once: a superseded one with null, "nothing to suggest" with an empty list, one
that the client cancelled with RequestCancelled, one that cannot be read with InvalidParams.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter
from pygls.uris import from_fs_path

from stardraft_lsp import options, results
from stardraft_lsp.documents import Change, Document, Position
from stardraft_lsp.folders import Folders
from stardraft_lsp.keeper import Keeper
from stardraft_lsp.progress import EditorProgress
from stardraft_lsp.protocol import Protocol
from stardraft_lsp.question import SUPERSEDED, Answer, Question, request_for, why_off
from stardraft_lsp.requests import BadParams, InlineParams, read_inline_params, sends_legacy_trigger
from stardraft_lsp.session import Session
from stardraft_lsp.status import StatusBoard, StatusReport
from stardraft_lsp.warming import Warmer
from stardraftd import __version__
from stardraftd.client import DaemonClient
from stardraftd.config import Config, load_config
from stardraftd.config_watch import ConfigWatcher
from stardraftd.errors import ConfigError, StardraftError
from stardraftd.paths import config_path
from stardraftd.protocol import CompletionRequest, Notice

log = logging.getLogger(__name__)

STATUS = "stardraft/status"

# After these an editor that has a completion list only asks by itself; letters it asks after anyway.
TRIGGERS = " .([{=,:"


class StardraftServer(LanguageServer):
    """The server of one editor. Its state is here; `session` is set when the editor has initialised it."""

    def __init__(self, overrides: Sequence[str] = ()) -> None:
        super().__init__(
            "stardraft",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=Protocol,
            converter_factory=default_converter,
        )
        self.documents: dict[str, Document] = {}
        self.folders = Folders()
        self.overrides: tuple[str, ...] = tuple(overrides)
        self.legacy_trigger = False
        self.client_name = "editor"
        self.board = StatusBoard(self.send_status, self.show_error)
        self.was_shut_down = False
        self.session: Session | None = None
        self.keeper: Keeper | None = None
        self.warmer: Warmer | None = None
        self._clients: list[DaemonClient] = []
        self._watcher: ConfigWatcher | None = None
        self._keeping: asyncio.Task[None] | None = None

    def take_options(self, initialization_options: object) -> None:
        """Checks what the command line and the editor gave; wrong options are told and left out."""
        given, self.overrides = self.overrides, ()
        self._take(lambda: options.checked(given))
        self._take(lambda: options.overrides(initialization_options))

    def _take(self, read: Callable[[], tuple[str, ...]]) -> None:
        try:
            self.overrides = (*self.overrides, *read())
        except ConfigError as error:
            self.board.tell(error)

    def open_session(self, client_name: str) -> None:
        """Reads the configuration and connects to the daemon in the background."""
        client = DaemonClient(client_name, overrides=self.overrides)
        warming_client = DaemonClient(client_name, start=False)
        self._clients = [client, warming_client]
        try:
            config = load_config(overrides=self.overrides)
        except ConfigError as error:
            self.board.trouble(error)
            config = Config()
        self.keeper = Keeper(client, self.board, self.new_progress, self.show_notice, self.warm_all)
        self.session = Session(client, self.board, config.editor, self.keeper.needed)
        self.warmer = Warmer(warming_client)
        self._watch_config(config)
        self._switch(config.editor.enabled)

    def _watch_config(self, config: Config) -> None:
        loop = asyncio.get_running_loop()

        def on_change(news: Config | ConfigError) -> None:  # in the watcher's thread
            with contextlib.suppress(RuntimeError):  # the loop is closed: too late to matter
                loop.call_soon_threadsafe(self.reconfigure, news)

        self._watcher = ConfigWatcher(
            config_path(), lambda: load_config(overrides=self.overrides), on_change, current=config
        )
        try:
            self._watcher.start()
        except ConfigError as error:
            self.board.tell(error)

    def reconfigure(self, news: Config | ConfigError) -> None:
        """The configuration file changed. A wrong one is told, and the old one stays in force."""
        if isinstance(news, ConfigError):
            self.board.tell(news)
        elif self.session is not None:
            self.session.settings = news.editor
            self.session.forget_suggestions()
            self.board.forgive()
            self._switch(news.editor.enabled)

    def _switch(self, enabled: bool) -> None:
        """Follows the daemon while suggestions are on; when they are off it need not stay for this editor."""
        self.board.switch(enabled)
        if enabled and self._keeping is None and self.keeper is not None:
            self._keeping = asyncio.create_task(self.keeper.run())
        elif not enabled and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    async def close_session(self) -> None:
        if self._watcher is not None:
            await asyncio.to_thread(self._watcher.stop)
        if self.session is not None:
            await self.session.finish()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self.warmer is not None:
            await self.warmer.finish()
        for client in self._clients:
            await client.close()

    def warm_all(self) -> None:
        """A model was loaded: it has read nothing yet."""
        if self.warmer is not None:
            for document in self.documents.values():
                self.warmer.now(document.uri, partial(self._to_read, document.uri, 0))

    def warm(self, document: Document) -> None:
        """Has a document read that was opened; when no model is loaded, `warm_all` will come."""
        if self.warmer is not None and self.keeper is not None and self.keeper.is_ready:
            self.warmer.now(document.uri, partial(self._to_read, document.uri, 0))

    def warm_at_rest(self, document: Document, offset: int) -> None:
        """Has the document read around the cursor when it stays there."""
        if self.warmer is not None:
            self.warmer.at_rest(document.uri, partial(self._to_read, document.uri, offset))

    def not_yet(self, uri: str) -> None:
        """Something else happens to the document: it need not be read as it was."""
        if self.warmer is not None:
            self.warmer.not_yet(uri)

    def _to_read(self, uri: str, offset: int) -> CompletionRequest | None:
        """What of a document is to be read in advance; None when nothing is, or a question does it."""
        document = self.documents.get(uri)
        if document is None or self.session is None or self.keeper is None or not self.keeper.is_ready:
            return None
        question = self._question(document, document.text, offset, invoked=False)
        if why_off(question, self.session.settings) or self.session.is_at_work(uri):
            return None
        return request_for(question, self.session.settings)

    async def suggest(self, document: Document, offset: int, ask: "Ask") -> Answer:
        """Asks for a suggestion in `document` at `offset`."""
        self.not_yet(document.uri)
        if self.session is None:
            return SUPERSEDED
        text = document.text
        if ask.selected_text is not None:
            start, end = ask.selected_span
            text = text[:start] + ask.selected_text + text[end:]
            offset = start + len(ask.selected_text)
        question = self._question(document, text, offset, invoked=ask.invoked)
        if ask.selected_text is not None:
            question = replace(question, can_replace=False)
        return await self.session.ask(question, ask.on_growth)

    def _question(self, document: Document, text: str, offset: int, *, invoked: bool) -> Question:
        return Question(
            uri=document.uri,
            language=document.language,
            place=self.folders.place(document.uri),
            text=text,
            offset=offset,
            invoked=invoked,
        )

    def new_progress(self) -> EditorProgress | None:
        window = self.client_capabilities.window
        return EditorProgress(self) if window and window.work_done_progress else None

    def send_status(self, report: StatusReport) -> None:
        self.protocol.notify(STATUS, msgspec.to_builtins(report))

    def show_error(self, error: StardraftError) -> None:
        self._show(types.MessageType.Error, f"stardraft: {error.message} {error.hint}".strip())

    def show_notice(self, notice: Notice) -> None:
        self._show(types.MessageType.Warning, f"stardraft: {notice.message} {notice.hint}".strip())

    def _show(self, kind: types.MessageType, message: str) -> None:
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """pygls would pop up a message for every unforeseen error; they go to the log."""
        log.error("unforeseen error", exc_info=error, extra={"source": str(source)})


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """How a suggestion is asked for. A selected list entry is text that is not yet in the document."""

    invoked: bool
    on_growth: Any = None
    selected_text: str | None = None
    selected_span: tuple[int, int] = (0, 0)


def initialize(ls: StardraftServer, params: types.InitializeParams) -> None:
    ls.take_options(params.initialization_options)
    for folder in params.workspace_folders or []:
        ls.folders.add(folder.uri, folder.name)
    root = params.root_uri or (params.root_path and from_fs_path(params.root_path))
    if root and not params.workspace_folders:
        ls.folders.add(root)
    text_document = params.capabilities.text_document
    if text_document is None or text_document.inline_completion is None:
        # Only without ghost text: an editor that has both would show every suggestion twice.
        ls.feature(
            types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=list(TRIGGERS))
        )(completion)
    client = params.client_info.name if params.client_info else "editor"
    ls.client_name = f"{client}-{params.process_id or id(ls)}"


def initialized(ls: StardraftServer, _params: types.InitializedParams) -> None:
    ls.open_session(ls.client_name)


async def shutdown(ls: StardraftServer, _params: None) -> None:
    await ls.close_session()
    ls.was_shut_down = True


def did_open(ls: StardraftServer, params: types.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    document = Document(item.uri, item.language_id, item.version, item.text, _encoding(ls))
    ls.documents.pop(item.uri, None)  # opened again, it comes last
    ls.documents[item.uri] = document
    ls.warm(document)


def did_change(ls: StardraftServer, params: types.DidChangeTextDocumentParams) -> None:
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        log.warning("change of a document that was not opened", extra={"uri": params.text_document.uri})
        return
    ls.not_yet(document.uri)
    offset = None
    for change in params.content_changes:
        offset = document.apply(_change(change))
    document.version = params.text_document.version
    if ls.session is not None:
        ls.session.changed(document.uri, document.text)
    if offset is not None:
        ls.warm_at_rest(document, offset)


def did_close(ls: StardraftServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.documents.pop(params.text_document.uri, None)
    ls.not_yet(params.text_document.uri)
    if ls.session is not None:
        ls.session.close(params.text_document.uri)


def did_change_folders(ls: StardraftServer, params: types.DidChangeWorkspaceFoldersParams) -> None:
    for folder in params.event.removed:
        ls.folders.remove(folder.uri)
    for folder in params.event.added:
        ls.folders.add(folder.uri, folder.name)


async def inline_completion(ls: StardraftServer, raw: Any) -> types.InlineCompletionList | None:
    ls.legacy_trigger = ls.legacy_trigger or sends_legacy_trigger(raw)
    try:
        params = read_inline_params(raw, legacy_trigger=ls.legacy_trigger)
    except BadParams as error:
        raise JsonRpcInvalidParams(message=f"textDocument/inlineCompletion: {error}.") from error
    document = ls.documents.get(params.uri)
    if document is None:
        ls.board.note("unknown_document")
        return types.InlineCompletionList(items=[])
    offset = document.offset(params.position)
    answer = await ls.suggest(document, offset, _inline_ask(ls, document, offset, params))
    if answer.reason == "superseded":
        return None
    return results.inline_items(document, offset, answer.texts, params.selected)


def status(ls: StardraftServer, _params: Any) -> dict[str, Any]:
    report: dict[str, Any] = msgspec.to_builtins(ls.board.report)
    return report


async def completion(ls: StardraftServer, params: types.CompletionParams) -> types.CompletionList | None:
    """`textDocument/completion`, registered for clients without inline completion."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        ls.board.note("unknown_document")
        return types.CompletionList(is_incomplete=False, items=[])
    offset = document.offset(Position(params.position.line, params.position.character))
    invoked = bool(params.context and params.context.trigger_kind == types.CompletionTriggerKind.Invoked)
    answer = await ls.suggest(document, offset, Ask(invoked=invoked))
    if answer.reason == "superseded":
        return None
    return results.completion_list(document, offset, answer.texts)


def _inline_ask(ls: StardraftServer, document: Document, offset: int, params: InlineParams) -> Ask:
    token = params.partial_result_token
    on_growth = None
    if token is not None and ls.session is not None and ls.session.settings.streaming:

        def on_growth(text: str, replaces: int) -> None:
            value = results.inline_items(document, offset, [(text, replaces)], params.selected)
            ls.protocol.notify(types.PROGRESS, types.ProgressParams(token=token, value=value))

    if params.selected is None:
        return Ask(invoked=params.invoked, on_growth=on_growth)
    span = (document.offset(params.selected.start), document.offset(params.selected.end))
    return Ask(
        invoked=params.invoked,
        on_growth=on_growth,
        selected_text=params.selected.text,
        selected_span=span,
    )


def _encoding(ls: StardraftServer) -> Any:
    return str(ls.server_capabilities.position_encoding or "utf-16")


def _change(change: types.TextDocumentContentChangeEvent) -> Change:
    if isinstance(change, types.TextDocumentContentChangePartial):
        span = change.range
        return Change(
            change.text,
            Position(span.start.line, span.start.character),
            Position(span.end.line, span.end.character),
        )
    return Change(change.text)


_HANDLERS: tuple[tuple[str, Any, Any], ...] = (
    (types.INITIALIZE, initialize, None),
    (types.INITIALIZED, initialized, None),
    (types.SHUTDOWN, shutdown, None),
    (types.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, did_change_folders, None),
    (types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_completion, types.InlineCompletionOptions()),
    (STATUS, status, None),
)


def build_server(overrides: Sequence[str] = ()) -> StardraftServer:
    """A server with its handlers, ready for `start_io`."""
    server = StardraftServer(overrides)
    for method, handler, method_options in _HANDLERS:
        server.feature(method, method_options)(handler)
    return server
