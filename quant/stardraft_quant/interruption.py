"""However a command is ended, it ends as by Ctrl-C: what it started and wrote is cleared away.

`timeout`, `kill`, a service manager and a closed terminal send other signals than Ctrl-C, and by default
those end Python at once: no `finally` runs, and a daemon, a llama-server or a folder stays behind. Every
command that starts processes runs inside `ended_like_ctrl_c`; what is to be cleared away stands in ordinary
`with` blocks.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

# SIGBREAK is Windows' Ctrl-Break; there is no SIGHUP there.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Inside the block the first of SIGNALS raises KeyboardInterrupt.

    Later ones are ignored, so that clearing away is not cut short. A signal that is ignored already (`nohup`)
    stays so. Outside the main thread nothing changes.
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
        for number in heeded:
            signal.signal(number, before[number])


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
