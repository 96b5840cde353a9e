"""Parameters of the protocol's own messages as real clients send them, which is not always as it says.

Clients on vscode-languageclient 9 send trigger kinds 0 and 1 instead of 1 and 2, leave `context` out, or
send ranges as arrays of two positions; others leave out versions, languages and zeros. All is read here from
plain JSON: what is odd is accepted; what a request cannot do without raises `BadParams`, which is answered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stardraft_lsp.protocol.dialects.plain import BadParams, count_of, list_of, object_of, text_of, within
from stardraft_lsp.protocol.dialects.shapes import read_invoked, read_position, read_range
from stardraft_lsp.text.documents import Change, Position


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


@dataclass(frozen=True)
class Opened:
    """A document that was opened. language: "" when that is not said."""

    uri: str
    language: str
    version: int
    text: str


@dataclass(frozen=True)
class Changed:
    """changes: None when what changed cannot be understood: the document's text is not known any more."""

    uri: str
    changes: tuple[Change, ...] | None


def read_uri(raw: Any) -> str:
    """`textDocument.uri`; "" when there is none."""
    return text_of(within(raw, "textDocument", "uri"))


def read_opened(raw: Any) -> Opened | None:
    """The parameters of `didOpen`; None when they do not name a document."""
    item = object_of(within(raw, "textDocument"))
    uri = read_uri(raw)
    if not uri:
        return None
    return Opened(
        uri, text_of(item.get("languageId")), count_of(item.get("version")) or 0, text_of(item.get("text"))
    )


def read_changed(raw: Any) -> Changed | None:
    """The parameters of `didChange`; None when they do not name a document."""
    uri = read_uri(raw)
    if not uri:
        return None
    found = within(raw, "contentChanges")
    if isinstance(found, dict):  # one change, and an empty Lua table
        found = [found] if found else []
    if not isinstance(found, list):
        return Changed(uri, None)
    changes = tuple(_change(one) for one in found)
    is_understood = all(change is not None for change in changes)
    return Changed(uri, tuple(change for change in changes if change is not None) if is_understood else None)


def _change(raw: Any) -> Change | None:
    if not isinstance(raw, dict):
        return None
    text = raw.get("text")
    if raw.get("range") is None:
        return Change(text) if isinstance(text, str) else None
    span = read_range(raw["range"])
    if span is None or not isinstance(text, str | None):
        return None
    return Change(text or "", *span)


def read_watched(raw: Any) -> Iterator[str]:
    """The URIs of `didChangeWatchedFiles`."""
    for change in list_of(within(raw, "changes")):
        uri = text_of(within(change, "uri"))
        if uri:
            yield uri


def read_inline_params(raw: Any, *, legacy_trigger: bool = False) -> InlineParams:
    """`legacy_trigger`: this client has sent trigger kind 0, so 0 is invoked and 1 automatic."""
    uri, position = read_place(raw)
    context = object_of(raw["context"]) if "context" in raw else {}
    token = raw.get("partialResultToken")
    return InlineParams(
        uri=uri,
        position=position,
        invoked=read_invoked(context, counts_from_zero=legacy_trigger)[0],
        selected=_selected(context.get("selectedCompletionInfo")),
        partial_result_token=token if isinstance(token, int | str) and not isinstance(token, bool) else None,
    )


def sends_legacy_trigger(raw: Any) -> bool:
    """Whether this request gives its client away as one that counts trigger kinds from 0."""
    return read_invoked(within(raw, "context"), counts_from_zero=False)[1]


def read_place(raw: Any) -> tuple[str, Position]:
    """The document and the position of a request. Raises BadParams."""
    if not isinstance(raw, dict):
        raise BadParams("the parameters are not an object")
    uri = read_uri(raw)
    if not uri:
        raise BadParams("textDocument.uri is missing")
    position = read_position(raw.get("position"))
    if position is None:
        raise BadParams("position is not a position with line and character from 0 up")
    return uri, position


def _selected(raw: Any) -> Selected | None:
    span = read_range(within(raw, "range"))
    text = within(raw, "text")
    return Selected(*span, text) if span is not None and isinstance(text, str) else None
