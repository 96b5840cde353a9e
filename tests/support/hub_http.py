"""The stand-in of the Hub on the wire: connections, Range, bodies in blocks, and how they end badly.

What is answered is decided elsewhere (`hub.py`, `hub_contents.py`); here it is sent, with the faults that
are in the sending (`hub_faults.BodyFault`).
"""

import contextlib
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_faults import (
    Body,
    BodyFault,
    Content,
    Cut,
    Endless,
    Faults,
    Hold,
    RangeIgnored,
    Reshaping,
)

BLOCK_BYTES = 64 * 1024
Form = Mapping[str, list[str]]


@dataclass
class Request:
    """One request as it arrived, and what was answered. `bytes_sent` grows while the body is sent."""

    server: str
    """`hub` or `cdn`."""
    method: str
    path: str
    """Without the query, unquoted."""
    headers: dict[str, str]
    """Names in lower case."""
    status: int = 0
    bytes_sent: int = 0
    """Bytes of the body that were handed to the network. Who is gone by then has not received them all."""

    @property
    def range(self) -> str | None:
        return self.headers.get("range")

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None

    @property
    def target(self) -> tuple[str, str, str]:
        """What faults are matched with: method, server, path."""
        return self.method, self.server, self.path

    def is_for(self, file: str) -> bool:
        return self.path.endswith("/" + file)


@dataclass
class Answer:
    """What is to be sent. Of a file, parts can be asked for, and its body can suffer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=lambda: Content(b""))
    is_file: bool = False


class Server(ThreadingHTTPServer):
    """One of the two servers. Its threads end with it, also those that wait for a client's next request."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, name: str, answer: Callable[[Request, Form, Form], Answer], faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name, self.answer, self.faults = name, answer, faults
        self.broken: list[BaseException] = []
        """Errors of the stand-in's own: a test that meets one must not pass."""
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._open: set[socket.socket] = set()
        self._resetting: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=f"stand-in {name}")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def reset(self, connection: socket.socket) -> None:
        """Has the connection end with a reset once its handler is done."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._resetting.add(connection)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        if request in self._resetting:
            self._resetting.discard(request)
            self.close_request(request)  # without the farewell that a shutdown is
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):  # clients come and go as they like
            self.broken.append(error)


class _Handler(BaseHTTPRequestHandler):
    """Requests from the wire, answers onto it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Nothing: `Hub.requests` has it all."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.server.name, self.command, readable(parts.path), headers)
        form = parse_qs(self.rfile.read(int(headers.get("content-length", "0"))).decode())
        answer = self.server.answer(request, parse_qs(parts.query), form)
        faults: list[BodyFault] = []
        if answer.is_file and request.method == "GET":
            faults = self.server.faults.take(BodyFault, *request.target)
        self._send(request, answer, faults)

    do_GET = do_HEAD = do_POST = _handle  # noqa: N815  (the base class looks for these names)

    def _send(self, request: Request, answer: Answer, faults: list[BodyFault]) -> None:
        body = answer.body
        for fault in faults:
            if isinstance(fault, Reshaping):
                body = fault.body(body)
        start, end = 0, body.size
        if answer.is_file and (asked := self._range(request, body.size)) is not None:
            start, end = asked
            if start < end:
                answer = Answer(
                    206, {**answer.headers, "Content-Range": f"bytes {start}-{end - 1}/{body.size}"}
                )
            else:
                answer = Answer(416, {"Content-Range": f"bytes */{body.size}"})
                start = end = 0
        holds = [fault for fault in faults if isinstance(fault, Hold)]
        cuts = [fault for fault in faults if isinstance(fault, Cut)]
        for hold in holds:
            if hold.after_bytes == 0:
                hold.stand()
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        for endless in self.server.faults.take(Endless, *request.target):
            self._send_endlessly(request, endless.block)
            return
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if request.method != "HEAD":
            self._send_body(request, body, start, end, holds, cuts)

    def _range(self, request: Request, size: int) -> tuple[int, int] | None:
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.range or "")
        if found is None or not any(found.groups()):
            return None
        if self.server.faults.take(RangeIgnored, *request.target):
            return None
        first, last = found.groups()
        if not first:
            return max(size - int(last), 0), size
        return int(first), min(int(last) + 1, size) if last else size

    def _send_body(
        self, request: Request, body: Body, start: int, end: int, holds: list[Hold], cuts: list[Cut]
    ) -> None:
        """Sends [start, end) of the body in blocks, which end exactly where something is to happen."""
        marks = [hold.after_bytes for hold in holds] + [cut.after_bytes for cut in cuts]
        sent = 0
        while True:
            for hold in holds:
                if hold.after_bytes == sent > 0:
                    hold.stand()
            for cut in cuts:
                if cut.after_bytes == sent:
                    self._cut(cut)
                    return
            if sent >= end - start:
                return
            n_bytes = min([BLOCK_BYTES, end - start - sent, *(mark - sent for mark in marks if mark > sent)])
            # Counted first: a client that has all its bytes may look at once.
            request.bytes_sent += n_bytes
            self.wfile.write(body.read(start + sent, n_bytes))
            sent += n_bytes

    def _send_endlessly(self, request: Request, block: bytes) -> None:
        """Until the client goes away: the connection's end is the only one that such a body has."""
        self.close_connection = True
        self.send_header("Connection", "close")
        self.end_headers()
        while True:
            request.bytes_sent += self.wfile.write(block)

    def _cut(self, cut: Cut) -> None:
        self.close_connection = True
        if cut.reset:
            self.server.reset(self.connection)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


def readable(path: str) -> str:
    """A path without its quoting, except for slashes: those inside a revision's name stay what they are."""
    return "/".join(unquote(part).replace("/", "%2F") for part in path.split("/"))
