"""A service manager in small, for tests: as systemd it listens, and starts a program when somebody knocks.

The real `systemd-socket-activate` starts its program once; this one goes on listening while the program runs
and after it has ended, and starts it again.
"""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.processes import exit_status

# The number of the process that is to take the socket is known only in that process.
_SHIM = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.closerange(4, 256)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""
_POLL_S = 0.05
LEAVING_S = 20.0


class ServiceManager:
    """Listens at `path`. `started` has every process it started; the last one is running or has ended."""

    def __init__(self, path: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self.command = list(command)
        self._environment = {**environment, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "stardraft.socket"}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # systemd takes the place of what is there, too
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(128)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stops listening, and ends the program."""
        self._leaving.set()
        self._thread.join()
        self._socket.close()
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            with process:
                exit_status(process, LEAVING_S)

    def _serve(self) -> None:
        while not self._leaving.is_set():
            if self.started and self.started[-1].poll() is None:
                self._leaving.wait(_POLL_S)  # the program accepts for itself
            elif select.select([self._socket], [], [], _POLL_S)[0]:
                self._start()

    def _start(self) -> None:
        handed = os.dup(self._socket.fileno())
        try:
            self.started.append(
                subprocess.Popen(
                    [sys.executable, "-S", "-c", _SHIM, str(handed), *self.command],
                    env=self._environment,
                    pass_fds=[handed],
                    stdin=subprocess.DEVNULL,
                )
            )
        finally:
            os.close(handed)


@contextlib.contextmanager
def managing(path: Path, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[ServiceManager]:
    manager = ServiceManager(path, command, environment)
    try:
        yield manager
    finally:
        manager.close()
