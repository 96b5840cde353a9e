"""The daemon's door under strangers: who has the token is served, however many connections hang there."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from stardraftd.api import connections
from stardraftd.api.connections import limited_protocol
from stardraftd.api.guard import Guard
from stardraftd.logs import handler as logs
from stardraftd.transport import peer
from stardraftd.transport.endpoint import Endpoint
from tests.support.waiting import seconds

posix_only = pytest.mark.skipif(os.name != "posix", reason="there are no such sockets on Windows")
TOKEN = "secret"


@asynccontextmanager
async def door(n_descriptors: int = 4096, bound: socket.socket | None = None) -> AsyncIterator[int]:
    """A server with the daemon's protocol and guard; its port (0 on a Unix socket)."""
    listening = bound or socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1] if bound is None else 0
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    guarded = Guard(app, Endpoint(port=port, token=TOKEN)) if bound is None else app
    server = uvicorn.Server(
        uvicorn.Config(
            guarded, http=limited_protocol(n_descriptors), ws="none", lifespan="off", log_config=None
        )
    )
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield port
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def ask(port: int, token: str = TOKEN) -> bytes:
    """The whole answer to one request, or b"" from who closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    try:
        return await reader.read()
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What comes until the other side closes."""
    try:
        async with asyncio.timeout(seconds(10)):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"G"])
async def test_half_open_connections_shut_nobody_out(said: bytes) -> None:
    async with door(n_descriptors=connections.SPARE_DESCRIPTORS + 40) as port:
        hanging = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        for _, writer in hanging:
            writer.write(said)
        assert b"here" in await ask(port)
        # The oldest made room; the newest still hang.
        assert await ended(*hanging[0]) == b""
        assert not hanging[-1][0].at_eof()
        for _, writer in hanging:
            writer.close()


async def test_who_says_nothing_has_little_time_and_who_was_answered_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.05)
    async with door() as port:
        known, known_writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        known_writer.write(request.encode())
        assert b"200 OK" in await known.readuntil(b"\r\n\r\n")
        for said in (b"", b"POST / HTTP/1.1\r\nHost"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            assert await ended(reader, writer) == b""
        known_writer.write(request.encode())
        assert b"200 OK" in await known.readuntil(b"\r\n\r\n")
        known_writer.close()


async def test_a_stranger_is_refused_and_not_kept() -> None:
    async with door() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer no\r\n"
            "Content-Length: 100000000\r\n\r\n".encode()
        )
        answer = await ended(reader, writer)
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"here" in await ask(port)


async def test_of_all_connections_there_is_a_limit_that_leaves_descriptors_for_the_rest() -> None:
    limit = 8
    async with door(n_descriptors=connections.SPARE_DESCRIPTORS + limit) as port:
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        kept = []
        for _ in range(limit):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.encode())
            await reader.readuntil(b"\r\n\r\n")
            kept.append(writer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ended(reader, writer) == b""
        kept.pop().close()
        async with asyncio.timeout(seconds(10)):
            while not (answer := await _asked(port)):
                await asyncio.sleep(0)
        assert b"here" in answer
        for one in kept:
            one.close()


async def _asked(port: int) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await ask(port)
    return b""


@posix_only
async def test_over_a_unix_socket_another_user_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(tmp_path / "s"))
    bound.listen()
    async with door(bound=bound):
        for uid, answered in ((os.geteuid(), True), (0, True), (54321, False), (None, False)):
            monkeypatch.setattr(peer, "user_of", lambda _, uid=uid: uid)
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (b"here" in await ended(reader, writer)) == answered, uid


@posix_only
def test_the_kernel_says_who_is_at_the_other_end() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer.user_of(one) == os.geteuid()
        assert peer.is_trusted(other)
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        assert peer.is_trusted(tcp)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user")
def test_another_user_who_connects_is_known_as_such(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        (tmp_path / "s").chmod(0o777)
        server.listen()
        connect = (
            "import os, socket, sys; os.setuid(54321); "
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        )
        theirs = subprocess.Popen([sys.executable, "-c", connect, str(tmp_path / "s")])
        connected, _ = server.accept()
        with connected:
            assert peer.user_of(connected) == 54321
            assert not peer.is_trusted(connected)
        theirs.wait()


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "daemon.log"
    logs.configure("info", path, stderr=False, max_bytes=10_000_000, backups=0)
    yield path
    logs.close()


def test_one_error_a_thousand_times_is_a_few_lines_and_a_count(
    log_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("stardraftd.test")

    def fail(error: Exception) -> None:
        try:
            raise error
        except OSError:
            log.exception("no descriptors are left")

    for _ in range(1000):
        fail(OSError(24, "Too many open files"))
    lines = log_file.read_text().splitlines()
    assert len(lines) == logs.BURST
    assert "no more are written" in lines[-1]
    fail(PermissionError("another error of that place is heard"))
    log.warning("and so is another place")
    for _ in range(100):
        log.info("what is no warning is not counted")
    assert len(log_file.read_text().splitlines()) == logs.BURST + 102
    monkeypatch.setattr(logs, "BURST_S", -1.0)
    fail(OSError(24, "Too many open files"))
    assert '"left_out": 980' in log_file.read_text().splitlines()[-1]
