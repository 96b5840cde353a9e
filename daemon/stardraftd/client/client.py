"""How a front end reaches the daemon: find it, start it if there is none, replace it if another would serve
better.

One `DaemonClient` per front end, on one event loop. Whatever goes wrong arrives as a StardraftError with a
sentence for a person: a daemon that is there and does not answer as a DaemonHungError, which names its
process. A request that has delivered no text yet survives the daemon's death or replacement: it is sent
once more, to the daemon that comes after.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from stardraftd import __version__
from stardraftd.client import launching as launch
from stardraftd.errors import DaemonUnreachableError, PathError, StardraftError, error_from_code
from stardraftd.heartbeat import AwakeTime
from stardraftd.limits import ANSWER_TIMEOUT_S, EVENTS_SILENCE_S, STREAM_SILENCE_S
from stardraftd.proof.verdict import engine_works
from stardraftd.protocol.completion import Done, Failed, Text
from stardraftd.protocol.http import (
    PROTOCOL,
    CompletionRequest,
    Hello,
    Ready,
    Status,
    StopRequest,
    StreamEvent,
    Warming,
    error_decoder,
    hello_decoder,
    status_decoder,
    stream_event_decoder,
    warming_decoder,
)
from stardraftd.transport import peer
from stardraftd.transport.endpoint import LOOPBACK, Endpoint, find, is_served
from stardraftd.transport.presence import hung_error, is_stopped

# How often a process is looked at that does not answer: one that is stopped need not be waited for.
LOOK_S = 1.0
T = TypeVar("T")


class _Gone(Exception):  # noqa: N818 - a signal to connect again
    """The daemon is not there, is leaving, or went away while it answered."""


class DaemonClient:
    """A front end's connection to its user's daemon.

    name:      who asks ("neovim", "cli"); a daemon tells editors apart by it.
    overrides: "section.key=value" settings for a daemon that has to be started.
    start:     whether to start a daemon when there is none; else DaemonUnreachableError is raised.
    """

    def __init__(self, name: str, *, overrides: Sequence[str] = (), start: bool = True) -> None:
        self._name = name
        self._overrides = tuple(overrides)
        self._start = start
        self._http: httpx.AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._comes_back: set[tuple[str, str]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. The daemon stays."""
        if self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    async def hello(self) -> Hello:
        """Connects, and tells who answers. Starts a daemon, or replaces an older one, if need be."""
        for _attempt in range(3):
            http = await self._connected()
            with contextlib.suppress(_Gone):
                return await self._get(http, "/v1/hello", hello_decoder)
            await self.close()
        raise self._lost("it went away each time while it answered")

    async def status(self) -> Status:
        """The daemon's state. Raises DaemonUnreachableError when none runs and `start` is off."""
        for _attempt in range(2):
            http = await self._connected()
            with contextlib.suppress(_Gone):
                return await self._get(http, "/v1/status", status_decoder)
            await self.close()
        raise self._lost("it went away while it answered")

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[StreamEvent]:
        """Runs a completion; Done or Failed is the last event. Closing the generator cancels it."""
        if not request.client:
            request = msgspec.structs.replace(request, client=self._name)
        has_text = False
        async with contextlib.aclosing(
            self._stream_twice("/v1/complete", msgspec.json.encode(request), lambda: not has_text)
        ) as events:
            async for event in events:
                has_text = has_text or isinstance(event, Text)
                yield event

    async def load(self) -> AsyncGenerator[StreamEvent]:
        """Has the model loaded; Ready or Failed is the last event."""
        async with contextlib.aclosing(self._stream_twice("/v1/load", b"", lambda: True)) as events:
            async for event in events:
                yield event

    async def warm(self, request: CompletionRequest) -> Warming:
        """Has the engine read a document's text in the background; returns at once."""
        if not request.client:
            request = msgspec.structs.replace(request, client=self._name)
        body = msgspec.json.encode(request)
        for _attempt in range(2):
            http = await self._connected()
            with contextlib.suppress(_Gone):
                message = http.build_request("POST", "/v1/warm", content=body)
                response = await self._send(http, message)
                return warming_decoder.decode(await response.aread())
            await self.close()
        raise self._lost("it went away while it answered")

    async def watch(self) -> AsyncGenerator[Status]:
        """The daemon's state now and after each change; while it is watched the daemon does not leave.

        Raises DaemonUnreachableError when the daemon goes away, DaemonHungError when it does not answer any
        more.
        """
        http = await self._connected()
        try:
            stream = self._lines(http, "GET", "/v1/events", None, EVENTS_SILENCE_S)
            async with contextlib.aclosing(stream) as lines:
                async for line in lines:
                    yield status_decoder.decode(line)
        except _Gone:
            await self.close()
        raise self._lost("it ended")

    async def stop(self, *, drain: bool = True) -> Hello | None:
        """Asks the daemon to stop; its place is free when this returns. None when there was none."""
        endpoint = find()
        if endpoint is None or not is_served():
            return None
        await self.close()
        try:
            async with _open(endpoint) as http:
                return await self._stop(http, drain=drain)
        except _Gone:
            return None

    # --- connecting ------------------------------------------------------------------------------

    async def _connected(self) -> httpx.AsyncClient:
        async with self._connecting:
            if self._http is None:
                self._http = await self._connect() or await self._start_and_connect()
            return self._http

    async def _connect(self) -> httpx.AsyncClient | None:
        """A connection to a daemon that answers and is not older than this front end; None without one."""
        endpoint = find()
        if endpoint is None:
            return None
        served = is_served()
        # To connect to a service manager's socket would start a daemon; behind a port that a dead one left
        # may be any other program.
        if not served and (endpoint.port or not self._start):
            return None
        http = _open(endpoint)
        try:
            answer_s = ANSWER_TIMEOUT_S if served else launch.QUEUE_TIMEOUT_S
            hello = await self._get(http, "/v1/hello", hello_decoder, answer_s)
            known = (hello.version, hello.prefix)
            if hello.protocol == PROTOCOL and (
                not self._start or not _serves_better(hello) or known in self._comes_back
            ):
                return http
            # A service may start another installation than this one: then the same daemon comes back, and is
            # taken as it is. Replacing it for ever, two editors would end each other's without end.
            self._comes_back.add(known)
            with contextlib.suppress(_Gone):
                await self._stop(http, drain=True)
        except _Gone:
            pass  # a socket that a dead daemon left: starting a new one replaces it
        except BaseException:
            await http.aclose()
            raise
        await http.aclose()
        return None

    async def _start_and_connect(self) -> httpx.AsyncClient:
        if not self._start:
            raise DaemonUnreachableError("The daemon is not running.", "`stardraft daemon start` starts it.")
        await asyncio.to_thread(launch.ensure_daemon, self._overrides)
        http = await self._connect()
        if http is None:
            raise self._lost("it was started, but does not answer")
        return http

    async def _stop(self, http: httpx.AsyncClient, *, drain: bool) -> Hello:
        response = await self._send(
            http,
            http.build_request("POST", "/v1/stop", content=msgspec.json.encode(StopRequest(drain=drain))),
        )
        return hello_decoder.decode(await response.aread())

    # --- talking ---------------------------------------------------------------------------------

    async def _get(
        self,
        http: httpx.AsyncClient,
        path: str,
        decoder: "msgspec.json.Decoder[T]",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> T:
        response = await self._send(http, http.build_request("GET", path), timeout_s=timeout_s)
        try:
            return decoder.decode(await response.aread())
        except httpx.TransportError as error:
            raise _Gone from error

    async def _stream_twice(
        self, path: str, body: bytes, may_repeat: Callable[[], bool]
    ) -> AsyncGenerator[StreamEvent]:
        for attempt in (1, 2, 3):
            http = await self._connected()
            try:
                async with contextlib.aclosing(self._lines(http, "POST", path, body)) as lines:
                    async for line in lines:
                        event = stream_event_decoder.decode(line)
                        yield event
                        if isinstance(event, Done | Failed | Ready):
                            return
            except _Gone:
                if self._http is http:
                    await self.close()
            if attempt == 3 or not may_repeat():
                raise self._lost("it went away while it answered")

    async def _lines(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        body: bytes | None,
        silence_s: float = STREAM_SILENCE_S,
    ) -> AsyncGenerator[bytes]:
        """The lines of a stream. While it is silent the daemon is asked whether it lives."""
        response = await self._send(http, http.build_request(method, path, content=body), stream=True)
        parts = response.aiter_bytes()

        async def next_part() -> bytes | None:
            return await anext(parts, None)

        try:
            rest = b""
            while True:
                async with _cancelled_at_the_end(next_part()) as part:
                    while not (await asyncio.wait({part}, timeout=silence_s))[0]:
                        await self._get(http, "/v1/hello", hello_decoder)
                    if (read := part.result()) is None:
                        return
                # Split at LF alone: `aiter_lines` also splits at U+2028, which stands raw in JSON.
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    yield line
        except httpx.TransportError as error:
            raise _Gone from error
        finally:
            await response.aclose()

    async def _send(
        self,
        http: httpx.AsyncClient,
        request: httpx.Request,
        *,
        stream: bool = False,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> httpx.Response:
        """Sends a request; an answer that is not a success becomes the error that it tells of.

        Raises DaemonHungError when no answer begins within `timeout_s`.
        """
        try:
            response = await self._within(timeout_s, http.send(request, stream=stream))
            if response.is_success:
                return response
            body = await response.aread()
        except httpx.TimeoutException as error:
            raise self._lost("its socket accepts no connection") from error
        except (
            httpx.TransportError,
            RuntimeError,
        ) as error:  # RuntimeError: closed by another task meanwhile
            raise _Gone from error
        await response.aclose()
        try:
            answer = error_decoder.decode(body)
        except msgspec.DecodeError:
            raise StardraftError(f"The daemon answered with HTTP status {response.status_code}.") from None
        if answer.code == "draining":
            raise _Gone
        raise error_from_code(answer.code, answer.message, answer.hint)

    async def _within(self, timeout_s: float, work: Coroutine[object, object, T]) -> T:
        """What `work` returns, if it does so in time. A computer that slept meanwhile was not waiting."""
        loop = asyncio.get_running_loop()
        awake = AwakeTime(LOOK_S)
        awake.tick(loop.time())
        was_stopped = False
        async with _cancelled_at_the_end(work) as task:
            while not (await asyncio.wait({task}, timeout=min(LOOK_S, timeout_s)))[0]:
                awake.tick(loop.time())
                # Twice, since who stops a process may let it go on at once.
                is_stopped_still, was_stopped = was_stopped, is_stopped()
                if awake.now_s >= timeout_s or (is_stopped_still and was_stopped):
                    if is_served():
                        raise hung_error(awake.now_s)
                    raise self._lost(f"it does not answer within {timeout_s:.0f} s")
            return task.result()

    def _lost(self, how: str) -> DaemonUnreachableError:
        return DaemonUnreachableError(
            f"The daemon cannot be reached: {how}.",
            "`stardraft daemon logs` may tell why; the next request starts it.",
        )


@contextlib.asynccontextmanager
async def _cancelled_at_the_end(work: Coroutine[object, object, T]) -> AsyncGenerator["asyncio.Task[T]"]:
    """`work` as a task that does not outlive the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _serves_better(hello: Hello) -> bool:
    """Whether a daemon of this installation would serve better than the one that answered: a newer one, or
    one whose engine runs here where the other's cannot be loaded."""
    if _version(hello.version) < _version(__version__):
        return True
    is_other = hello.prefix not in ("", sys.prefix)
    return is_other and hello.can_load is False and engine_works() is not False


def _open(endpoint: Endpoint) -> httpx.AsyncClient:
    timeout = httpx.Timeout(None, connect=ANSWER_TIMEOUT_S)
    limits = httpx.Limits(max_connections=None, keepalive_expiry=300)
    headers = {"Content-Type": "application/json"}
    if endpoint.socket_path:
        transport = httpx.AsyncHTTPTransport(uds=endpoint.socket_path, limits=limits)
        return httpx.AsyncClient(
            transport=transport,
            base_url="http://stardraft",
            timeout=timeout,
            headers=headers,
            trust_env=False,
            event_hooks={"request": [_verify_when_connected]},
        )
    return httpx.AsyncClient(
        base_url=f"http://{LOOPBACK}:{endpoint.port}",
        headers=headers | {"Authorization": f"Bearer {endpoint.token}"},
        timeout=timeout,
        limits=limits,
        trust_env=False,  # never through a proxy
    )


async def _verify_when_connected(request: httpx.Request) -> None:
    """Has the peer of a connection that this request opens looked at, before anything is sent on it."""
    request.extensions = {**request.extensions, "trace": _refuse_anothers_daemon}


async def _refuse_anothers_daemon(event: str, told: dict[str, Any]) -> None:
    """A trace of httpcore's (its "trace" extension). Raises PathError unless this user listens there."""
    if event != "connection.connect_unix_socket.complete":
        return
    stream = told["return_value"]
    connected = stream.get_extra_info("socket")
    if peer.is_trusted(connected):
        return
    uid = peer.user_of(connected)
    await stream.aclose()
    who = "an unknown user" if uid is None else f"user {uid}"
    raise PathError(
        f"The program that listens at the daemon's socket is {who}'s, not yours: nothing was sent to it.",
        "Set STARDRAFT_RUNTIME_DIR to a folder of your own.",
    )


def _version(text: str) -> tuple[int, ...]:
    """ "1.2.3" as numbers; what follows them (".dev1", "rc2") does not count."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()
