"""How a front end reaches the daemon: find it, start it if there is none, replace it if another would serve
better.

One `DaemonClient` per front end, on one event loop. Whatever goes wrong arrives as a StardraftError with a
sentence for a user: a daemon that is there and does not answer as a DaemonHungError, which names its
process. A request that has delivered no text yet survives the daemon's death or replacement: it is sent
once more, to the daemon that comes after.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from stardraftd import __version__
from stardraftd.client import launching as launch
from stardraftd.client.exchange import Connections, Exchange, Gone
from stardraftd.errors import DaemonUnreachableError, StardraftError
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
from stardraftd.transport.endpoint import find, is_served
from stardraftd.transport.presence import hung_error, is_stopped

# How often a process is looked at that does not answer: one that is stopped need not be waited for.
LOOK_S = 1.0
# A daemon that goes away while it answers was replaced or has died; the third in a row is no accident.
TRIES = 3
T = TypeVar("T")


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
        self._http: Connections | None = None
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
            http.close()

    async def hello(self) -> Hello:
        """Connects, and tells who answers. Starts a daemon, or replaces an older one, if need be."""
        return await self._answered(lambda http: self._get(http, "/v1/hello", hello_decoder))

    async def status(self) -> Status:
        """The daemon's state. Raises DaemonUnreachableError when none runs and `start` is off."""
        return await self._answered(lambda http: self._get(http, "/v1/status", status_decoder))

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[StreamEvent]:
        """Runs a completion; Done or Failed is the last event. Closing the generator cancels it."""
        if not request.client:
            request = msgspec.structs.replace(request, client=self._name)
        has_text = False
        async with contextlib.aclosing(
            self._events("/v1/complete", msgspec.json.encode(request), lambda: not has_text)
        ) as events:
            async for event in events:
                has_text = has_text or isinstance(event, Text)
                yield event

    async def load(self) -> AsyncGenerator[StreamEvent]:
        """Has the model loaded; Ready or Failed is the last event."""
        async with contextlib.aclosing(self._events("/v1/load", b"", lambda: True)) as events:
            async for event in events:
                yield event

    async def warm(self, request: CompletionRequest) -> Warming:
        """Has the engine read a document's text in the background; returns at once."""
        if not request.client:
            request = msgspec.structs.replace(request, client=self._name)
        body = msgspec.json.encode(request)
        answer = await self._answered(lambda http: self._ask(http, "POST", "/v1/warm", body))
        return warming_decoder.decode(answer)

    async def watch(self) -> AsyncGenerator[Status]:
        """The daemon's state now and after each change; while it is watched the daemon does not leave.

        Raises DaemonUnreachableError when the daemon goes away, DaemonHungError when it does not answer any
        more.
        """
        http = await self._connected()
        try:
            stream = self._lines(http, "GET", "/v1/events", silence_s=EVENTS_SILENCE_S)
            async with contextlib.aclosing(stream) as lines:
                async for line in lines:
                    yield status_decoder.decode(line)
        except Gone:
            await self.close()
        raise self._lost("it ended")

    async def stop(self, *, drain: bool = True) -> Hello | None:
        """Asks the daemon to stop; its place is free when this returns. None when there was none."""
        endpoint = find()
        if endpoint is None or not is_served():
            return None
        await self.close()
        try:
            with contextlib.closing(Connections(endpoint)) as http:
                return await self._stop(http, drain=drain)
        except Gone:
            return None

    # --- connecting ------------------------------------------------------------------------------

    async def _connected(self) -> Connections:
        async with self._connecting:
            if self._http is None:
                self._http = await self._connect() or await self._start_and_connect()
            return self._http

    async def _tries(self) -> AsyncGenerator[Connections]:
        """A connection for each try. Who asks for the next one has found the one before lost."""
        for _ in range(TRIES):
            http = await self._connected()
            yield http
            if self._http is http:
                await self.close()

    async def _answered(self, ask: Callable[[Connections], Awaitable[T]]) -> T:
        """What `ask` returns, of the first daemon that does not go away meanwhile."""
        async with contextlib.aclosing(self._tries()) as tries:
            async for http in tries:
                with contextlib.suppress(Gone):
                    return await ask(http)
        raise self._lost("it went away each time while it answered")

    async def _connect(self) -> Connections | None:
        """A connection to a daemon that answers and is not older than this front end; None without one."""
        endpoint = find()
        if endpoint is None:
            return None
        served = is_served()
        # To connect to a service manager's socket would start a daemon; behind a port that a dead one left
        # may be any other program.
        if not served and (endpoint.port or not self._start):
            return None
        http = Connections(endpoint)
        try:
            answer_s = ANSWER_TIMEOUT_S if served else launch.QUEUE_TIMEOUT_S
            hello = await self._get(http, "/v1/hello", hello_decoder, answer_s)
            known = (hello.version, hello.prefix)
            if hello.protocol == PROTOCOL and (
                not self._start or not _serves_better(hello) or known in self._comes_back
            ):
                return http
            # A service may start another installation than this one: then the same daemon comes back, and is
            # taken as it is. Replacing it forever, two editors would end each other's without end.
            self._comes_back.add(known)
            with contextlib.suppress(Gone):
                await self._stop(http, drain=True)
        except Gone:
            pass  # a socket that a dead daemon left: starting a new one replaces it
        except BaseException:
            http.close()
            raise
        http.close()
        return None

    async def _start_and_connect(self) -> Connections:
        if not self._start:
            raise DaemonUnreachableError("The daemon is not running.", "`stardraft daemon start` starts it.")
        await asyncio.to_thread(launch.ensure_daemon, self._overrides)
        http = await self._connect()
        if http is None:
            raise self._lost("it was started, but does not answer")
        return http

    async def _stop(self, http: Connections, *, drain: bool) -> Hello:
        body = msgspec.json.encode(StopRequest(drain=drain))
        return hello_decoder.decode(await self._ask(http, "POST", "/v1/stop", body))

    # --- talking ---------------------------------------------------------------------------------

    async def _get(
        self,
        http: Connections,
        path: str,
        decoder: "msgspec.json.Decoder[T]",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> T:
        return decoder.decode(await self._ask(http, "GET", path, timeout_s=timeout_s))

    async def _events(
        self, path: str, body: bytes, may_repeat: Callable[[], bool]
    ) -> AsyncGenerator[StreamEvent]:
        """The events of a stream; from their beginning by another daemon while they `may_repeat`."""
        async with contextlib.aclosing(self._tries()) as tries:
            async for http in tries:
                with contextlib.suppress(Gone):
                    async with contextlib.aclosing(self._lines(http, "POST", path, body)) as lines:
                        async for line in lines:
                            event = stream_event_decoder.decode(line)
                            yield event
                            if isinstance(event, Done | Failed | Ready):
                                return
                if not may_repeat():
                    break
        raise self._lost("it went away while it answered")

    async def _lines(
        self,
        http: Connections,
        method: str,
        path: str,
        body: bytes = b"",
        silence_s: float = STREAM_SILENCE_S,
    ) -> AsyncGenerator[bytes]:
        """The lines of a stream. While it is silent the daemon is asked whether it lives."""
        with http.exchange(method, path, body) as exchange:
            await self._begin(exchange, ANSWER_TIMEOUT_S)
            rest = b""
            while True:
                async with _cancelled_at_the_end(exchange.part()) as part:
                    while not (await asyncio.wait({part}, timeout=silence_s))[0]:
                        await self._get(http, "/v1/hello", hello_decoder)
                    if not (read := part.result()):
                        return
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    yield line

    async def _ask(
        self,
        http: Connections,
        method: str,
        path: str,
        body: bytes = b"",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> bytes:
        """The whole body of an answer. Raises as `_begin`."""
        with http.exchange(method, path, body) as exchange:
            await self._begin(exchange, timeout_s)
            return await self._within(timeout_s, exchange.rest())

    async def _begin(self, exchange: Exchange, timeout_s: float) -> None:
        """Sends a request; an answer that is not a success becomes the error that it tells of.

        Raises DaemonHungError when no answer begins within `timeout_s`.
        """
        try:
            await self._within(timeout_s, exchange.begin())
        except TimeoutError as error:
            raise self._lost("its socket accepts no connection") from error
        if exchange.is_success:
            return
        try:
            answer = error_decoder.decode(await self._within(timeout_s, exchange.rest()))
        except msgspec.DecodeError:
            raise StardraftError(f"The daemon answered with HTTP status {exchange.status}.") from None
        if answer.code == "draining":
            raise Gone
        raise answer.exception()

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


def _version(text: str) -> tuple[int, ...]:
    """ "1.2.3" as numbers; what follows them (".dev1", "rc2") does not count."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()
