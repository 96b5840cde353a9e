"""The daemon's doors: HTTP routes that translate between bodies and the scheduler. No policy lives here.

`stardraftd.protocol` lists the routes. Over a Unix socket the file's mode is the key; over TCP every
request needs the bearer token, the exact Host, and no Origin, so that no web page can knock.
"""

import contextlib
import hmac
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from stardraftd.broadcast import Broadcast
from stardraftd.errors import RequestError, StardraftError
from stardraftd.limits import MAX_BODY_BYTES
from stardraftd.protocol.http import (
    CompletionRequest,
    ErrorBody,
    Hello,
    Status,
    StopRequest,
    StreamEvent,
    Warming,
    request_decoder,
    stop_decoder,
)
from stardraftd.transport.endpoint import LOOPBACK, Endpoint

NDJSON = "application/x-ndjson"

T = TypeVar("T")


class Doors(Protocol):
    """What the routes need of the daemon."""

    changed: Broadcast
    draining: bool

    def hello(self) -> Hello: ...

    def status(self) -> Status: ...

    def complete(self, request: CompletionRequest) -> AsyncIterator[StreamEvent]: ...

    def warm(self, request: CompletionRequest) -> Warming: ...

    def load(self) -> AsyncIterator[StreamEvent]: ...

    def stop(self, *, drain: bool) -> None: ...


def build_app(daemon: Doors, endpoint: Endpoint) -> Starlette:
    """The ASGI application."""

    async def hello(_request: Request) -> Response:
        return _json(daemon.hello())

    async def status(_request: Request) -> Response:
        return _json(daemon.status())

    async def complete(request: Request) -> Response:
        if daemon.draining:
            return _draining()
        body = _decode(await _body(request), request_decoder)
        return _stream(daemon.complete(body))

    async def warm(request: Request) -> Response:
        if daemon.draining:
            return _draining()
        return _json(daemon.warm(_decode(await _body(request), request_decoder)))

    async def load(_request: Request) -> Response:
        return _draining() if daemon.draining else _stream(daemon.load())

    async def events(_request: Request) -> Response:
        async def statuses() -> AsyncIterator[Status]:
            async with contextlib.aclosing(daemon.changed.changes()) as changes:
                async for _ in changes:
                    yield daemon.status()

        return _draining() if daemon.draining else _stream(statuses())

    async def stop(request: Request) -> Response:
        raw = await _body(request)
        body = _decode(raw, stop_decoder) if raw else StopRequest()
        answer = _json(daemon.hello())
        daemon.stop(drain=body.drain)
        return answer

    return Starlette(
        routes=[
            Route("/v1/hello", hello),
            Route("/v1/status", status),
            Route("/v1/complete", complete, methods=["POST"]),
            Route("/v1/warm", warm, methods=["POST"]),
            Route("/v1/load", load, methods=["POST"]),
            Route("/v1/events", events),
            Route("/v1/stop", stop, methods=["POST"]),
        ],
        middleware=[Middleware(_Guard, endpoint=endpoint)],
        exception_handlers={
            StardraftError: _refuse,
            ClientDisconnect: _gone,
            404: _not_found,
            405: _not_found,
        },
    )


def refusing_app(error: StardraftError) -> ASGIApp:
    """The application of a daemon that cannot serve: every answer is the reason."""
    return _error(503, error.code, error.message, error.hint)


class _Guard:
    """Lets nobody in over TCP who cannot read the token's file."""

    def __init__(self, app: ASGIApp, endpoint: Endpoint) -> None:
        self._app = app
        self._token = endpoint.token.encode()
        self._hosts = {f"{host}:{endpoint.port}".encode() for host in (LOOPBACK, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._token:
            problem = self._problem(dict(scope["headers"]), scope["method"])
            if problem:
                refusal = _error(403, "forbidden", problem)
                # A stranger's connection is not kept: only who has the token may stay without limit.
                refusal.headers["Connection"] = "close"
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _problem(self, headers: dict[bytes, bytes], method: str) -> str:
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            return "The bearer token is missing or wrong; it stands in the daemon's endpoint file."
        if headers.get(b"host") not in self._hosts:
            return "The Host header must be the loopback address and port."
        if b"origin" in headers:
            return "Requests from web pages are refused."
        if method == "POST" and not headers.get(b"content-type", b"").startswith(b"application/json"):
            return "The content type must be application/json."
        return ""


async def _body(request: Request) -> bytes:
    """The request's body, refused when it is longer than a prompt could ever be."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise RequestError(
                f"The request is longer than {MAX_BODY_BYTES} bytes.",
                "Send a window around the cursor, not the whole of a large file.",
            )
        parts.append(part)
    return b"".join(parts)


def _decode(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(f"The request is not as it must be: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"The request is not JSON: {error}.") from error


def _stream(events: AsyncIterator[object]) -> Response:
    encoder = msgspec.json.Encoder()

    async def lines() -> AsyncIterator[bytes]:
        async for event in events:
            yield encoder.encode(event) + b"\n"

    return StreamingResponse(lines(), media_type=NDJSON, headers={"Cache-Control": "no-store"})


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _error(status: int, code: str, message: str, hint: str = "") -> Response:
    return _json(ErrorBody(code, message, hint), status)


def _draining() -> Response:
    return _error(503, "draining", "This daemon is stopping.", "Connect again: a new one takes its place.")


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StardraftError)
    return _error(400, error.code, error.message, error.hint)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _not_found(request: Request, _missing: Exception) -> Response:
    return _error(
        404,
        "not_found",
        f"There is no {request.method} {request.url.path} here.",
        "The routes are /v1/hello, status, complete, warm, load, events and stop.",
    )
