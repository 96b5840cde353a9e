"""A daemon whose completions the test writes, piece by piece: real HTTP on the real socket, no engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from stardraftd import __version__
from stardraftd.endpoint import listen
from stardraftd.protocol import (
    PROTOCOL,
    Candidate,
    CompletionRequest,
    Done,
    Hello,
    ModelInfo,
    Ready,
    Status,
    StreamEvent,
    Text,
    Warming,
    request_decoder,
)
from tests.support.waiting import wait_until_async

PID = 1


class Writing:
    """A completion that a front end asked for; the test says what comes of it.

    is_cancelled: the front end left before the end.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self.request = request
        self.is_cancelled = False
        self._said = ""
        self._events: asyncio.Queue[StreamEvent] = asyncio.Queue()

    def say(self, text: str, candidate: int = 0) -> None:
        self._said += text if candidate == 0 else ""
        self._events.put_nowait(Text(text, candidate=candidate))

    def end(self, *others: str) -> None:
        texts = (self._said, *others) if others else ()
        candidates = tuple(Candidate(text, "boundary") for text in texts)
        self._events.put_nowait(Done(self._said, "boundary", candidates=candidates))

    async def lines(self) -> AsyncIterator[bytes]:
        event: StreamEvent | None = None
        try:
            while not isinstance(event, Done):
                event = await self._events.get()
                yield msgspec.json.encode(event) + b"\n"
        finally:
            self.is_cancelled = not isinstance(event, Done)


class StandIn:
    """The daemon. completions and warmed: what it was asked for, in that order."""

    def __init__(self) -> None:
        self.completions: list[Writing] = []
        self.warmed: list[CompletionRequest] = []
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
        writing = Writing(request_decoder.decode(await request.body()))
        self.completions.append(writing)
        return StreamingResponse(writing.lines())

    async def _warm(self, request: Request) -> Response:
        self.warmed.append(request_decoder.decode(await request.body()))
        if not self.knows_warming:
            return Response(b"", 404)
        return Response(msgspec.json.encode(Warming(accepted=True)))

    async def _load(self, _request: Request) -> Response:
        await self.may_load.wait()
        return Response(msgspec.json.encode(Ready(_MODEL)) + b"\n")

    async def _events(self, _request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield msgspec.json.encode(_status()) + b"\n"
            await asyncio.Event().wait()

        return StreamingResponse(lines())


@asynccontextmanager
async def standing_in(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    """A stand-in where front ends of this home look for their daemon."""
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", home["STARDRAFT_RUNTIME_DIR"])
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


class _Http(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


_MODEL = ModelInfo(
    name="stand-in",
    path="stand-in.gguf",
    size_bytes=1,
    n_parameters=1,
    n_context_trained=1,
    context_tokens=1,
    device="CPU",
    gpu_layers=0,
    layers=1,
    threads=1,
    kv_bytes=1,
    load_ms=1.0,
    system_info="",
)


def _status() -> Status:
    return Status(
        version=__version__,
        protocol=PROTOCOL,
        pid=PID,
        uptime_s=0.0,
        endpoint="",
        engine="ready",
        engine_pid=PID,
        engine_restarts=0,
        model_path=_MODEL.path,
        model=_MODEL,
        loading_fraction=None,
        sessions=1,
        n_running=0,
        n_waiting=0,
        completed=0,
        cancelled=0,
        failed=0,
        tokens_evaluated=0,
        tokens_reused=0,
        tokens_generated=0,
        daemon_resident_bytes=0,
        engine_resident_bytes=None,
        config_path="",
        log_path="",
    )
