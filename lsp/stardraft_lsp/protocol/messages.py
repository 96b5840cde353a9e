"""JSON-RPC's messages, told apart: a JSON value from the editor becomes one of four small structs.

Nothing raises: what is no message becomes `Malformed`, with the answer that the specification has for it.
Parameters stay plain JSON; who handles a method reads them.
"""

from dataclasses import dataclass
from typing import Any

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
_BATCH = "A batch is no message of LSP's: send its messages one by one."
_NO_OBJECT = "A message is an object."
_NO_METHOD = "A message has a method, which is a text, or the id of what it answers."

# As it came: it is sent back unchanged.
MessageId = int | float | str


@dataclass(frozen=True)
class Request:
    id: MessageId
    method: str
    params: Any


@dataclass(frozen=True)
class Notification:
    method: str
    params: Any


@dataclass(frozen=True)
class Reply:
    """To a request of the server's. error: the error object; None where there is a result."""

    id: MessageId
    result: Any
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Malformed:
    """reason: for the log and the answer, with nothing of the message in it.

    is_answered: whether it may have been a request; answers are not answered.
    """

    reason: str
    id: MessageId | None = None
    code: int = INVALID_REQUEST
    is_answered: bool = True


def read_message(raw: Any) -> Request | Notification | Reply | Malformed:
    """A JSON value as the message that it is."""
    if not isinstance(raw, dict):
        return Malformed(_NO_OBJECT if not isinstance(raw, list) else _BATCH)
    number = raw.get("id")
    if not isinstance(number, int | float | str) or isinstance(number, bool):
        number = None
    if "method" not in raw:
        return _reply(raw, number)
    method, params, is_request = raw["method"], raw.get("params"), "id" in raw
    reason = _why_malformed(raw, number)
    if reason or not isinstance(method, str):
        return Malformed(reason or _NO_METHOD, number, is_answered=is_request)
    return Request(number, method, params) if number is not None else Notification(method, params)


def _why_malformed(raw: dict[str, Any], number: MessageId | None) -> str:
    if raw.get("jsonrpc") != "2.0":
        return 'A message has "jsonrpc": "2.0".'
    return "A request's id is a number or a text." if "id" in raw and number is None else ""


def _reply(raw: dict[str, Any], number: MessageId | None) -> Reply | Malformed:
    error = raw.get("error")
    if number is None:
        # An error without an id says that the editor could not read something.
        is_reply = "result" in raw or "error" in raw
        return Malformed(_NO_METHOD, is_answered=not is_reply)
    return Reply(number, raw.get("result"), error if isinstance(error, dict | None) else {})
