"""The editor's messages from stdin, read by the event loop itself where that can be.

pygls reads each of the three parts of a message in another thread, which costs a millisecond for a key and
the question after it. Where stdin is no pipe or socket, or is the same one as stdout, that way is kept.
"""

import asyncio
import logging
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async

if TYPE_CHECKING:
    from stardraft_lsp.server import StardraftServer

log = logging.getLogger(__name__)

_BUFFER_BYTES = 1 << 20


class PipeReader:
    """stdin as the event loop reads it. Between two messages others have their turn.

    What a message begins has to have begun before the next one is read: a question is about the text that
    was there when it was asked.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        await asyncio.sleep(0)
        return await self._reader.readline()

    async def readexactly(self, n: int) -> bytes:
        try:
            return await self._reader.readexactly(n)
        except asyncio.IncompleteReadError:  # the editor left in the middle of a message
            return b""


def serve(server: "StardraftServer", stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serves the editor until it leaves."""
    try:
        asyncio.run(_serve(server, stdin, stdout))
    except BrokenPipeError:
        log.warning("the editor is gone")
    except (KeyboardInterrupt, SystemExit):
        pass  # `exit` comes as the latter
    finally:
        server.shutdown()  # type: ignore[no-untyped-call]


async def _serve(server: "StardraftServer", stdin: BinaryIO, stdout: BinaryIO) -> None:
    server.protocol.set_writer(StdoutWriter(stdout))
    reader = await _pipe_reader(stdin, stdout) or StdinAsyncReader(stdin, server.thread_pool)
    await run_async(
        stop_event=threading.Event(),
        reader=reader,
        protocol=server.protocol,
        error_handler=server.report_server_error,
    )


async def _pipe_reader(stdin: BinaryIO, stdout: BinaryIO) -> PipeReader | None:
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
    return PipeReader(reader)
