"""A daemon whose completions the test writes, piece by piece: real HTTP on the real socket, no engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import filelock
import msgspec
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from stardraftd import __version__
from stardraftd.paths import lock_path
from stardraftd.protocol.completion import Candidate, Done, Failed, Figures, Text
from stardraftd.protocol.http import (
    PROTOCOL,
    CompletionRequest,
    Hello,
    Ready,
    StreamEvent,
    Warming,
    request_decoder,
)
from stardraftd.transport.endpoint import listen
from tests.lsp.stand_in_status import MODEL, PID, status_of
from tests.support.waiting import seconds, wait_until_async


class Writing:
    """A completion that a front end asked for; the test says what comes of it.

    is_cancelled: the front end left before the end. figures: what its end says that it cost.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self.request = request
        self.is_cancelled = False
        self.figures: Figures | None = None
        self._said = ""
        self._events: asyncio.Queue[StreamEvent] = asyncio.Queue()

    def say(self, text: str, candidate: int = 0) -> None:
        self._said += text if candidate == 0 else ""
        self._events.put_nowait(Text(text, candidate=candidate))

    def end(self, *others: str) -> None:
        texts = (self._said, *others) if others else ()
        candidates = tuple(Candidate(text, "boundary") for text in texts)
        self._events.put_nowait(Done(self._said, "boundary", self.figures, candidates=candidates))

    def fail(self, code: str, message: str) -> None:
        self._events.put_nowait(Failed(code, message))

    async def lines(self) -> AsyncIterator[bytes]:
        event: StreamEvent | None = None
        try:
            while not isinstance(event, Done | Failed):
                event = await self._events.get()
                yield msgspec.json.encode(event) + b"\n"
        finally:
            self.is_cancelled = not isinstance(event, Done | Failed)


class StandIn:
    """The daemon. completions and warmed: what it was asked for, in that order."""

    def __init__(self) -> None:
        self.completions: list[Writing] = []
        self.warmed: list[CompletionRequest] = []
        self.model = MODEL
        self.knows_warming = True
        self.may_load = asyncio.Event()
        self.may_load.set()

    async def writing(self, number: int) -> Writing:
        """The completion of this number, from 0, as soon as it is asked for."""
        await wait_until_async(lambda: len(self.completions) > number, what=f"no completion {number}")
        return self.completions[number]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/hello", self._hello),
                Route("/v1/complete", self._complete, methods=["POST"]),
                Route("/v1/warm", self._warm, methods=["POST"]),
                Route("/v1/load", self._load, methods=["POST"]),
                Route("/v1/events", self._events),
            ]
        )

    async def _hello(self, _request: Request) -> Response:
        return Response(msgspec.json.encode(Hello(PROTOCOL, __version__, PID)))

    async def _complete(self, request: Request) -> Response:
        try:
            writing = Writing(request_decoder.decode(await request.body()))
        except ClientDisconnect:  # the front end left before it had asked
            return Response()
        self.completions.append(writing)
        return StreamingResponse(writing.lines())

    async def _warm(self, request: Request) -> Response:
        self.warmed.append(request_decoder.decode(await request.body()))
        if not self.knows_warming:
            return Response(b"", 404)
        return Response(msgspec.json.encode(Warming(accepted=True)))

    async def _load(self, _request: Request) -> Response:
        await self.may_load.wait()
        return Response(msgspec.json.encode(Ready(self.model)) + b"\n")

    async def _events(self, _request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield msgspec.json.encode(status_of(engine_pid=PID, sessions=1, model=self.model)) + b"\n"
            await asyncio.Event().wait()

        return StreamingResponse(lines())


@asynccontextmanager
async def standing_in(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    """A stand-in where front ends of this home look for their daemon."""
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", home["STARDRAFT_RUNTIME_DIR"])
    lock = filelock.FileLock(lock_path(), timeout=seconds(5), thread_local=False)
    lock.acquire()  # as the daemon does: by it front ends see that it is there
    listener = listen("auto")
    daemon = StandIn()
    http = _Http(uvicorn.Config(daemon.app(), lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(http.serve([listener.socket]))
    try:
        yield daemon
    finally:
        http.should_exit = True
        await serving
        listener.withdraw()
        lock.release()


class _Http(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
