"""pygls's protocol, with three changes: every request is answered, documents are our own, odd params pass.

pygls neither answers a request whose parameters do not fit their type (it pops up a message instead) nor
lets a server keep its own documents without keeping a second copy. Both are mended here, at its seams.
"""

import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import JsonRPCNotification, LanguageServerProtocol, lsp_method

from stardraft_lsp.requests import InlineRequest

log = logging.getLogger(__name__)

UNREADABLE = "stardraft/unreadable"


class Protocol(LanguageServerProtocol):
    """One connection to one editor."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """A message from JSON. A request that cannot be read is answered with an error at once."""
        if data.get("method") == types.TEXT_DOCUMENT_INLINE_COMPLETION and "id" in data:
            return InlineRequest(id=data["id"], params=data.get("params"))
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            log.warning("unreadable message", extra={"method": str(data.get("method"))})
            if "id" in data and "method" in data:
                answer = JsonRpcInvalidParams(message=f"The parameters of {data['method']} cannot be read.")
                self._send_response(data["id"], error=answer.to_response_error())
            elif "id" in data and "result" in data:
                self._handle_response(data["id"], None, error.to_response_error())
            return JsonRPCNotification(method=UNREADABLE, jsonrpc="2.0", params=None)

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
