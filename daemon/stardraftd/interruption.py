"""However a command is ended, it ends as by Ctrl-C: what it started and wrote is cleared away.

`timeout`, `kill`, a service manager and a closed terminal send other signals than Ctrl-C, and by default
those end Python at once: no `finally` runs, and a daemon, a llama-server or a folder stays behind. Every
command that starts processes runs inside `ended_like_ctrl_c`; what is to be cleared away stands in ordinary
`with` blocks. A process is there before its `with` block is: `begin` starts it, and none is lost in between.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

# SIGBREAK is Windows' Ctrl-Break; there is no SIGHUP there.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class _Begun:
    """The processes that `begin` started, and the interruption that came while it was starting one."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.n_starting = 0
        self.held_back: Callable[[], None] | None = None


_begun = _Begun()


def begin(command: Sequence[object], **options: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen(command, **options)`, which an interruption cannot cut in two.

    One that comes meanwhile is raised when the process has started. Whoever starts it still ends it; if the
    interruption does not let them, `ended_like_ctrl_c` does. Raises what Popen raises, and KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():  # nothing interrupts it
        return _started(command, **options)
    with held_back():
        return _started(command, **options)


@contextmanager
def held_back() -> Iterator[None]:
    """An interruption that comes inside the block is raised at its end.

    For asyncio's own processes as well: where starting one is cancelled before its pipes are connected,
    Python 3.11 waits for its end forever.
    """
    _begun.n_starting += 1
    try:
        yield
    finally:
        _begun.n_starting -= 1
        if not _begun.n_starting and (interrupt := _begun.held_back) is not None:
            _begun.held_back = None
            interrupt()


def _started(command: Sequence[object], **options: Any) -> subprocess.Popen[bytes]:
    for process in [process for process in _begun.processes if process.returncode is not None]:
        _begun.processes.remove(process)
    started: subprocess.Popen[bytes] = subprocess.Popen([str(part) for part in command], **options)
    _begun.processes.append(started)
    return started


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Inside the block the first of SIGNALS raises KeyboardInterrupt.

    Later ones are ignored, so that clearing away is not cut short. A signal that is ignored already (`nohup`)
    stays so. At the end of the block no process that `begin` started runs any more. Outside the main thread
    nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number in numbers if before[number] is not signal.SIG_IGN]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        if _begun.n_starting:
            _begun.held_back = stop
        else:
            stop()

    def stop() -> None:
        loop = _running_loop()
        if loop is None:
            raise KeyboardInterrupt
        # Between two steps of its tasks, so that asyncio.run cancels each of them where it waits.
        loop.call_soon_threadsafe(_raise)

    for number in heeded:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for process in _begun.processes:
            _kill(process)
        _begun.processes = []
        for number in heeded:
            signal.signal(number, before[number])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With its whole group, where it leads one: what a builder has started ends with it."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix" and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    if "asyncio" not in sys.modules:  # most commands do without
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _raise() -> None:
    raise KeyboardInterrupt
