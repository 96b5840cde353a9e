"""The process that forked programs come from (`forked.py` starts it, with a socket as its stdin).

It imports what they import once. Each message on the socket asks for a program; a fork of this process
becomes it: with the environment, the folder, the arguments and the streams that the message brings, and
with nothing of the programs before it, for none of them ran here. It ends with its socket.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import TextIO, cast

# Before a message: how long it is. With it come three streams, and where the process id and the exit status
# are told.
HEAD = struct.Struct("<I")
N_DESCRIPTORS = 4
# What is told: the process id, and later the exit status as `subprocess` has it.
TOLD = struct.Struct("<i")


PROGRAMS = ("stardraftd", "stardraft_lsp")
# What libraries import late, when a command or a server runs.
LATE = ("psutil", "typer._adapters", "pydantic._internal._generate_schema", "pydantic.plugin._loader")


def programs() -> dict[str, Callable[[], int]]:
    """What can be asked for, with its imports done: all but the engine's, which starts threads."""
    for program in PROGRAMS:
        path = importlib.import_module(program).__path__
        for found in pkgutil.walk_packages(path, f"{program}."):
            if not found.name.startswith("stardraftd.engine") and not found.name.endswith(".__main__"):
                importlib.import_module(found.name)
    for library in LATE:
        importlib.import_module(library)
    return {program: importlib.import_module(f"{program}.__main__").main for program in PROGRAMS}


def main() -> int:
    """Serves until the socket ends: 0. In each fork: the program's own exit status."""
    mains = programs()
    control = socket.socket(fileno=os.dup(0))
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    told_at: dict[int, int] = {}
    gc.collect()
    gc.freeze()  # a collection in a fork would make it a copy of all that was imported
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 1 << 10)
                    _tell_ends(told_at)
                    continue
                head, descriptors, _, _ = socket.recv_fds(control, HEAD.size, N_DESCRIPTORS)
                if len(head) < HEAD.size:
                    return 0
                message = json.loads(_exactly(control, HEAD.unpack(head)[0]))
                *streams, told = descriptors
                if (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for descriptor in (*told_at.values(), told, woken, wakes):
                        os.close(descriptor)
                    control.close()
                    break
                told_at[pid] = told
                os.write(told, TOLD.pack(pid))
                for stream in streams:
                    os.close(stream)
            else:
                continue
            break
    _become(message, streams)
    return mains[sys.argv[0]]()


def _exactly(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += control.recv(size - len(data))
    return data


def _tell_ends(told_at: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            told = told_at.pop(pid)
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it
                os.write(told, TOLD.pack(os.waitstatus_to_exitcode(status)))
            os.close(told)


def _become(message: dict[str, object], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Anew, as at a start: what they are connected to is seen once, when they are made.
    sys.stdin = sys.__stdin__ = _text(sys.stdin, 0, "r")
    sys.stdout = sys.__stdout__ = _text(sys.stdout, 1, "w")
    sys.stderr = sys.__stderr__ = _text(sys.stderr, 2, "w", buffering=1)
    environment = message["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(message["folder"]))
    arguments = message["arguments"]
    assert isinstance(arguments, list)
    sys.argv = arguments


def _text(before: TextIO, descriptor: int, mode: str, buffering: int = -1) -> TextIO:
    return cast(
        TextIO,
        os.fdopen(descriptor, mode, buffering, encoding=before.encoding, errors=before.errors, closefd=False),
    )


if __name__ == "__main__":
    sys.exit(main())
