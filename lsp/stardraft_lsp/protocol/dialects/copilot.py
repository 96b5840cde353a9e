"""What Copilot's language server taught editors to say about a suggestion, and to hear about the server.

    textDocument/didShowCompletion             {item}                  the item is on the screen
    textDocument/didPartiallyAcceptCompletion  {item, acceptedLength}  UTF-16 units of its insertText so far
    textDocument/didFocus                      {textDocument?: {uri}}  another document, or none
    stardraft/didDismiss                       {item}                  it was sent away; a word of our own
    workspace/executeCommand                   item.command            after it was accepted
    didChangeStatus                            {busy, message, kind}   to the editor

An item is known again by its command, which carries the suggestion's identity; some clients send nothing
else of it. Sources: the README of @github/copilot-language-server, and what copilot.el and copilot.vim send.
"""

from dataclasses import dataclass
from typing import Any, Literal

from stardraft_lsp.protocol.dialects.plain import count_of, object_of, text_of
from stardraft_lsp.protocol.dialects.shapes import read_range
from stardraft_lsp.status import StatusReport
from stardraft_lsp.text.documents import Position

ACCEPT_COMMAND = "stardraft.accepted"

Kind = Literal["Normal", "Error", "Warning", "Inactive"]


@dataclass(frozen=True)
class Item:
    """An item that a client speaks of. `identity` is "" when it has no command of ours."""

    identity: str
    insert_text: str = ""
    span: tuple[Position, Position] | None = None


@dataclass(frozen=True)
class PartlyAccepted:
    """`n_units` UTF-16 units of the item's insertText, counted from its beginning."""

    item: Item
    n_units: int


def write_accept_command(identity: str) -> dict[str, Any]:
    """An item's `command`: clients run it after the item was accepted."""
    return {"title": "stardraft: accepted", "command": ACCEPT_COMMAND, "arguments": [identity]}


def read_accept_command(params: Any) -> str | None:
    """The identity, from `workspace/executeCommand`; None for another command."""
    return _identity(object_of(params)) or None


def read_shown(params: Any) -> Item | None:
    return _item(object_of(params).get("item"))


def read_partially_accepted(params: Any) -> PartlyAccepted | None:
    """None also for a length of nothing."""
    found = object_of(params)
    item, length = _item(found.get("item")), count_of(found.get("acceptedLength"))
    return PartlyAccepted(item, length) if item is not None and length else None


def read_focus(params: Any) -> str | None:
    """The URI of the document that has the focus now; "" when none has, None when that is not said."""
    if params is None:
        return None
    found = object_of(params)
    if "uri" in found:
        return text_of(found["uri"])
    document = found.get("textDocument")
    return text_of(document.get("uri")) if isinstance(document, dict) else ""


def write_status(report: StatusReport) -> dict[str, Any]:
    """`didChangeStatus` of the server's status: Inactive is "not here", Warning passes by itself."""
    busy = report.state in ("busy", "loading")
    return {"busy": busy, "message": report.message or report.warning, "kind": _kind(report)}


def _kind(report: StatusReport) -> Kind:
    if report.state == "error":
        # What the next request may mend is no error yet.
        return "Warning" if report.reason in ("failed", "daemon_unreachable") else "Error"
    if report.state == "off":
        return "Inactive"
    return "Warning" if report.warning else "Normal"


def _item(raw: Any) -> Item | None:
    if not isinstance(raw, dict):
        return None
    text = raw.get("insertText")
    if isinstance(text, dict):  # a snippet, {kind, value}
        text = text.get("value")
    item = Item(_identity(raw.get("command")), text_of(text), read_range(raw.get("range")))
    return item if item.identity or item.insert_text else None


def _identity(command: Any) -> str:
    if not isinstance(command, dict) or command.get("command") != ACCEPT_COMMAND:
        return ""
    arguments = command.get("arguments")
    if isinstance(arguments, dict):  # an empty or odd Lua table
        arguments = list(arguments.values())
    return text_of(arguments[0]) if isinstance(arguments, list) and arguments else ""
