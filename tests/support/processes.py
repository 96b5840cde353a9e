"""Programs under test, run to their end: with a deadline that knows the machine, and with what they said if
it comes.

Also here: the signals that a child starts with. A shell starts what is to run in the background with SIGINT
ignored, `nohup` ignores SIGHUP, and both are inherited by every child; then nobody ends by Ctrl-C.
"""

import asyncio
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.support.waiting import DEADLINE_S, Deadline, within

_INHERITED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGCHLD", "SIGUSR1", "SIGUSR2")


def give_children_plain_signals() -> None:
    """From now on every child starts with each signal as it is by default, and none blocked.

    This process goes on as it was: what it ignored it still ignores, by a handler, which no child inherits.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _INHERITED:
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is not signal.SIG_IGN:
            continue
        # Ignored, a child's end cannot be waited for, and its exit status is lost.
        signal.signal(number, signal.SIG_DFL if name == "SIGCHLD" else lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, set())


def finish(
    process: "subprocess.Popen[Any]", stdin: Any = None, *, idle_s: float = DEADLINE_S
) -> "subprocess.CompletedProcess[Any]":
    """Waits for its end. If it does not come, it is killed: AssertionError, with all that it said."""
    deadline = Deadline(idle_s)
    while True:
        try:
            output, errors = process.communicate(stdin, timeout=max(0.1, deadline.left_s))
        except subprocess.TimeoutExpired:
            if not deadline.is_over():
                continue
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(
                f"{deadline} this had not ended: {process.args}\n"
                f"Its output: {output!r}\nIts errors: {errors!r}"
            ) from None
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def run_to_end(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: Any = None,
    cwd: Path | None = None,
    text: bool = False,
    check: bool = False,
    preexec_fn: Callable[[], object] | None = None,
    idle_s: float = DEADLINE_S,
) -> "subprocess.CompletedProcess[Any]":
    """As `subprocess.run` with its output captured, and with `finish`'s deadline.

    check=True is an AssertionError with what the program said, which CalledProcessError keeps to itself.
    """
    with subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        text=text,
        encoding="utf-8" if text else None,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=preexec_fn,  # noqa: PLW1509 - it only drops rights
    ) as process:
        try:
            ended = finish(process, stdin, idle_s=idle_s)
        except BaseException:
            process.kill()
            raise
    assert not check or ended.returncode == 0, (
        f"{command} ended with status {ended.returncode}\n"
        f"Its output: {ended.stdout!r}\nIts errors: {ended.stderr!r}"
    )
    return ended


def exit_status(process: "subprocess.Popen[Any]", idle_s: float = DEADLINE_S) -> int:
    """The exit status of a process whose output is somebody else's. AssertionError if it does not end."""
    deadline = Deadline(idle_s)
    while True:
        try:
            return process.wait(max(0.1, deadline.left_s))
        except subprocess.TimeoutExpired:
            if deadline.is_over():
                raise AssertionError(f"{deadline} this had not ended: {process.args}") from None


class Running(Protocol):
    """A process with pipes, as `asyncio.subprocess.Process`: what tests use of it."""

    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader | None

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def kill(self) -> None: ...


async def exit_status_async(process: Running, idle_s: float = DEADLINE_S) -> int:
    """`exit_status` for tests with an event loop."""
    async with within(idle_s, f"the end of process {process.pid}"):
        return await process.wait()


def is_gone(pid: int) -> bool:
    """Whether the process has ended. Its entry may stay until whoever started it notices."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
