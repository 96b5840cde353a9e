"""Inline completion's parameters as real clients send them, which is not always as the protocol says.

Clients on vscode-languageclient 9 send trigger kinds 0 and 1 instead of 1 and 2, leave `context` out, or
send ranges as arrays of two positions. A request is read here from plain JSON: what is odd is accepted,
what is missing raises `BadParams`, which is answered; nothing goes unanswered.
"""

from dataclasses import dataclass
from typing import Any

import attrs

from stardraft_lsp.documents import Position


class BadParams(Exception):  # noqa: N818 - becomes an InvalidParams answer
    """What of the parameters cannot be used, in a sentence."""


@dataclass(frozen=True)
class Selected:
    """The entry that is selected in the editor's own completion list: `text` in place of the range."""

    start: Position
    end: Position
    text: str


@dataclass(frozen=True)
class InlineParams:
    uri: str
    position: Position
    invoked: bool
    selected: Selected | None = None
    partial_result_token: int | str | None = None


@attrs.define
class InlineRequest:
    """The request message; pygls hands `params` on as they came."""

    id: int | str
    params: Any
    method: str = "textDocument/inlineCompletion"
    jsonrpc: str = "2.0"


def read_inline_params(raw: Any, *, legacy_trigger: bool = False) -> InlineParams:
    """`legacy_trigger`: this client has sent trigger kind 0, so 0 is invoked and 1 automatic."""
    if not isinstance(raw, dict):
        raise BadParams("the parameters are not an object")
    document = raw.get("textDocument")
    uri = document.get("uri") if isinstance(document, dict) else None
    if not isinstance(uri, str):
        raise BadParams("textDocument.uri is missing")
    context = raw.get("context")
    context = context if isinstance(context, dict) else {}
    token = raw.get("partialResultToken")
    return InlineParams(
        uri=uri,
        position=_position(raw.get("position"), "position"),
        invoked=context.get("triggerKind") == (0 if legacy_trigger else 1),
        selected=_selected(context.get("selectedCompletionInfo")),
        partial_result_token=token if isinstance(token, int | str) else None,
    )


def sends_legacy_trigger(raw: Any) -> bool:
    """Whether this request gives its client away as one that counts trigger kinds from 0."""
    context = raw.get("context") if isinstance(raw, dict) else None
    return isinstance(context, dict) and context.get("triggerKind") == 0


def _selected(raw: Any) -> Selected | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str):
        return None
    span = raw.get("range")
    if isinstance(span, list) and len(span) == 2:
        start, end = span
    elif isinstance(span, dict):
        start, end = span.get("start"), span.get("end")
    else:
        return None
    return Selected(_position(start, "range.start"), _position(end, "range.end"), raw["text"])


def _position(raw: Any, name: str) -> Position:
    line = raw.get("line") if isinstance(raw, dict) else None
    character = raw.get("character") if isinstance(raw, dict) else None
    if not isinstance(line, int) or not isinstance(character, int) or line < 0 or character < 0:
        raise BadParams(f"{name} is not a position with line and character from 0 up")
    return Position(line, character)
