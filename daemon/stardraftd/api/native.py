"""Our own API: the routes of `stardraftd.protocol.http`, translated between bodies and the daemon."""

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stardraftd.api.json import answer, body_of, decode, refusal, stream
from stardraftd.broadcast import Broadcast
from stardraftd.protocol.http import (
    CompletionRequest,
    Hello,
    Status,
    StopRequest,
    StreamEvent,
    Warming,
    request_decoder,
    stop_decoder,
)


class Served(Protocol):
    """What the routes need of the daemon."""

    changed: Broadcast
    draining: bool

    def hello(self) -> Hello: ...

    def status(self) -> Status: ...

    def complete(self, request: CompletionRequest) -> AsyncIterator[StreamEvent]: ...

    def warm(self, request: CompletionRequest) -> Warming: ...

    def load(self) -> AsyncIterator[StreamEvent]: ...

    def stop(self, *, drain: bool) -> None: ...


def routes(daemon: Served) -> list[Route]:
    """The routes below /v1/."""

    async def hello(_request: Request) -> Response:
        return answer(daemon.hello())

    async def status(_request: Request) -> Response:
        return answer(daemon.status())

    async def complete(request: Request) -> Response:
        if daemon.draining:
            return draining()
        body = decode(await body_of(request), request_decoder)
        return stream(daemon.complete(body))

    async def warm(request: Request) -> Response:
        if daemon.draining:
            return draining()
        return answer(daemon.warm(decode(await body_of(request), request_decoder)))

    async def load(_request: Request) -> Response:
        return draining() if daemon.draining else stream(daemon.load())

    async def events(_request: Request) -> Response:
        async def statuses() -> AsyncIterator[Status]:
            async with contextlib.aclosing(daemon.changed.changes()) as changes:
                async for _ in changes:
                    yield daemon.status()

        return draining() if daemon.draining else stream(statuses())

    async def stop(request: Request) -> Response:
        raw = await body_of(request)
        body = decode(raw, stop_decoder) if raw else StopRequest()
        told = answer(daemon.hello())
        daemon.stop(drain=body.drain)
        return told

    return [
        Route("/v1/hello", hello),
        Route("/v1/status", status),
        Route("/v1/complete", complete, methods=["POST"]),
        Route("/v1/warm", warm, methods=["POST"]),
        Route("/v1/load", load, methods=["POST"]),
        Route("/v1/events", events),
        Route("/v1/stop", stop, methods=["POST"]),
    ]


def draining() -> Response:
    return refusal(503, "draining", "This daemon is stopping.", "Connect again: a new one takes its place.")
