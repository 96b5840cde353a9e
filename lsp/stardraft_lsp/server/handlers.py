"""What editors say: one short function per LSP method; what they decide is decided elsewhere.

Every request is answered once: a superseded one with null, "nothing to suggest" with an empty list, one
that the client cancelled with RequestCancelled, one that cannot be read with InvalidParams.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from lsprotocol import types

from stardraft_lsp.ahead import checked
from stardraft_lsp.context.report import figures
from stardraft_lsp.protocol import dialects, results
from stardraft_lsp.protocol.client_info import ClientInfo, read_folders
from stardraft_lsp.protocol.dialects import ACCEPT_COMMAND
from stardraft_lsp.protocol.dialects.plain import BadParams, within
from stardraft_lsp.protocol.dialects.shapes import read_invoked
from stardraft_lsp.protocol.requests import (
    InlineParams,
    read_changed,
    read_inline_params,
    read_opened,
    read_place,
    read_uri,
    read_watched,
    sends_legacy_trigger,
)
from stardraft_lsp.server.editor_session import EditorSession
from stardraft_lsp.server.server import STATUS, StardraftServer
from stardraft_lsp.session import Ask
from stardraft_lsp.session.question import SUPERSEDED, Answer
from stardraft_lsp.settings import PROJECT_FILE
from stardraft_lsp.settings.editor_settings import SECTION
from stardraft_lsp.text.documents import Document
from stardraft_lsp.text.uris import local_path

log = logging.getLogger(__name__)

# After these an editor that has a completion list only asks by itself; letters it asks after anyway.
TRIGGERS = " .([{=,:"
LLM_TRIES = 3
# An editor that does not answer what its settings are is not waited for any longer.
SETTINGS_S = 2.0
SNOOZE, SWITCH, ORIGIN = "stardraft/snooze", "stardraft/switch", "stardraft/origin"
DISMISSED = "stardraft/didDismiss"


def initialize(ls: StardraftServer, client: ClientInfo) -> None:
    """Opens the session. All other messages are handled within it: the protocol refuses what comes before."""
    editor = ls.open_session()
    for method, handler, options in _HANDLERS:
        ls.feature(method, options)(partial(handler, editor))
    if not client.has_inline_completion:
        # Only without ghost text: an editor that has both would show every suggestion twice.
        completes = types.CompletionOptions(trigger_characters=list(TRIGGERS))
        ls.feature(types.TEXT_DOCUMENT_COMPLETION, completes)(partial(completion, editor))


def initialized(editor: EditorSession, _params: Any) -> None:
    if editor.start(expects_settings=editor.client.has_settings):
        editor.create_task(_take_first_settings(editor))


async def _take_first_settings(editor: EditorSession) -> None:
    await asyncio.wait({asyncio.create_task(editor.ask_settings())}, timeout=SETTINGS_S)
    editor.settings_came()


async def did_change_configuration(editor: EditorSession, params: Any) -> None:
    settings = within(params, "settings")
    if within(settings, SECTION) is not None:
        editor.take_editor_settings(settings)
    else:
        await editor.ask_settings()


async def did_change_files(editor: EditorSession, params: Any) -> None:
    uris = list(read_watched(params))
    editor.context.files_changed([path for uri in uris if (path := local_path(uri))])
    for uri in uris:
        if uri.endswith(f"/{PROJECT_FILE}"):
            await editor.load_projects(uri)


async def did_save(editor: EditorSession, params: Any) -> None:
    uri = read_uri(params)
    if uri.endswith(f"/{PROJECT_FILE}"):
        await editor.load_projects(uri)


def did_show(editor: EditorSession, params: Any) -> None:
    """Copilot's notifications tell that this editor understands its status, too."""
    editor.speaks_copilot = True
    dialects.read_shown(params)


def did_partially_accept(editor: EditorSession, params: Any) -> None:
    editor.speaks_copilot = True
    part = dialects.read_partially_accepted(params)
    if part is not None:
        editor.recorder.partially_accepted(part.item.identity, part.n_units)


def did_focus(editor: EditorSession, params: Any) -> None:
    editor.speaks_copilot = True
    editor.switches.says_focus = True
    uri = dialects.read_focus(params)
    document = editor.documents.get(uri) if uri else None
    if document is not None:
        editor.switches.enter(document.uri)
        editor.context.document_viewed(document.uri, 0)


def dismissed(editor: EditorSession, params: Any) -> None:
    """`stardraft/didDismiss {item}`: the user has sent a suggestion away. Copilot has no word for that."""
    item = dialects.read_shown(params)
    if item is not None:
        editor.recorder.rejected(item.identity)


def execute_command(editor: EditorSession, params: Any) -> None:
    """The command of an item: the editor runs it after the item was accepted."""
    identity = dialects.read_accept_command(params)
    if identity is None:
        raise BadParams(f"the one command is {ACCEPT_COMMAND}, with a suggestion's identity")
    editor.recorder.accepted(identity)


async def llm_completions(editor: EditorSession, params: Any) -> Any:
    request = dialects.read_completions_request(params)
    document = editor.documents.get(request.uri)
    if document is None:
        editor.board.note("unknown_document")
        return dialects.write_completions("", (), wants_list=request.wants_list)
    answer = SUPERSEDED
    for _ in range(LLM_TRIES):
        version = document.version
        offset = document.offset(request.position)
        answer = await editor.suggest(document, offset, Ask(invoked=False, can_replace=False))
        # llm.nvim asks once, and in a new Neovim its question comes before the change that it is about.
        if answer.reason != "superseded" or document.version == version:
            break
    texts = [text for text, _replaces in answer.texts]
    return dialects.write_completions(answer.identity, texts, wants_list=request.wants_list)


def llm_accepted(editor: EditorSession, params: Any) -> None:
    verdict = dialects.read_accepted(params)
    if verdict is not None:
        editor.recorder.accepted(verdict.identity)


def llm_rejected(editor: EditorSession, params: Any) -> None:
    verdict = dialects.read_rejected(params)
    if verdict is not None:
        editor.recorder.rejected(verdict.identity)


def snooze(editor: EditorSession, params: Any) -> None:
    """`stardraft/snooze {minutes}`: no suggestions for so long; 0 ends it."""
    minutes = 60 if within(params, "minutes") is None else params["minutes"]
    if not isinstance(minutes, int | float) or not 0 <= minutes <= 7 * 24 * 60:
        raise BadParams("minutes is not a number from 0 to 10080")
    editor.snooze(minutes)


def switch(editor: EditorSession, params: Any) -> None:
    """`stardraft/switch {enabled}`: suggestions on or off in this editor."""
    enabled = within(params, "enabled")
    if not isinstance(enabled, bool):
        raise BadParams("enabled is not true or false")
    editor.switch(is_on=enabled)


def origin(editor: EditorSession, params: Any) -> dict[str, Any] | None:
    """`stardraft/origin {textDocument: {uri}}`: where the document's last suggestion came from.

    `{source: "echo", uri, line, text}`: from this line of the user's own code, counted from 0.
    `{source: "model"}`: the model wrote it. null: there was none.
    """
    uri = within(params, "textDocument", "uri")
    if not isinstance(uri, str) or uri not in editor.origins:
        return None
    found = editor.origins[uri]
    if found is None:
        return {"source": "model"}
    return {"source": "echo", "uri": found.uri, "line": found.line, "text": found.text}


async def shutdown(ls: StardraftServer, _params: Any) -> None:
    await ls.close_session()


def did_open(editor: EditorSession, params: Any) -> None:
    opened = read_opened(params)
    if opened is None:
        log.warning("a document without a URI was opened")
        return
    editor.start()  # some clients never send `initialized`
    editor.open_document(
        Document(opened.uri, opened.language, opened.version, opened.text, editor.client.encoding)
    )


def did_change(editor: EditorSession, params: Any) -> None:
    changed = read_changed(params)
    document = editor.documents.get(changed.uri) if changed is not None else None
    if changed is None or document is None:
        log.warning("a change of a document that is not open")
    elif changed.changes is None:
        log.warning("a change that cannot be read: its document is left alone until it is opened again")
        editor.forget_document(document.uri)
    else:
        editor.change_document(document, changed.changes)


def did_close(editor: EditorSession, params: Any) -> None:
    editor.forget_document(read_uri(params))


def did_change_folders(editor: EditorSession, params: Any) -> None:
    for folder in read_folders(within(params, "event", "removed")):
        editor.folders.remove(folder.uri)
    for folder in read_folders(within(params, "event", "added")):
        editor.folders.add(folder.uri, folder.name)
    editor.take_folders()


async def inline_completion(editor: EditorSession, raw: Any) -> types.InlineCompletionList | None:
    editor.legacy_trigger = editor.legacy_trigger or sends_legacy_trigger(raw)
    params = read_inline_params(raw, legacy_trigger=editor.legacy_trigger)
    document = editor.documents.get(params.uri)
    if document is None:
        editor.board.note("unknown_document")
        return types.InlineCompletionList(items=[])
    offset = document.offset(params.position)
    ask = _inline_ask(editor, document, offset, params)
    answer = await editor.suggest(document, offset, ask)
    if answer.reason == "superseded":
        return None
    return results.inline_items(document, offset, answer.texts, params.selected, answer.identity)


async def status(editor: EditorSession, params: Any) -> dict[str, Any]:
    """The report, the context's figures, whether open documents are still being read, and what the settings
    say: whether own code is suggested, and what stands below the editor's switches.

    textDocument: the one that the user is in, for editors that do not tell of the focus.
    """
    if uri := read_uri(params):
        editor.switches.enter(uri)
    await checked(editor.context, editor.switches.current)
    if editor.is_started:  # before that the editor gets answers alone, and no daemon is followed for it
        editor.switches.look()
    report: dict[str, Any] = msgspec.to_builtins(editor.board.report)
    below = editor.settings.config
    configured = {"enabled": below.enabled, "disabledLanguages": list(below.disabled_languages)}
    index = {**figures(editor.context.status), "idle": editor.context.is_idle}
    more = {"index": index, "reading": editor.ahead.is_reading, "echo": editor.settings.echo}
    return {**report, **more, "configured": configured}


async def completion(editor: EditorSession, params: Any) -> types.CompletionList | None:
    """`textDocument/completion`, registered for clients without inline completion."""
    uri, position = read_place(params)
    document = editor.documents.get(uri)
    if document is None:
        editor.board.note("unknown_document")
        return types.CompletionList(is_incomplete=False, items=[])
    offset = document.offset(position)
    # Editors send "invoked" for every identifier that is typed, too: only where nothing was typed since the
    # last answer has somebody asked for one.
    version, is_untouched = document.version, document.version == document.answered_version
    invoked = is_untouched and read_invoked(within(params, "context"), counts_from_zero=False)[0]
    answer = await editor.suggest(document, offset, Ask(invoked=invoked))
    if answer.reason == "superseded":
        return None
    document.answered_version = version
    return results.completion_list(document, offset, answer.texts)


def _inline_ask(editor: EditorSession, document: Document, offset: int, params: InlineParams) -> Ask:
    token = params.partial_result_token
    on_growth = None
    if (
        token is not None
        and editor.settings.for_document(document.uri, document.language, 0.0).config.streaming
    ):

        def on_growth(grown: Answer) -> None:
            value = results.inline_items(document, offset, grown.texts, params.selected, grown.identity)
            editor.protocol.notify(types.PROGRESS, types.ProgressParams(token=token, value=value))

    if params.selected is None:
        return Ask(invoked=params.invoked, on_growth=on_growth)
    span = (document.offset(params.selected.start), document.offset(params.selected.end))
    return Ask(
        invoked=params.invoked,
        on_growth=on_growth,
        selected_text=params.selected.text,
        selected_span=span,
    )


_HANDLERS: tuple[tuple[str, Any, Any], ...] = (
    (types.INITIALIZED, initialized, None),
    (types.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, did_change_folders, None),
    (types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_completion, types.InlineCompletionOptions()),
    (types.WORKSPACE_DID_CHANGE_CONFIGURATION, did_change_configuration, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, did_change_files, None),
    (types.TEXT_DOCUMENT_DID_SAVE, did_save, None),
    (types.WORKSPACE_EXECUTE_COMMAND, execute_command, types.ExecuteCommandOptions([ACCEPT_COMMAND])),
    (STATUS, status, None),
    (SNOOZE, snooze, None),
    (SWITCH, switch, None),
    (ORIGIN, origin, None),
    ("textDocument/didShowCompletion", did_show, None),
    ("textDocument/didPartiallyAcceptCompletion", did_partially_accept, None),
    ("textDocument/didFocus", did_focus, None),
    (DISMISSED, dismissed, None),
    ("llm-ls/getCompletions", llm_completions, None),
    ("llm-ls/acceptCompletion", llm_accepted, None),
    ("llm-ls/rejectCompletion", llm_rejected, None),
)


def build_server(overrides: Sequence[str] = ()) -> StardraftServer:
    """A server with its handlers, ready for `start_io`."""
    server = StardraftServer(overrides)
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.SHUTDOWN)(shutdown)
    return server
