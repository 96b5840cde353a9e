"""What editors say: one short function per LSP method; what they decide is decided elsewhere.

Every request is answered once: a superseded one with null, "nothing to suggest" with an empty list, one
that the client cancelled with RequestCancelled, one that cannot be read with InvalidParams.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from lsprotocol import types

from stardraft_lsp.context.access.disk import local_path
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
from stardraft_lsp.server.server import STATUS, Ask, StardraftServer
from stardraft_lsp.session.question import SUPERSEDED, Answer
from stardraft_lsp.settings import PROJECT_FILE
from stardraft_lsp.settings.editor_settings import SECTION
from stardraft_lsp.text.documents import Document

log = logging.getLogger(__name__)

# After these an editor that has a completion list only asks by itself; letters it asks after anyway.
TRIGGERS = " .([{=,:"
LLM_TRIES = 3
SNOOZE, SWITCH = "stardraft/snooze", "stardraft/switch"


def initialize(ls: StardraftServer, client: ClientInfo) -> None:
    ls.take_options(client.options)
    for folder in client.folders:
        ls.folders.add(folder.uri, folder.name)
    if not client.has_inline_completion:
        # Only without ghost text: an editor that has both would show every suggestion twice.
        ls.feature(
            types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=list(TRIGGERS))
        )(completion)


def initialized(ls: StardraftServer, _params: Any) -> None:
    if ls.open_session():
        ls.soon(_ask_settings(ls))


async def _ask_settings(ls: StardraftServer) -> None:
    """Asks the editor for its settings, if it can be asked."""
    if not ls.client.has_settings:
        return
    item = types.ConfigurationItem(section=SECTION)
    found = await ls.workspace_configuration_async(types.ConfigurationParams(items=[item]))
    ls.take_editor_settings(found[0] if isinstance(found, list) and found else None)


async def did_change_configuration(ls: StardraftServer, params: Any) -> None:
    settings = within(params, "settings")
    if within(settings, SECTION) is not None:
        ls.take_editor_settings(settings)
    else:
        await _ask_settings(ls)


async def did_change_files(ls: StardraftServer, params: Any) -> None:
    uris = list(read_watched(params))
    ls.context.files_changed([path for uri in uris if (path := local_path(uri))])
    for uri in uris:
        if uri.endswith(f"/{PROJECT_FILE}"):
            await ls.load_projects(uri)


async def did_save(ls: StardraftServer, params: Any) -> None:
    uri = read_uri(params)
    if uri.endswith(f"/{PROJECT_FILE}"):
        await ls.load_projects(uri)


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
    uri = dialects.read_focus(params)
    document = ls.documents.get(uri) if uri else None
    if document is not None:
        ls.context.document_viewed(document.uri, 0)


def execute_command(ls: StardraftServer, params: Any) -> None:
    """The command of an item: the editor runs it after the item was accepted."""
    identity = dialects.read_accept_command(params)
    if identity is None:
        raise BadParams(f"the one command is {ACCEPT_COMMAND}, with a suggestion's identity")
    ls.recorder.accepted(identity)


async def llm_completions(ls: StardraftServer, params: Any) -> Any:
    request = dialects.read_completions_request(params)
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
    minutes = 60 if within(params, "minutes") is None else params["minutes"]
    if not isinstance(minutes, int | float) or not 0 <= minutes <= 7 * 24 * 60:
        raise BadParams("minutes is not a number from 0 to 10080")
    ls.snooze(minutes)


def switch(ls: StardraftServer, params: Any) -> None:
    """`stardraft/switch {enabled}`: suggestions on or off in this editor."""
    enabled = within(params, "enabled")
    if not isinstance(enabled, bool):
        raise BadParams("enabled is not true or false")
    ls.switch_editor(is_on=enabled)


async def shutdown(ls: StardraftServer, _params: Any) -> None:
    await ls.close_session()


def did_open(ls: StardraftServer, params: Any) -> None:
    opened = read_opened(params)
    if opened is None:
        log.warning("a document without a URI was opened")
        return
    ls.open_session()  # some clients never send `initialized`
    ls.open_document(Document(opened.uri, opened.language, opened.version, opened.text, ls.client.encoding))


def did_change(ls: StardraftServer, params: Any) -> None:
    changed = read_changed(params)
    document = ls.documents.get(changed.uri) if changed is not None else None
    if changed is None or document is None:
        log.warning("a change of a document that is not open")
    elif changed.changes is None:
        log.warning("a change that cannot be read: its document is left alone until it is opened again")
        ls.forget_document(document.uri)
    else:
        ls.change_document(document, changed.changes)


def did_close(ls: StardraftServer, params: Any) -> None:
    ls.forget_document(read_uri(params))


def did_change_folders(ls: StardraftServer, params: Any) -> None:
    for folder in read_folders(within(params, "event", "removed")):
        ls.folders.remove(folder.uri)
    for folder in read_folders(within(params, "event", "added")):
        ls.folders.add(folder.uri, folder.name)
    ls.take_folders()


async def inline_completion(ls: StardraftServer, raw: Any) -> types.InlineCompletionList | None:
    ls.legacy_trigger = ls.legacy_trigger or sends_legacy_trigger(raw)
    params = read_inline_params(raw, legacy_trigger=ls.legacy_trigger)
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
    report: dict[str, Any] = msgspec.to_builtins(ls.board.report)
    return {**report, "index": figures(ls.context.status)}


async def completion(ls: StardraftServer, params: Any) -> types.CompletionList | None:
    """`textDocument/completion`, registered for clients without inline completion."""
    uri, position = read_place(params)
    document = ls.documents.get(uri)
    if document is None:
        ls.board.note("unknown_document")
        return types.CompletionList(is_incomplete=False, items=[])
    offset = document.offset(position)
    # Editors send "invoked" for every identifier that is typed, too: only where nothing was typed since the
    # last answer has somebody asked for one.
    version, is_untouched = document.version, document.version == document.answered_version
    invoked = is_untouched and read_invoked(within(params, "context"), counts_from_zero=False)[0]
    answer = await ls.suggest(document, offset, Ask(invoked=invoked))
    if answer.reason == "superseded":
        return None
    document.answered_version = version
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
    (types.WORKSPACE_EXECUTE_COMMAND, execute_command, types.ExecuteCommandOptions([ACCEPT_COMMAND])),
    (STATUS, status, None),
    (SNOOZE, snooze, None),
    (SWITCH, switch, None),
    ("textDocument/didShowCompletion", did_show, None),
    ("textDocument/didPartiallyAcceptCompletion", did_partially_accept, None),
    ("textDocument/didFocus", did_focus, None),
    ("llm-ls/getCompletions", llm_completions, None),
    ("llm-ls/acceptCompletion", llm_accepted, None),
    ("llm-ls/rejectCompletion", llm_rejected, None),
)


def build_server(overrides: Sequence[str] = ()) -> StardraftServer:
    """A server with its handlers, ready for `start_io`."""
    server = StardraftServer(overrides)
    for method, handler, method_options in _HANDLERS:
        server.feature(method, method_options)(handler)
    return server
