"""What editors say: one short function per LSP method; what they decide is decided elsewhere.

Every request is answered once: a superseded one with null, "nothing to suggest" with an empty list, one
that the client cancelled with RequestCancelled, one that cannot be read with InvalidParams.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.uris import from_fs_path, to_fs_path

from stardraft_lsp import dialects, results
from stardraft_lsp.context.known import Edit as LineEdit
from stardraft_lsp.context.telling import figures
from stardraft_lsp.documents import Change, Document, Position
from stardraft_lsp.question import SUPERSEDED, Answer
from stardraft_lsp.requests import BadParams, InlineParams, read_inline_params, sends_legacy_trigger
from stardraft_lsp.server import STATUS, Ask, StardraftServer
from stardraft_lsp.settings import PROJECT_FILE
from stardraft_lsp.settings.editor_settings import SECTION
from stardraft_lsp.stats.edits import Edit, edit_between

log = logging.getLogger(__name__)

# After these an editor that has a completion list only asks by itself; letters it asks after anyway.
TRIGGERS = " .([{=,:"
LLM_TRIES = 3
SNOOZE, SWITCH = "stardraft/snooze", "stardraft/switch"
DISMISSED = "stardraft/didDismiss"


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
    ls.soon(_ask_settings(ls))


async def _ask_settings(ls: StardraftServer) -> None:
    """Asks the editor for its settings, if it can be asked."""
    workspace = ls.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return
    item = types.ConfigurationItem(section=SECTION)
    found = await ls.workspace_configuration_async(types.ConfigurationParams(items=[item]))
    ls.take_editor_settings(_plain(found[0]) if found else None)


async def did_change_configuration(ls: StardraftServer, params: types.DidChangeConfigurationParams) -> None:
    settings = _plain(params.settings)
    if isinstance(settings, dict) and settings.get(SECTION) is not None:
        ls.take_editor_settings(settings)
    else:
        await _ask_settings(ls)


async def did_change_files(ls: StardraftServer, params: types.DidChangeWatchedFilesParams) -> None:
    paths = [path for change in params.changes if (path := to_fs_path(change.uri))]
    ls.context.files_changed(paths)
    for change in params.changes:
        if change.uri.endswith(f"/{PROJECT_FILE}"):
            await ls.load_projects(change.uri)


async def did_save(ls: StardraftServer, params: types.DidSaveTextDocumentParams) -> None:
    if params.text_document.uri.endswith(f"/{PROJECT_FILE}"):
        await ls.load_projects(params.text_document.uri)


def did_show(ls: StardraftServer, params: Any) -> None:
    """Copilot's notifications tell that this editor understands its status, too."""
    ls.speaks_copilot = True
    dialects.read_shown(params)


def did_partially_accept(ls: StardraftServer, params: Any) -> None:
    ls.speaks_copilot = True
    part = dialects.read_partially_accepted(params)
    if part is not None:
        ls.recorder.partially_accepted(part.item.identity, part.n_units)


def did_focus(ls: StardraftServer, params: Any) -> None:
    ls.speaks_copilot = True
    ls.switches.says_focus = True
    uri = dialects.read_focus(params)
    document = ls.documents.get(uri) if uri else None
    if document is not None:
        ls.switches.enter(document.uri)
        ls.context.document_viewed(document.uri, 0)


def dismissed(ls: StardraftServer, params: Any) -> None:
    """`stardraft/didDismiss {item}`: the user has sent a suggestion away. Copilot has no word for that."""
    item = dialects.read_shown(params)
    if item is not None:
        ls.recorder.rejected(item.identity)


def accepted(ls: StardraftServer, identity: str = "") -> None:
    """The command of an item: the editor runs it after the item was accepted."""
    ls.recorder.accepted(identity)


async def llm_completions(ls: StardraftServer, params: Any) -> Any:
    try:
        request = dialects.read_completions_request(params)
    except BadParams as error:
        raise JsonRpcInvalidParams(message=f"llm-ls/getCompletions: {error}.") from error
    document = ls.documents.get(request.uri)
    if document is None:
        ls.board.note("unknown_document")
        return dialects.write_completions("", (), wants_list=request.wants_list)
    answer = SUPERSEDED
    for _ in range(LLM_TRIES):
        version = document.version
        offset = document.offset(request.position)
        answer = await ls.suggest(document, offset, Ask(invoked=False, can_replace=False))
        # llm.nvim asks once, and in a new Neovim its question comes before the change that it is about.
        if answer.reason != "superseded" or document.version == version:
            break
    texts = [text for text, _replaces in answer.texts]
    return dialects.write_completions(answer.identity, texts, wants_list=request.wants_list)


def llm_accepted(ls: StardraftServer, params: Any) -> None:
    verdict = dialects.read_accepted(params)
    if verdict is not None:
        ls.recorder.accepted(verdict.identity)


def llm_rejected(ls: StardraftServer, params: Any) -> None:
    verdict = dialects.read_rejected(params)
    if verdict is not None:
        ls.recorder.rejected(verdict.identity)


def snooze(ls: StardraftServer, params: Any) -> None:
    """`stardraft/snooze {minutes}`: no suggestions for so long; 0 ends it."""
    minutes = getattr(params, "minutes", 60)
    if not isinstance(minutes, int | float) or not 0 <= minutes <= 7 * 24 * 60:
        raise JsonRpcInvalidParams(message=f"{SNOOZE}: minutes is not a number from 0 to 10080.")
    ls.snooze(minutes)


def switch(ls: StardraftServer, params: Any) -> None:
    """`stardraft/switch {enabled}`: suggestions on or off in this editor."""
    enabled = getattr(params, "enabled", None)
    if not isinstance(enabled, bool):
        raise JsonRpcInvalidParams(message=f"{SWITCH}: enabled is not true or false.")
    ls.switch_editor(is_on=enabled)


def _plain(found: Any) -> Any:
    """What pygls makes of settings, as dictionaries and lists again."""
    if hasattr(found, "_asdict"):
        return {key: _plain(value) for key, value in found._asdict().items()}
    if isinstance(found, dict):
        return {key: _plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    return found


async def shutdown(ls: StardraftServer, _params: None) -> None:
    await ls.close_session()
    ls.was_shut_down = True


def did_open(ls: StardraftServer, params: types.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    ls.open_document(Document(item.uri, item.language_id, item.version, item.text, _encoding(ls)))


def did_change(ls: StardraftServer, params: types.DidChangeTextDocumentParams) -> None:
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        log.warning("change of a document that was not opened", extra={"uri": params.text_document.uri})
        return
    if ls.ahead is not None:
        ls.ahead.changing(document.uri)
    offset = None
    for change in params.content_changes:
        offset = _apply(ls, document, _change(change))
    document.version = params.text_document.version
    if ls.ahead is not None:
        ls.ahead.changed(document, offset)


def did_close(ls: StardraftServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.forget_document(params.text_document.uri)


def _apply(ls: StardraftServer, document: Document, change: Change) -> int | None:
    """Takes over one change; the offset behind it, None for a whole new text."""
    before = document.text
    if change.start is None or change.end is None:
        offset = document.apply(change)
        edit = edit_between(before, document.text)
    else:
        start, end = sorted((document.offset(change.start), document.offset(change.end)))
        offset = document.apply(change)
        edit = Edit(start, end, change.text)
    ls.recorder.edited(document.uri, edit)
    lines = LineEdit(
        document.position(edit.start).line, before.count("\n", edit.start, edit.end), edit.text.count("\n")
    )
    ls.context.document_changed(document.uri, document.text, lines)
    return offset


def did_change_folders(ls: StardraftServer, params: types.DidChangeWorkspaceFoldersParams) -> None:
    for folder in params.event.removed:
        ls.folders.remove(folder.uri)
    for folder in params.event.added:
        ls.folders.add(folder.uri, folder.name)
    ls.take_folders()


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
    ask = _inline_ask(ls, document, offset, params)
    answer = await ls.suggest(document, offset, ask)
    if answer.reason == "superseded":
        return None
    return results.inline_items(document, offset, answer.texts, params.selected, answer.identity)


def status(ls: StardraftServer, _params: Any) -> dict[str, Any]:
    """The report, the context's figures, and what the configuration says below the editor's switches."""
    report: dict[str, Any] = msgspec.to_builtins(ls.board.report)
    below = ls.settings.config
    configured = {"enabled": below.enabled, "languagesOff": list(below.languages_off)}
    return {**report, "index": figures(ls.context.status), "configured": configured}


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
    if (
        token is not None
        and ls.session is not None
        and ls.settings.for_document(document.uri, document.language, 0.0).config.streaming
    ):

        def on_growth(grown: Answer) -> None:
            value = results.inline_items(document, offset, grown.texts, params.selected, grown.identity)
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


COMMANDS = {dialects.ACCEPT_COMMAND: accepted}
_HANDLERS: tuple[tuple[str, Any, Any], ...] = (
    (types.INITIALIZE, initialize, None),
    (types.INITIALIZED, initialized, None),
    (types.SHUTDOWN, shutdown, None),
    (types.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, did_change_folders, None),
    (types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_completion, types.InlineCompletionOptions()),
    (types.WORKSPACE_DID_CHANGE_CONFIGURATION, did_change_configuration, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, did_change_files, None),
    (types.TEXT_DOCUMENT_DID_SAVE, did_save, None),
    (STATUS, status, None),
    (SNOOZE, snooze, None),
    (SWITCH, switch, None),
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
    for method, handler, method_options in _HANDLERS:
        server.feature(method, method_options)(handler)
    for name, command in COMMANDS.items():
        server.command(name)(command)
    return server
