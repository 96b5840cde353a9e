"""Our own programs without their start: forked from a process that has imported them already.

What a start of the language server costs is its imports, more than a processor second; what most tests are
about is what comes afterwards. A forked program is the real one in a process of its own, with the streams,
the environment and the exit status that it would have (`forkserver.py`). How it is started is for those
tests that start it as editors do.
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.forkserver import HEAD, TOLD

# A message of the language server may be as long as that.
STREAM_BYTES = 16 * 1024 * 1024


class Pipe(asyncio.StreamReaderProtocol):
    """Our end of a pipe. closed: once nothing comes or goes any more, and its descriptor is closed."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=STREAM_BYTES)
        super().__init__(self.reader)
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.closed.set()


class Forked:
    """A program with pipes for its stdin and stdout, with the part of `asyncio.subprocess.Process` that
    tests use.

    returncode: None until the event loop has heard of the end.
    """

    def __init__(self, pid: int, stdin: asyncio.WriteTransport, pipes: tuple[Pipe, Pipe, Pipe]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._pipes = (to_stdin, from_stdout, told) = pipes
        loop = asyncio.get_running_loop()
        self.stdin: asyncio.StreamWriter | None = asyncio.StreamWriter(stdin, to_stdin, None, loop)
        self.stdout: asyncio.StreamReader | None = from_stdout.reader
        self._end = asyncio.create_task(self._hear(told.reader))

    async def _hear(self, told: asyncio.StreamReader) -> int:
        [status] = TOLD.unpack(await told.readexactly(TOLD.size))
        self.returncode = int(status)
        return self.returncode

    async def wait(self) -> int:
        """The exit status, once what the process wrote has been taken."""
        status = await asyncio.shield(self._end)
        assert self.stdin is not None
        self.stdin.close()
        for pipe in self._pipes:
            await pipe.closed.wait()
        return status

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


async def fork(program: str, *arguments: str, environment: Mapping[str, str]) -> Forked:
    """`python -P -m PROGRAM ARGUMENTS`, for the programs that `forkserver.py` knows. Its stderr is ours.

    What Python itself reads of an environment when it starts (PYTHONPATH) is without effect.
    """
    its_stdin, our_stdin = os.pipe()
    our_stdout, its_stdout = os.pipe()
    our_told, its_told = os.pipe()
    theirs = [its_stdin, its_stdout, 2, its_told]
    message = json.dumps(
        {"arguments": [program, *arguments], "environment": dict(environment), "folder": str(Path.cwd())}
    ).encode()
    server = _server()
    socket.send_fds(server, [HEAD.pack(len(message))], theirs)
    server.sendall(message)
    for descriptor in (its_stdin, its_stdout, its_told):
        os.close(descriptor)
    loop = asyncio.get_running_loop()
    stdin, to_stdin = await loop.connect_write_pipe(Pipe, os.fdopen(our_stdin, "wb", 0))
    _, from_stdout = await loop.connect_read_pipe(Pipe, os.fdopen(our_stdout, "rb", 0))
    _, told = await loop.connect_read_pipe(Pipe, os.fdopen(our_told, "rb", 0))
    [pid] = TOLD.unpack(await told.reader.readexactly(TOLD.size))
    return Forked(pid, stdin, (to_stdin, from_stdout, told))


@functools.cache
def _server() -> socket.socket:
    """The other end of the process that forks, which is started by the first test that needs it."""
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("forkserver.py"))],
            stdin=its,
            stdout=subprocess.DEVNULL,
            # A test may stand in a home just now; this process is of none.
            env={name: value for name, value in os.environ.items() if not name.startswith("STARDRAFT_")},
            start_new_session=True,  # Ctrl-C is for the tests
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
