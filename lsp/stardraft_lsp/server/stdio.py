"""The editor's stream: bytes from stdin, read by the event loop itself where that can be.

Where stdin is no pipe or socket, or is the same one as stdout, another thread reads it, which costs a
millisecond for a key and the question after it. The server lives as long as its editor does: until `exit`,
the end of stdin, or the end of the process that `initialize` named.
"""

import asyncio
import contextlib
import logging
import os
import stat
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, BinaryIO

from pygls.io_ import StdoutWriter

from stardraft_lsp.protocol.framing import Framing, Value

if TYPE_CHECKING:
    from psutil import Process

    from stardraft_lsp.protocol import Protocol
    from stardraft_lsp.server.server import StardraftServer

log = logging.getLogger(__name__)

_BUFFER_BYTES = 1 << 20
_READ_BYTES = 1 << 18
# How often the editor's process is looked for.
WATCH_S = 2.0


def serve(server: "StardraftServer", stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serves the editor until it leaves."""
    try:
        asyncio.run(_serve(server, stdin, stdout))
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()  # type: ignore[no-untyped-call]


async def _serve(server: "StardraftServer", stdin: BinaryIO, stdout: BinaryIO) -> None:
    protocol = server.protocol
    protocol.set_writer(StdoutWriter(stdout))
    read = await _pipe_reader(stdin, stdout) or _thread_reader(stdin)
    ends = (take_messages(read, protocol), _editors_end(protocol), protocol.is_over.wait())
    done, others = await asyncio.wait(
        {asyncio.ensure_future(end) for end in ends}, return_when=asyncio.FIRST_COMPLETED
    )
    for other in others:
        other.cancel()
    for one in done:
        one.result()


async def take_messages(read: Callable[[], Awaitable[bytes]], protocol: "Protocol") -> None:
    """Hands the messages of a stream to the protocol, until the stream's end or `exit`.

    Between two messages others have their turn. What a message begins has to have begun before the next one
    is taken: a question is about the text that was there when it was asked.
    """
    framing = Framing()
    while data := await read():
        for found in framing.feed(data):
            if isinstance(found, Value):
                protocol.receive(found.json)
            else:
                log.warning("%d bytes were left out: %s", found.n_bytes, found.reason)
                if found.is_message:
                    protocol.receive_unreadable()
            if protocol.is_over.is_set():
                return
            await asyncio.sleep(0)
    if framing.is_within_message:
        log.warning("the editor left in the middle of a message")


async def _editors_end(protocol: "Protocol") -> None:
    """Returns when the process that the editor named has ended; never where it names none that is here.

    An editor outside of a container names a process that is not inside.
    """
    await protocol.is_introduced.wait()
    import psutil

    number = protocol.client.process_id
    try:
        process = psutil.Process(number) if number is not None else None
    except (psutil.Error, ValueError, OverflowError):
        process = None
    if process is None:
        await asyncio.Event().wait()
        return
    while _runs(process):
        await asyncio.sleep(WATCH_S)
    log.warning("the editor's process %s has ended, and so does its server", number)


def _runs(process: "Process") -> bool:
    """Whether it is still the same process. One that ended and was not waited for runs no more."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # it is there, and not ours to look at
        return True


async def _pipe_reader(stdin: BinaryIO, stdout: BinaryIO) -> Callable[[], Awaitable[bytes]] | None:
    """None where the event loop cannot read stdin, or must not: writing to what it reads from would fail."""
    if sys.platform == "win32":
        return None
    mode = os.fstat(stdin.fileno()).st_mode
    is_socket = stat.S_ISSOCK(mode) and not os.path.sameopenfile(stdin.fileno(), stdout.fileno())
    if not (stat.S_ISFIFO(mode) or is_socket):
        return None
    reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
    return lambda: reader.read(_READ_BYTES)


def _thread_reader(stdin: BinaryIO) -> Callable[[], Awaitable[bytes]]:
    """Reads in a thread that nobody waits for: a read that does not return keeps no process alive."""
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[bytes] = asyncio.Queue()

    def read_all() -> None:
        data = b"."
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
            while data:
                try:
                    data = os.read(stdin.fileno(), _READ_BYTES)
                except OSError:  # a console that was closed
                    data = b""
                loop.call_soon_threadsafe(found.put_nowait, data)

    threading.Thread(target=read_all, name="stdin", daemon=True).start()
    return found.get
