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
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.forkserver import HEAD, TOLD
from tests.support.waiting import DEADLINE_S, Deadline

# A message of the language server may be as long as that.
STREAM_BYTES = 16 * 1024 * 1024


# What begins so is read of an environment when a program starts: by Python, the C library, the linker.
READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ")


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a program would be the same one with this environment from its start on."""

    def read_at_start(names: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in names.items() if name.startswith(READ_AT_START)}

    return sys.platform != "win32" and read_at_start(environment) == read_at_start(os.environ)


# Held while a program is asked for: a message is whole.
_asking = threading.Lock()


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


class Started(NamedTuple):
    """Our ends of the pipes of a program: its streams, and where its process id and its status are told."""

    stdin: int
    stdout: int
    stderr: int | None
    told: int


def start(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None = None,
    *,
    stderr: bool,
) -> Started:
    """`python -P -m PROGRAM ARGUMENTS`, for the programs that `forkserver.py` knows.

    stderr: whether it has a pipe, too; else it is ours.
    """
    its_stdin, our_stdin = os.pipe()
    our_stdout, its_stdout = os.pipe()
    our_stderr, its_stderr = os.pipe() if stderr else (None, os.dup(2))
    our_told, its_told = os.pipe()
    theirs = [its_stdin, its_stdout, its_stderr, its_told]
    message = {
        "arguments": [program, *arguments],
        "environment": dict(environment),
        "folder": str(folder or Path.cwd()),
    }
    body = json.dumps(message).encode()
    with _asking:
        server = _server()
        socket.send_fds(server, [HEAD.pack(len(body))], theirs)
        server.sendall(body)
    for descriptor in theirs:
        os.close(descriptor)
    return Started(our_stdin, our_stdout, our_stderr, our_told)


async def fork(program: str, *arguments: str, environment: Mapping[str, str]) -> Forked:
    """A program that a test talks with, as `start` starts it."""
    ours = start(program, arguments, environment, stderr=False)
    loop = asyncio.get_running_loop()
    stdin, to_stdin = await loop.connect_write_pipe(Pipe, os.fdopen(ours.stdin, "wb", 0))
    _, from_stdout = await loop.connect_read_pipe(Pipe, os.fdopen(ours.stdout, "rb", 0))
    _, told = await loop.connect_read_pipe(Pipe, os.fdopen(ours.told, "rb", 0))
    [pid] = TOLD.unpack(await told.reader.readexactly(TOLD.size))
    return Forked(pid, stdin, (to_stdin, from_stdout, told))


def run_forked(
    program: str,
    *arguments: str,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    folder: Path | None = None,
    idle_s: float = DEADLINE_S,
) -> "subprocess.CompletedProcess[bytes]":
    """A program run to its end, as `start` starts it. AssertionError, with what it said, if that does not
    come."""
    ours = start(program, arguments, environment, folder, stderr=True)
    assert ours.stderr is not None
    [pid] = TOLD.unpack(os.read(ours.told, TOLD.size))
    deadline, is_late = Deadline(idle_s), False
    with ThreadPoolExecutor(3) as pool, os.fdopen(ours.told, "rb", 0) as told:
        try:
            pool.submit(_write, ours.stdin, stdin)
            output, errors = (pool.submit(_read, end) for end in (ours.stdout, ours.stderr))
            while not select.select([told], [], [], max(0.1, deadline.left_s))[0]:
                if not is_late and (is_late := deadline.is_over()):
                    os.kill(pid, signal.SIGKILL)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        [status] = TOLD.unpack(told.read(TOLD.size))
    ended = subprocess.CompletedProcess([program, *arguments], status, output.result(), errors.result())
    assert not is_late, f"{deadline} this had not ended: {ended}"
    return ended


def _write(descriptor: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb", 0) as pipe:  # it need not read
        while data:
            data = data[pipe.write(data) :]


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", 0) as pipe:
        return pipe.read()


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
