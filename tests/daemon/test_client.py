"""The client against answers that a real daemon rarely gives; a small HTTP server of the test gives them."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest
from filelock import FileLock

from stardraftd import __version__
from stardraftd.client import DaemonClient
from stardraftd.errors import DaemonUnreachableError, PathError, StardraftError
from stardraftd.paths import lock_path
from stardraftd.protocol.completion import Done, Failed, Text
from stardraftd.protocol.http import PROTOCOL, CompletionRequest, Hello, StreamEvent
from stardraftd.transport import peer
from stardraftd.transport.presence import hung_error
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it listens on a Unix socket")

HELLO = msgspec.json.encode(Hello(PROTOCOL, __version__, 1))
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def body(content: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(content), content)


@asynccontextmanager
async def daemon(monkeypatch: pytest.MonkeyPatch, answer: Reply) -> AsyncIterator[DaemonClient]:
    """A client of a server that says hello, and gives `answer` to every completion."""
    folder = Path(tempfile.mkdtemp(prefix="sd-"))
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(folder))
    folder.chmod(0o700)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
            if b"/v1/hello" in head:
                writer.write(body(HELLO))
                continue
            await answer(writer)
            return

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)

    with FileLock(lock_path()):
        server = await asyncio.start_unix_server(quietly, folder / f"stardraft-{PROTOCOL}.sock")
        async with server, DaemonClient("test", start=False) as client:
            yield client


async def collect(client: DaemonClient) -> list[StreamEvent]:
    return [event async for event in client.complete(CompletionRequest(document="a", prefix=""))]


def ndjson(*events: object) -> bytes:
    content = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + content


async def test_line_separators_inside_a_suggestion_do_not_split_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "a\u2028b\u2029c\u0085d\x0ce"

    async def answer(writer: asyncio.StreamWriter) -> None:
        for byte in ndjson(Text(text), Done(text, "end")):
            writer.write(bytes([byte]))

    async with daemon(monkeypatch, answer) as client:
        events = await collect(client)
    assert [event.text for event in events if isinstance(event, Text | Done)] == [text, text]


async def test_a_stream_that_breaks_off_after_text_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        line = msgspec.json.encode(Text("half")) + b"\n"
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await writer.drain()

    async with daemon(monkeypatch, answer) as client:
        with pytest.raises(DaemonUnreachableError, match="went away"):
            await collect(client)


async def test_an_error_that_the_daemon_tells_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(body(b'{"code": "request", "message": "Wrong.", "hint": "Mend it."}', "400 Bad Request"))

    async with daemon(monkeypatch, answer) as client:
        with pytest.raises(StardraftError) as told:
            await collect(client)
    assert (told.value.code, told.value.message, told.value.hint) == ("request", "Wrong.", "Mend it.")


async def test_a_failed_event_is_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(ndjson(Failed("engine", "It broke."), Text("after the end")))

    async with daemon(monkeypatch, answer) as client:
        assert await collect(client) == [Failed("engine", "It broke.")]


async def test_nothing_is_sent_to_another_users_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket's file may be this user's, and who listens another: the kernel is asked."""
    heard = []

    async def answer(writer: asyncio.StreamWriter) -> None:
        heard.append(writer)

    async with daemon(monkeypatch, answer) as client:
        for uid in (54321, None):
            monkeypatch.setattr(peer, "user_of", lambda _, uid=uid: uid)
            for ask in (client.hello, client.status, client.stop, lambda: collect(client)):
                with pytest.raises(PathError, match="nothing was sent"):
                    await ask()
        assert heard == []
        for uid in (os.geteuid(), 0):
            monkeypatch.setattr(peer, "user_of", lambda _, uid=uid: uid)
            assert (await client.hello()).protocol == PROTOCOL
            await client.close()


@pytest.mark.parametrize("n_cancels", [1, 2, 3])
async def test_a_question_that_is_cancelled_at_any_moment_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch, n_cancels: int
) -> None:
    """At every turn of the event loop from the first to the answer, and again while it is leaving."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(ndjson(Done("x", "end")))

    def n_open() -> int:
        return psutil.Process().num_fds()

    async with daemon(monkeypatch, answer) as client:
        await client.hello()
        await collect(client)
        before = n_open()
        is_answered = False
        n_turns = 0
        while not is_answered:
            asking = asyncio.create_task(collect(client))
            for _ in range(n_turns):
                await asyncio.sleep(0)
            for _ in range(n_cancels):
                asking.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({asking})
            is_answered = not asking.cancelled()
            n_turns += 1
        assert n_turns > 10, "it was cancelled on the way"
        assert await collect(client), "all earlier connections have been accepted"
        await wait_until_async(lambda: n_open() <= before, 5, what=f"{before} descriptors")


def test_a_daemon_that_hangs_and_is_not_on_record_is_ended_by_who_has_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`daemon stop` would not know which process to end, and must not be the advice that it gives."""
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(tmp_path / "run"))
    hint = hung_error(10.0).hint
    assert "daemon stop" not in hint
    assert f"fuser -k {lock_path()}" in hint
