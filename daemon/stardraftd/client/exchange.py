"""HTTP/1.1 to the daemon: a request and its answer on a connection, which is kept for the next one.

To cancel a request is ordinary here: each key takes the place of the question before it. So nothing is
awaited between a request that is left and its closed connection: an `Exchange` belongs to whoever opened it,
and leaving its block closes the connection, or keeps it, at once, however far it came and however often it
was cancelled. (httpcore's pool awaits in between: a request cancelled just after it had connected kept its
socket forever.) h11 reads and writes the messages.
"""

import asyncio
import socket
from types import TracebackType
from typing import Self

import h11

from stardraftd.errors import PathError
from stardraftd.limits import ANSWER_TIMEOUT_S
from stardraftd.transport import peer
from stardraftd.transport.endpoint import LOOPBACK, Endpoint

READ_BYTES = 64 * 1024
# Kept for the next requests: one front end has rarely more at once than a stream of events, a completion,
# and a question whether the daemon lives.
MOST_IDLE = 4
# A Unix socket whose queue is full refuses at once, and cannot be waited for.
QUEUE_FULL_S = 0.05


class Gone(Exception):  # noqa: N818 - a signal to connect again
    """The daemon is not there, is leaving, or went away while it answered."""


class Connection:
    """One socket, and how far the conversation on it is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def is_alive(self) -> bool:
        """Whether neither side has closed it, as far as is known."""
        return not (self._writer.is_closing() or self._reader.at_eof())

    @property
    def is_complete(self) -> bool:
        """Whether a request and its answer are both through, so that another may follow."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def start_next(self) -> None:
        self._http.start_next_cycle()

    def send(self, head: h11.Request, body: bytes) -> None:
        """Sends a request. What the socket does not take at once is sent while the answer is waited for,
        since a daemon that refuses may answer before it has read everything."""
        events = (head, h11.Data(data=body), h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """What comes next. Cancelled, it can be called again, and nothing is lost. Raises Gone."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(READ_BYTES))
        except (OSError, h11.RemoteProtocolError) as error:
            raise Gone from error
        return event  # type: ignore[return-value]

    def abort(self) -> None:
        """Closes it. Its reader comes to the end."""
        self._writer.transport.abort()


class Connections:
    """The connections to one daemon, on one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._is_closed = False

    def exchange(self, method: str, path: str, body: bytes = b"") -> "Exchange":
        """A request, not sent yet: `with connections.exchange(...) as exchange: await exchange.begin()`."""
        host = "stardraft" if self._endpoint.socket_path else f"{LOOPBACK}:{self._endpoint.port}"
        headers = [("Host", host), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if self._endpoint.token:
            headers.append(("Authorization", f"Bearer {self._endpoint.token}"))
        return Exchange(self, h11.Request(method=method, target=path, headers=headers), body)

    def close(self) -> None:
        """Closes them all. Who still waits for an answer gets Gone."""
        self._is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()

    async def take(self) -> Connection:
        """A connection for one exchange, kept or new. Raises Gone; TimeoutError when the socket accepts none;
        PathError when another user listens there."""
        connection = self._take_idle()
        if connection is None:
            connection = await _connect(self._endpoint)
        self._busy.add(connection)
        if self._is_closed:
            self.give_back(connection)
            raise Gone
        return connection

    def give_back(self, connection: Connection) -> None:
        """After an exchange: kept if it came to its end, else closed."""
        self._busy.discard(connection)
        may_keep = connection.is_alive and not self._is_closed and len(self._idle) < MOST_IDLE
        if connection.is_complete and may_keep:
            connection.start_next()
            self._idle.append(connection)
        else:
            connection.abort()

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive:
                return connection
            connection.abort()
        return None


class Exchange:
    """One request and its answer. Leaving its block ends it.

    status: the answer's, 0 before it begins.
    """

    def __init__(self, connections: Connections, head: h11.Request, body: bytes) -> None:
        self._connections = connections
        self._head = head
        self._body = body
        self._connection: Connection | None = None
        self.status = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._connections.give_back(connection)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    async def begin(self) -> None:
        """Sends the request; the answer has begun when this returns. Raises what `Connections.take` does."""
        self._connection = await self._connections.take()
        self._connection.send(self._head, self._body)
        while not isinstance(event := await self._connection.next_event(), h11.Response):
            pass
        self.status = event.status_code

    async def part(self) -> bytes:
        """The next bytes of the answer; b"" at its end. Cancelled, it can be called again. Raises Gone."""
        while self._connection is not None and not self._connection.is_complete:
            event = await self._connection.next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if not isinstance(event, h11.InformationalResponse):
                break
        return b""

    async def rest(self) -> bytes:
        """All that follows of the answer. Raises Gone."""
        parts: list[bytes] = []
        while part := await self.part():
            parts.append(part)
        return b"".join(parts)


async def _connect(endpoint: Endpoint) -> Connection:
    """Raises as `Connections.take`."""
    try:
        family = socket.AF_UNIX if endpoint.socket_path else socket.AF_INET
        connecting = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Gone from error
    try:
        connecting.setblocking(False)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            if endpoint.socket_path:
                await _connect_unix(connecting, endpoint.socket_path)
            else:
                await asyncio.get_running_loop().sock_connect(connecting, (LOOPBACK, endpoint.port))
        _verify_listener(connecting)
        reader, writer = await asyncio.open_connection(sock=connecting)
    except BaseException as error:
        connecting.close()
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise Gone from error
        raise
    return Connection(reader, writer)


async def _connect_unix(connecting: socket.socket, path: str) -> None:
    while True:
        try:
            connecting.connect(path)
        except BlockingIOError:
            await asyncio.sleep(QUEUE_FULL_S)
        else:
            return


def _verify_listener(connected: socket.socket) -> None:
    """Raises PathError unless this user listens there, before anything is sent."""
    if peer.is_trusted(connected):
        return
    uid = peer.user_of(connected)
    who = "an unknown user" if uid is None else f"user {uid}"
    raise PathError(
        f"The program that listens at the daemon's socket is {who}'s, not yours: nothing was sent to it.",
        "Set STARDRAFT_RUNTIME_DIR to a folder of your own.",
    )
