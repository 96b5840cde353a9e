"""The session with one editor: its documents and settings, and all that works for them until it leaves."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types

from stardraft_lsp.ahead import Ahead, checked
from stardraft_lsp.ahead.declarations import Declarations
from stardraft_lsp.ahead.warming import Warmer
from stardraft_lsp.context.choice.candidates import Declared
from stardraft_lsp.context.index.outlining import SyntaxOutliner
from stardraft_lsp.context.index.syntax_chunking import SyntaxChunker
from stardraft_lsp.context.report import sentence
from stardraft_lsp.context.settings import ContextSettings
from stardraft_lsp.context.shared import ContextStatus, WhyNot
from stardraft_lsp.context.shared import Edit as LineEdit
from stardraft_lsp.context.source import ContextSource
from stardraft_lsp.echo.choosing import Guess
from stardraft_lsp.echo.code import Origin
from stardraft_lsp.protocol import Protocol
from stardraft_lsp.protocol.client_info import ClientInfo
from stardraft_lsp.session import Ask, Session
from stardraft_lsp.session.daemon_watch import DaemonMonitor, ProgressBar
from stardraft_lsp.session.question import SUPERSEDED, Answer, Question
from stardraft_lsp.settings import Settings
from stardraft_lsp.settings.editor_settings import SECTION
from stardraft_lsp.settings.options import for_daemon
from stardraft_lsp.stats.recorder import Recorder
from stardraft_lsp.stats.store import stats_path
from stardraft_lsp.status import StatusBoard
from stardraft_lsp.switches import Switches
from stardraft_lsp.text.documents import Change, Document
from stardraft_lsp.text.folders import Folders
from stardraft_lsp.text.uris import local_path
from stardraftd.client import DaemonClient
from stardraftd.config import Config, EditorConfig, load_config
from stardraftd.config.checking import Given, Outdated
from stardraftd.config.watching import ConfigWatcher
from stardraftd.console.printable import visible
from stardraftd.errors import ConfigError
from stardraftd.paths import config_path
from stardraftd.protocol.http import Notice

# Where settings come from that may be wrong; a project's file is named by its path.
_CONFIGURATION, _EDITOR_SETTINGS = "configuration", "editor"


class EditorSession:
    """One editor, from its `initialize` until `close`; `start` begins the work.

    protocol: the connection to the editor, which has introduced itself. board: gets what goes wrong.
    overrides: settings above the configuration file, checked. new_progress: a progress bar, None where the
    editor shows none. show_notice: shows the user a notice of the daemon's. soon: has something called in
    the editor's thread; may be called from any thread.
    is_started: whether `start` was called. speaks_copilot: the editor has sent one of Copilot's
    notifications, so it understands its status, too. legacy_trigger: it has sent trigger kind 0, so it
    counts them from 0.

    Made in the editor's thread, the event loop's; every method is called there.
    Invariant: once started, `_keeping` follows the daemon exactly while the configuration has suggestions on.
    """

    def __init__(
        self,
        protocol: Protocol,
        board: StatusBoard,
        overrides: Sequence[str | Given],
        *,
        new_progress: Callable[[], ProgressBar | None],
        show_notice: Callable[[Notice], None],
        soon: Callable[[Callable[[], object]], None],
    ) -> None:
        self.protocol = protocol
        self.board = board
        self.is_started = False
        self.speaks_copilot = False
        self.legacy_trigger = False
        self.documents: dict[str, Document] = {}
        self.folders = Folders()
        for folder in self.client.folders:
            self.folders.add(folder.uri, folder.name)
        self._overrides = tuple(overrides)
        self._soon = soon
        self._show_notice = show_notice
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._expects_settings = False
        # The daemon tells editors apart by it. One editor may have several servers, each for itself.
        client_name = f"{self.client.name}-{secrets.token_hex(4)}"
        client = DaemonClient(client_name, overrides=for_daemon(self._overrides))
        warming_client = DaemonClient(client_name, start=False)
        self._clients = (client, warming_client)
        self._config_error: ConfigError | None = None
        self._told_outdated: set[Outdated] = set()
        config = self._read_config()
        self._outdated = config.outdated
        self.settings = Settings(config.editor, self.folders)
        self.switches = Switches(
            self.settings,
            board,
            self.documents,
            why_unsent=self._why_unsent,
            on_enabled=self._follow_daemon,
        )
        self.recorder = self._new_recorder(config.editor)
        # By document: where its last suggestion was taken from; None: the model wrote it.
        self.origins: dict[str, Origin | None] = {}
        self.context = self._new_context(config.editor)
        self.monitor = DaemonMonitor(client, board, new_progress, show_notice, self._loaded)
        self.session = Session(client, board, self.recorder, self.monitor.needed, self._guess)
        self.ahead = Ahead(
            self.documents,
            folders=self.folders,
            session=self.session,
            context=self.context,
            warmer=Warmer(warming_client),
            declarations=self._declarations(),
            question_at=lambda document, offset: self._question(document, document.text, offset),
            is_ready=lambda: self.monitor.is_ready,
            soon=self.create_task,
        )
        self._watcher = ConfigWatcher(
            config_path(),
            lambda: load_config(overrides=self._overrides),
            lambda news: soon(partial(self.reconfigure, news)),
            current=config,
        )

    def start(self, *, expects_settings: bool = False) -> bool:
        """Reads the workspace and connects to the daemon, in the background; False when that was done.

        expects_settings: the daemon is followed when `settings_came`, for they may say to ask no model.
        """
        if self.is_started:
            return False
        self.is_started, self._expects_settings = True, expects_settings
        if self._config_error is not None:  # not told before: nothing may be sent ahead of the first answer
            self._wrong(_CONFIGURATION, self._config_error)
        self._tell_outdated()
        self._start_context()
        try:
            self._watcher.start()
        except ConfigError as error:
            self.board.tell(error)
        self.switches.look()
        return True

    @property
    def client(self) -> ClientInfo:
        """The editor, as it introduced itself."""
        return self.protocol.client

    def _read_config(self) -> Config:
        try:
            return load_config(overrides=self._overrides)
        except ConfigError as error:
            self._config_error = error
            return Config()

    def _new_recorder(self, config: EditorConfig) -> Recorder:
        return Recorder(
            stats_path(),
            editor=self.client.name,
            text_of=self._text_of,
            later=asyncio.get_running_loop().call_later,
            tell=lambda error: self._soon(partial(self.board.tell, error)),
            enabled=config.stats,
        )

    def _new_context(self, config: EditorConfig) -> ContextSource:
        return ContextSource(
            self._roots(),
            ContextSettings(enabled=config.cross_file),
            on_prepared=lambda uri: self._soon(lambda: self.ahead.prepared(uri)),
            on_judged=lambda uri: self._soon(partial(self._judged, uri)),
            on_scanned=lambda status: self._soon(partial(self._log_scan, status)),
            open_chunker=SyntaxChunker(),
            outliner=SyntaxOutliner(),
        )

    def _start_context(self) -> None:
        self.context.start()
        for document in self.documents.values():
            self.context.document_opened(document.uri, document.text)

    def _why_unsent(self, uri: str) -> WhyNot:
        return self.context.why_not(uri)  # there may be another context since

    def _judged(self, uri: str) -> None:
        self.switches.judged(uri)

    def _loaded(self) -> None:
        self.ahead.loaded()

    def _log_scan(self, status: ContextStatus) -> None:
        message = types.LogMessageParams(types.MessageType.Log, visible(sentence(status)))
        self.protocol.notify(types.WINDOW_LOG_MESSAGE, message)

    def _declarations(self) -> Declarations | None:
        """Where the editor's own language servers may be asked for declarations, they are."""
        if not self.client.declares:
            return None

        def send(method: str, params: Any, identity: str) -> "Future[Any]":
            return self.protocol.send_request(method, params, msg_id=identity)

        def cancel(identity: str) -> None:
            self.protocol.take_back(identity)

        def found(uri: str, places: tuple[Declared, ...]) -> None:
            self.context.declared(uri, places)

        return Declarations(asyncio.get_running_loop(), send, cancel, found)

    def _roots(self) -> tuple[str, ...]:
        return tuple(path for uri in self.folders.uris if (path := local_path(uri)))

    def _text_of(self, uri: str) -> str | None:
        document = self.documents.get(uri)
        return document.text if document is not None else None

    def take_folders(self) -> None:
        """The workspace has other folders now."""
        self.settings.forget()
        self.context.folders_changed(self._roots())

    def create_task(self, work: Coroutine[Any, Any, None]) -> None:
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
        self._tell_outdated()
        self.switches.look()

    def settings_came(self) -> None:
        """The editor's first settings are known, or are not waited for any more."""
        self._expects_settings = False
        self.switches.look()

    async def ask_settings(self) -> None:
        """Asks the editor for its settings, if it can be asked."""
        if not self.client.has_settings:
            return
        item = types.ConfigurationItem(section=SECTION)
        found = await self.protocol.send_request_async(
            types.WORKSPACE_CONFIGURATION, types.ConfigurationParams(items=[item])
        )
        self.take_editor_settings(found[0] if isinstance(found, list) and found else None)

    def take_editor_settings(self, raw: object) -> None:
        """The editor's own settings; wrong ones are told, and the old ones stay."""
        try:
            self.settings.take_editor(raw)
        except ConfigError as error:
            self._wrong(_EDITOR_SETTINGS, error)
        else:
            self._wrong(_EDITOR_SETTINGS, None)
            self._tell_outdated()
            self._settings_changed()

    def switch(self, *, is_on: bool) -> None:
        """Suggestions on or off in this editor, until it says otherwise."""
        self.settings.switch(is_on)
        self.settings.wake()
        self._settings_changed()

    def snooze(self, minutes: float) -> None:
        """No suggestions for so long."""
        self.settings.snooze(time.monotonic() + minutes * 60)
        self._settings_changed()

    def _settings_changed(self) -> None:
        self.session.forget_suggestions()
        self.board.forgive()
        self.switches.look()

    def _tell_outdated(self) -> None:
        """Tells each name from the version before once, in a line."""
        for one in (*self._outdated, *self.settings.outdated):
            if one not in self._told_outdated:
                self._told_outdated.add(one)
                self._show_notice(Notice(one.notice))

    def _wrong(self, source: str, error: ConfigError | None) -> None:
        """A setting is wrong, or right again. An editor that does not show warnings gets a message."""
        self.board.set_wrong(source, error)
        if error is not None and not self.client.shows_warnings:
            self.board.tell(error)

    def reconfigure(self, news: Config | ConfigError) -> None:
        """The configuration file changed. A wrong one is told, and the old one stays in force."""
        if isinstance(news, ConfigError):
            self._wrong(_CONFIGURATION, news)
        else:
            self._wrong(_CONFIGURATION, None)
            self._outdated = news.outdated
            self._tell_outdated()
            if news.editor.cross_file != self.settings.config.cross_file:
                old = self.context
                self.context = self.ahead.context = self._new_context(news.editor)
                self._start_context()
                self.create_task(asyncio.to_thread(old.stop))
                self.ahead.again()
            self.settings.config = news.editor
            self.recorder.enabled = news.editor.stats
            self._settings_changed()

    def _follow_daemon(self, enabled: bool) -> None:
        """Follows the daemon while suggestions are on; when they are off it need not stay for this editor."""
        enabled = enabled and self.settings.echo != "only" and not self._expects_settings
        if enabled and self._keeping is None:
            self._keeping = asyncio.create_task(self.monitor.run())
        elif not enabled and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    async def close(self) -> None:
        """Ends all that works for the editor. May be called again."""
        await asyncio.to_thread(self._watcher.stop)
        await self.session.finish()
        self.switches.close()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
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
        self.context.document_opened(document.uri, document.text)
        self.switches.opened(document.uri)
        self.ahead.opened(document)
        self.create_task(self.load_projects(document.uri))

    def change_document(self, document: Document, changes: Sequence[Change]) -> None:
        """A document was changed, by one message: what is about the whole text is done once."""
        self.ahead.changing(document.uri)
        applied = document.apply(changes)
        for one in applied:
            self.recorder.edited(document.uri, one.edit)
        edits = [LineEdit(one.line, one.n_line_feeds, one.edit.text.count("\n")) for one in applied]
        unsent = self.context.why_not(document.uri)
        self.context.document_changed(document.uri, document.text, edits)
        if self.context.why_not(document.uri) != unsent:  # a key was pasted, or is gone
            self.switches.judged(document.uri)
        last = applied[-1] if applied else None
        self.ahead.changed(document, last.cursor if last is not None else None)

    def forget_document(self, uri: str) -> None:
        """A document was closed."""
        self.documents.pop(uri, None)
        self.switches.closed(uri)
        self.ahead.closed(uri)
        self.context.document_closed(uri)
        self.origins.pop(uri, None)
        self.recorder.closed(uri)
        self.session.close(uri)

    async def suggest(self, document: Document, offset: int, ask: Ask) -> Answer:
        """Asks for a suggestion in `document` at `offset`."""
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
            record(answer)  # what grows can be accepted already
            if ask.on_growth is not None:
                ask.on_growth(answer)

        answer = await self.session.ask(question, grow if ask.on_growth is not None else None)
        record(answer)
        return answer

    def _guess(self, question: Question) -> list[Guess]:
        return self.context.guesses(question.uri, question.text, question.offset)

    def _record(
        self, document: Document, question: Question, ask: Ask, answer: Answer, waited_ms: float
    ) -> None:
        """Counts what was answered, for `stardraft stats`, and keeps where it is from."""
        if not answer.text:
            if answer.reason != "superseded":
                self.recorder.silent(answer.reason, document.language, identity=answer.identity)
            return
        self.origins[document.uri] = answer.origin
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
            source="model" if answer.origin is None else "echo",
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
