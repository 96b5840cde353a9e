"""One connection to one editor: JSON-RPC as the specification has it, over pygls's outgoing half.

Incoming messages are taken here and not by pygls: it gives up a whole message for one odd value in it, keeps
a future for every notification, a copy of every document, and writes tracebacks with people's source into
the log. A handler gets its parameters as plain JSON and reads what it needs of them. What goes out (results,
notifications, the server's own requests) are lsprotocol's types, sent by pygls.

Every request is answered once. Nothing that a client sends raises here.
"""

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any, Literal

from lsprotocol import types
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcRequestCancelled,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol

from stardraft_lsp.protocol.client_info import ClientInfo, read_initialize
from stardraft_lsp.protocol.dialects.plain import BadParams, text_of, within
from stardraft_lsp.protocol.messages import (
    PARSE_ERROR,
    Malformed,
    MessageId,
    Notification,
    Reply,
    Request,
    read_message,
)

log = logging.getLogger(__name__)

_UNREADABLE = Malformed("The message is not JSON.", code=PARSE_ERROR)
_INVALID_PARAMS = -32602
# These begin and end a session: without an id they are a mistake, and do neither.
_ONLY_REQUESTS = frozenset({types.INITIALIZE, types.SHUTDOWN})


class Protocol(LanguageServerProtocol):
    """One connection to one editor.

    client: what it said of itself, once `is_introduced`. is_over: set by `exit`, and when the editor does not
    take what is sent; nothing more is read then.

    Invariants: `_running` holds the requests that are not answered yet, `_notified` the work that
    notifications began; of a message that is done with nothing is kept.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.client = ClientInfo()
        self.stage: Literal["new", "initialized", "shut down"] = "new"
        self._running: dict[MessageId, asyncio.Future[Any]] = {}
        self._notified: set[asyncio.Future[Any]] = set()
        self.is_introduced, self.is_over = asyncio.Event(), asyncio.Event()

    # --- what comes in -------------------------------------------------------------------------------------

    def receive(self, value: Any) -> None:
        """Takes one message, a JSON value."""
        match read_message(value):
            case Request() as request:
                self._serve(request)
            case Notification() as notification:
                self._take(notification)
            case Reply() as reply:
                self._take_reply(reply)
            case Malformed() as malformed:
                self._refuse(malformed)

    def receive_unreadable(self) -> None:
        """Takes what came as a message and is no JSON."""
        self._refuse(_UNREADABLE)

    def _refuse(self, malformed: Malformed) -> None:
        log.warning("a message that cannot be read: %s", malformed.reason)
        if malformed.is_answered:
            error = types.ResponseError(code=malformed.code, message=malformed.reason)
            self._answer(malformed.id, error=error)

    def _serve(self, request: Request) -> None:
        try:
            result = self._result(request)
        except Exception as error:  # noqa: BLE001 - a request is answered, whatever its handler did
            self._fail(request, error)
            return
        if not inspect.isawaitable(result):
            self._answer(request.id, result)
            return
        work = asyncio.ensure_future(result)
        self._running[request.id] = work
        work.add_done_callback(lambda work: self._end(request, work))

    def _result(self, request: Request) -> Any:
        """The result, or what is to be awaited for it."""
        method = request.method
        if self.stage == "shut down":
            raise JsonRpcInvalidRequest("The server was shut down; only `exit` may follow.")
        if method == types.INITIALIZE:
            return self._initialize(request.params)
        if self.stage == "new":
            raise JsonRpcServerNotInitialized("The first request must be `initialize`.")
        if request.id in self._running:
            raise JsonRpcInvalidRequest("A request with this id is being served.")
        if method == types.SHUTDOWN:
            return self._shut_down()
        handler = self.fm.features.get(method)
        if handler is None:
            raise JsonRpcMethodNotFound(f"There is no method {method[:100]!r} here.")
        return handler(request.params)

    def _end(self, request: Request, work: asyncio.Future[Any]) -> None:
        if self._running.get(request.id) is work:
            del self._running[request.id]
        if work.cancelled():
            self._fail(request, JsonRpcRequestCancelled("The request was cancelled."))
        elif (error := work.exception()) is not None:
            self._fail(request, error)
        else:
            self._answer(request.id, work.result())

    def _fail(self, request: Request, error: BaseException) -> None:
        if isinstance(error, BadParams):
            error = JsonRpcException(f"{request.method}: {error}.", code=_INVALID_PARAMS)
        elif not isinstance(error, JsonRpcException):
            log.error("a mistake in %s", request.method, exc_info=error)
            error = JsonRpcInternalError("Something went wrong that should not have: see the server's log.")
        self._answer(request.id, error=error.to_response_error())

    def _take(self, notification: Notification) -> None:
        method = notification.method
        if method == types.EXIT:
            self.is_over.set()
        elif method == types.CANCEL_REQUEST:
            self._cancel(within(notification.params, "id"))
        elif self.stage == "initialized" and method in self.fm.features and method not in _ONLY_REQUESTS:
            self._run(method, notification.params)
        else:
            log.debug("a notification that is not followed")

    def _run(self, method: str, params: Any) -> None:
        try:
            work = self.fm.features[method](params)
        except Exception as error:  # noqa: BLE001 - the next message is read, whatever this one did
            self._tell_mistake(method, error)
            return
        if inspect.isawaitable(work):
            self._await(method, work)

    def _await(self, method: str, awaitable: Awaitable[Any]) -> None:
        work = asyncio.ensure_future(awaitable)
        self._notified.add(work)

        def ended(work: asyncio.Future[Any]) -> None:
            self._notified.discard(work)
            if not work.cancelled() and (error := work.exception()) is not None:
                self._tell_mistake(method, error)

        work.add_done_callback(ended)

    def _tell_mistake(self, method: str, error: BaseException) -> None:
        if isinstance(error, BadParams):
            log.warning("%s: %s", method, error)
        elif isinstance(error, JsonRpcException):  # the editor refused what the handler asked of it
            log.warning("%s: the editor answered with an error, code %s", method, error.code)
        else:
            log.error("a mistake in %s", method, exc_info=error)

    def _cancel(self, number: Any) -> None:
        work = self._running.get(number) if isinstance(number, int | float | str) else None
        if work is not None:
            work.cancel()

    def _take_reply(self, reply: Reply) -> None:
        # The server's own are texts; whatever else a client invents is in neither.
        number = reply.id if isinstance(reply.id, str) else ""
        self._result_types.pop(number, None)
        asked = self._request_futures.pop(number, None)
        if asked is None or asked.done():
            log.debug("an answer that nobody waits for")
        elif reply.error is None:
            asked.set_result(reply.result)
        else:
            code = reply.error.get("code")
            asked.set_exception(
                JsonRpcException(
                    text_of(reply.error.get("message")) or "The editor refused.",
                    code=code if isinstance(code, int) else JsonRpcException.CODE,
                )
            )

    # --- from `initialize` to `shutdown` -------------------------------------------------------------------

    def _initialize(self, params: Any) -> types.InitializeResult:
        if self.stage != "new":
            raise JsonRpcInvalidRequest("The server was initialized before.")
        self.client = read_initialize(params)
        self.stage = "initialized"
        self.is_introduced.set()
        # What depends on the client is decided here and in the handler, from what was read above; pygls's
        # builder has to look at nothing.
        self.client_capabilities = types.ClientCapabilities()
        self.fm.features[types.INITIALIZE](self.client)
        commands = self.fm.feature_options.get(types.WORKSPACE_EXECUTE_COMMAND)
        self.server_capabilities = ServerCapabilitiesBuilder(
            self.client_capabilities,
            set(self.fm.features),
            self.fm.feature_options,
            list(commands.commands) if commands is not None else [],
            self._server._text_document_sync_kind,
            None,
            types.PositionEncodingKind(self.client.encoding),
        ).build()  # type: ignore[no-untyped-call]
        return types.InitializeResult(capabilities=self.server_capabilities, server_info=self.server_info)

    async def _shut_down(self) -> None:
        """Answers what still runs, and nothing that comes after."""
        self.stage = "shut down"
        await self.fm.features[types.SHUTDOWN](None)
        mine = asyncio.current_task()
        for work in [*self._running.values(), *self._notified]:
            if work is not mine:
                work.cancel()

    # --- what goes out -------------------------------------------------------------------------------------

    def _send_data(self, data: Any) -> None:
        """As pygls does it, but nothing of a message is logged, and an editor that is gone is no mistake."""
        body = json.dumps(data, default=self._serialize_message).encode()
        if self.writer is None:
            return
        try:
            self.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        except (OSError, ValueError) as error:  # the latter: the stream was closed
            if not self.is_over.is_set():
                log.warning("the editor takes nothing any more: %s", type(error).__name__)
            self.is_over.set()

    def _answer(self, number: MessageId | None, result: Any = None, error: Any = None) -> None:
        outcome = {"result": result} if error is None else {"error": error}
        self._send_data({"jsonrpc": self.VERSION, "id": number, **outcome})

    def take_back(self, number: str) -> None:
        """A request of the server's need not be answered any more."""
        self._result_types.pop(number, None)
        asked: Future[Any] | None = self._request_futures.pop(number, None)
        if asked is not None:
            self.notify(types.CANCEL_REQUEST, types.CancelParams(id=number))
