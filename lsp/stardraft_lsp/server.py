"""The server of one editor: its documents, settings and session, and what the editor is told.

What the editor says comes through `handlers`, one short function per method.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from stardraft_lsp import options
from stardraft_lsp.ahead import Ahead, checked
from stardraft_lsp.context.finding import Declared
from stardraft_lsp.context.known import ContextStatus
from stardraft_lsp.context.outlining import SyntaxOutliner
from stardraft_lsp.context.settings import ContextSettings
from stardraft_lsp.context.source import ContextSource
from stardraft_lsp.context.syntax_chunking import SyntaxChunker
from stardraft_lsp.context.telling import sentence
from stardraft_lsp.declarations import Declarations, can_declare
from stardraft_lsp.dialects import has_extension, write_status
from stardraft_lsp.documents import Document
from stardraft_lsp.folders import Folders
from stardraft_lsp.keeper import Keeper
from stardraft_lsp.progress import EditorProgress
from stardraft_lsp.protocol import Protocol
from stardraft_lsp.question import SUPERSEDED, Answer, Question
from stardraft_lsp.session import Session
from stardraft_lsp.settings import Settings
from stardraft_lsp.settings.effective import path_of
from stardraft_lsp.stats.recorder import Recorder
from stardraft_lsp.stats.store import stats_path
from stardraft_lsp.status import StatusBoard, StatusReport
from stardraft_lsp.switches import Switches
from stardraft_lsp.warming import Warmer
from stardraftd import __version__
from stardraftd.client import DaemonClient
from stardraftd.config import Config, EditorConfig, load_config
from stardraftd.config_watch import ConfigWatcher
from stardraftd.errors import ConfigError, StardraftError
from stardraftd.paths import config_path
from stardraftd.printable import visible
from stardraftd.protocol import Notice

log = logging.getLogger(__name__)

STATUS = "stardraft/status"
# Where settings come from that may be wrong; a project's file is named by its path.
_CONFIGURATION, _EDITOR_SETTINGS = "configuration", "editor"


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
        self.speaks_copilot = False
        self.settings = Settings(EditorConfig(), self.folders)
        self.switches = Switches(self.settings, self.board, self.documents, self._follow_daemon)
        self.recorder = Recorder(stats_path(), text_of=self._text_of, enabled=False)
        self.context = ContextSource(())
        self.session: Session | None = None
        self.keeper: Keeper | None = None
        self.ahead: Ahead | None = None
        self._clients: list[DaemonClient] = []
        self._watcher: ConfigWatcher | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

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
            self._wrong(_CONFIGURATION, error)
            config = Config()
        self.settings.config = config.editor
        self._open_recorder(config.editor)
        self._open_context(config.editor)
        self.keeper = keeper = Keeper(client, self.board, self.new_progress, self.show_notice, self._loaded)
        self.session = Session(client, self.board, self.recorder, keeper.needed)
        self.ahead = Ahead(
            self.documents,
            folders=self.folders,
            session=self.session,
            context=self.context,
            warmer=Warmer(warming_client),
            declarations=self._declarations(),
            question_at=lambda document, offset: self._question(document, document.text, offset),
            is_ready=lambda: keeper.is_ready,
            soon=self.soon,
        )
        self._watch_config(config)
        self.switches.look()

    def _open_recorder(self, config: EditorConfig) -> None:
        loop = asyncio.get_running_loop()

        def tell(error: StardraftError) -> None:  # in the writer's thread
            with contextlib.suppress(RuntimeError):  # the loop is closed: too late to matter
                loop.call_soon_threadsafe(self.board.tell, error)

        self.recorder = Recorder(
            stats_path(),
            editor=self.client_name.rpartition("-")[0],
            text_of=self._text_of,
            later=loop.call_later,
            tell=tell,
            enabled=config.stats,
        )

    def _open_context(self, config: EditorConfig) -> None:
        loop = asyncio.get_running_loop()

        def on_prepared(uri: str) -> None:  # in the background thread
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._prepared, uri)

        def on_scanned(status: ContextStatus) -> None:  # in the background thread
            message = types.LogMessageParams(types.MessageType.Log, visible(sentence(status)))
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.window_log_message, message)

        self.context = ContextSource(
            self._roots(),
            ContextSettings(enabled=config.cross_file),
            on_prepared=on_prepared,
            on_scanned=on_scanned,
            open_chunker=SyntaxChunker(),
            outliner=SyntaxOutliner(),
        )
        self.context.start()
        for document in self.documents.values():
            self.context.document_opened(document.uri, document.text)

    def _declarations(self) -> Declarations | None:
        """Where the editor's own language servers may be asked for declarations, they are."""
        if not can_declare(self.client_capabilities):
            return None

        def send(method: str, params: Any, identity: str) -> "Future[Any]":
            return self.protocol.send_request(method, params, msg_id=identity)

        def cancel(identity: str) -> None:
            self.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(id=identity))

        def found(uri: str, places: tuple[Declared, ...]) -> None:
            self.context.declared(uri, places)

        return Declarations(asyncio.get_running_loop(), send, cancel, found)

    def _roots(self) -> tuple[str, ...]:
        paths = (path_of(uri) for uri in self.folders.uris)
        return tuple(str(path) for path in paths if path is not None)

    def _text_of(self, uri: str) -> str | None:
        document = self.documents.get(uri)
        return document.text if document is not None else None

    def _prepared(self, uri: str) -> None:
        if self.ahead is not None:
            self.ahead.prepared(uri)

    def _loaded(self) -> None:
        if self.ahead is not None:
            self.ahead.loaded()

    def take_folders(self) -> None:
        """The workspace has other folders now."""
        self.settings.forget()
        self.context.folders_changed(self._roots())

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Has work done that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def load_projects(self, uri: str) -> None:
        """Reads the project files above a document; what is wrong in them is told."""
        roots = tuple(Path(root) for root in self._roots())
        found = await asyncio.to_thread(self.settings.load_projects, uri, roots)
        for folder, error in found.items():
            self._wrong(str(folder), error)
        self.switches.look()

    def take_editor_settings(self, raw: object) -> None:
        """The editor's own settings; wrong ones are told, and the old ones stay."""
        try:
            self.settings.take_editor(raw)
        except ConfigError as error:
            self._wrong(_EDITOR_SETTINGS, error)
        else:
            self._wrong(_EDITOR_SETTINGS, None)
            self._settings_changed()

    def switch_editor(self, *, is_on: bool) -> None:
        """Suggestions on or off in this editor, until it says otherwise."""
        self.settings.switch(is_on)
        self.settings.wake()
        self._settings_changed()

    def snooze(self, minutes: float) -> None:
        """No suggestions for so long."""
        self.settings.snooze(time.monotonic() + minutes * 60)
        self._settings_changed()

    def _settings_changed(self) -> None:
        if self.session is not None:
            self.session.forget_suggestions()
        self.board.forgive()
        self.switches.look()

    def _wrong(self, source: str, error: ConfigError | None) -> None:
        """A setting is wrong, or right again. An editor that does not show warnings gets a message."""
        self.board.set_wrong(source, error)
        if error is not None and not has_extension(self.client_capabilities, "warnings"):
            self.board.tell(error)

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
            self._wrong(_CONFIGURATION, news)
        else:
            self._wrong(_CONFIGURATION, None)
            if news.editor.cross_file != self.settings.config.cross_file:
                old = self.context
                self._open_context(news.editor)
                self.soon(asyncio.to_thread(old.stop))
                if self.ahead is not None:
                    self.ahead.context = self.context
                    self.ahead.again()
            self.settings.config = news.editor
            self.recorder.enabled = news.editor.stats
            self._settings_changed()

    def _follow_daemon(self, enabled: bool) -> None:
        """Follows the daemon while suggestions are on; when they are off it need not stay for this editor."""
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
        self.switches.close()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self.ahead is not None:
            await self.ahead.finish()
        for client in self._clients:
            await client.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self.recorder.close)
        await asyncio.to_thread(self.context.stop)

    def open_document(self, document: Document) -> None:
        """A document was opened, or opened again."""
        self.documents.pop(document.uri, None)  # it comes last
        self.documents[document.uri] = document
        self.switches.opened(document.uri)
        self.context.document_opened(document.uri, document.text)
        if self.ahead is not None:
            self.ahead.opened(document)
        self.soon(self.load_projects(document.uri))

    def forget_document(self, uri: str) -> None:
        """A document was closed."""
        self.documents.pop(uri, None)
        self.switches.closed(uri)
        if self.ahead is not None:
            self.ahead.closed(uri)
        self.context.document_closed(uri)
        self.recorder.closed(uri)
        if self.session is not None:
            self.session.close(uri)

    async def suggest(self, document: Document, offset: int, ask: "Ask") -> Answer:
        """Asks for a suggestion in `document` at `offset`."""
        if self.session is None or self.ahead is None:
            return SUPERSEDED
        self.switches.enter(document.uri)
        self.ahead.asked(document.uri)
        version = document.version
        await checked(self.context, document.uri)
        if document.version != version:
            return SUPERSEDED
        text = document.text
        if ask.selected_text is not None:
            start, end = ask.selected_span
            text = text[:start] + ask.selected_text + text[end:]
            offset = start + len(ask.selected_text)
        question = self._question(document, text, offset, invoked=ask.invoked)
        question = replace(question, can_replace=ask.can_replace and ask.selected_text is None)
        asked = time.monotonic()

        def record(answer: Answer) -> None:
            self._record(document, question, ask, answer, (time.monotonic() - asked) * 1000)

        def grow(answer: Answer) -> None:
            if ask.on_growth is not None:
                record(answer)  # what grows can be accepted already
                ask.on_growth(answer)

        answer = await self.session.ask(question, grow)
        record(answer)
        return answer

    def _record(
        self, document: Document, question: Question, ask: "Ask", answer: Answer, waited_ms: float
    ) -> None:
        """Counts what was answered, for `stardraft stats`."""
        if not answer.text:
            if answer.reason != "superseded":
                self.recorder.silent(answer.reason, document.language, identity=answer.identity)
            return
        lead = ask.selected_text or ""
        self.recorder.shown(
            answer.identity,
            uri=document.uri,
            language=document.language,
            text=answer.text.replace("\n", document.line_end()),
            offset=question.offset - len(lead),
            lead=lead,
            invoked=ask.invoked,
            waited_ms=waited_ms,
        )

    def _question(self, document: Document, text: str, offset: int, *, invoked: bool = False) -> Question:
        found = self.settings.for_document(document.uri, document.language, time.monotonic())
        unsent = self.context.why_not(document.uri)
        return Question(
            uri=document.uri,
            language=document.language,
            place=self.folders.place(document.uri),
            text=text,
            offset=offset,
            invoked=invoked,
            settings=found.config,
            off=found.off or unsent,
            chunks=self.context.chunks_for(document.uri) if found.config.cross_file else (),
        )

    def new_progress(self) -> EditorProgress | None:
        window = self.client_capabilities.window
        return EditorProgress(self) if window and window.work_done_progress else None

    def send_status(self, report: StatusReport) -> None:
        self.protocol.notify(STATUS, msgspec.to_builtins(report))
        if self.speaks_copilot:
            self.protocol.notify("didChangeStatus", write_status(report))

    def show_error(self, error: StardraftError) -> None:
        self._show(types.MessageType.Error, f"stardraft: {error.message} {error.hint}".strip())

    def show_notice(self, notice: Notice) -> None:
        self._show(types.MessageType.Warning, f"stardraft: {notice.message} {notice.hint}".strip())

    def _show(self, kind: types.MessageType, message: str) -> None:
        self.window_show_message(types.ShowMessageParams(type=kind, message=visible(message)))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """pygls would pop up a message for every unforeseen error; they go to the log."""
        log.error("unforeseen error", exc_info=error, extra={"source": str(source)})


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """How a suggestion is asked for. A selected list entry is text that is not yet in the document.

    can_replace: the editor puts a suggestion in place of what follows the cursor, where it says so.
    """

    invoked: bool
    on_growth: Callable[[Answer], None] | None = None
    selected_text: str | None = None
    selected_span: tuple[int, int] = (0, 0)
    can_replace: bool = True
