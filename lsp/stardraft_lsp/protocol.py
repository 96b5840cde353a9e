"""pygls's protocol, with three changes: every request is answered, documents are our own, odd params pass.

pygls answers neither a request whose parameters do not fit their type (it pops up a message instead) nor one
that comes after `shutdown`, and it keeps a copy of every document. That is mended here, at its seams.
"""

import contextvars
import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import JsonRPCNotification, LanguageServerProtocol, lsp_method

from stardraft_lsp.requests import InlineRequest

log = logging.getLogger(__name__)

UNREADABLE = "stardraft/unreadable"


class Protocol(LanguageServerProtocol):
    """One connection to one editor."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """A message from JSON. A request that cannot be read is answered with an error at once."""
        method = data.get("method")
        if method == types.TEXT_DOCUMENT_INLINE_COMPLETION and "id" in data:
            return InlineRequest(id=data["id"], params=data.get("params"))
        if "jsonrpc" in data and isinstance(method, str):
            data = _with_params(data, method, is_known=self.get_message_type(method) is not None)
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            log.warning("unreadable message, method %s", method)
            if "id" in data and "method" in data:
                answer = JsonRpcInvalidParams(message=f"The parameters of {method} cannot be read.")
                self._send_response(data["id"], error=answer.to_response_error())
            elif "id" in data and "result" in data:
                self._handle_response(data["id"], None, error.to_response_error())
            return JsonRPCNotification(method=UNREADABLE, jsonrpc="2.0", params=None)

    def handle_message(self, message: Any) -> None:
        """Hands a message to its handler; one that comes before or after its time is refused."""
        method, number = getattr(message, "method", None), getattr(message, "id", None)
        refusal = self._refusal(method) if method is not None else None
        if refusal is None and isinstance(message, InlineRequest):
            # What pygls would do, but for finding out by runtime protocols what kind of message it is.
            contextvars.copy_context().run(self._handle_request, message.id, message.method, message.params)
        elif refusal is None:
            super().handle_message(message)
        elif number is not None:
            self._send_response(number, error=refusal.to_response_error())

    def _refusal(self, method: str) -> JsonRpcException | None:
        """Why this method is not served now. `exit` always is."""
        if method == types.EXIT:
            return None
        if self._shutdown:
            return JsonRpcInvalidRequest(message="The server was shut down; only `exit` may follow.")
        if self._workspace is None and method != types.INITIALIZE:
            return JsonRpcServerNotInitialized(message="The first request must be `initialize`.")
        if self._workspace is not None and method == types.INITIALIZE:
            return JsonRpcInvalidRequest(message="The server was initialised before.")
        return None

    @lsp_method(UNREADABLE)
    def unreadable(self, _params: None) -> None:
        """What was unreadable has been answered and logged."""

    # Documents are kept by the server's own handlers; pygls's copy would cost time at every key.

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Any:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Any:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Any:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE], (params,), None


def _with_params(data: dict[str, Any], method: str, *, is_known: bool) -> dict[str, Any]:
    """JSON-RPC lets parameters be left out; pygls's types for messages that it does not know do not."""
    if method == types.INITIALIZED:
        return {**data, "params": data.get("params") or {}}
    return data if is_known else {"params": None, **data}
