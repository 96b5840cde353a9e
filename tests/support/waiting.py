"""Waiting for something to become true: the one place where tests wait, and where their seconds come from.

Every number of seconds in the tests is what an idle machine would be allowed, and goes through here. A
deadline multiplies it by the pace that was measured when the session began (`pace.py`); when that time is
over, the pace is measured again, and a machine that has become slower since is given more. So a deadline is
met by a test that fails, not by a machine that is busy. What is seen at that moment is told by
`witness.py`.
"""

import asyncio
import queue
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

from tests.support import pace

T = TypeVar("T")
What: TypeAlias = str | Callable[[], str]

# Generous: a deadline is met only by a test that fails.
DEADLINE_S = 30.0
INTERVAL_S = 0.02


def seconds(idle_s: float) -> float:
    """What `idle_s` seconds of an idle machine are here, for a time limit that somebody else keeps."""
    return idle_s * pace.of_session()


class Deadline:
    """The end of a time that is longer where the machine is slower or busier."""

    def __init__(self, idle_s: float = DEADLINE_S) -> None:
        self._idle_s = idle_s
        self._started = time.monotonic()
        self._allowed_s = seconds(idle_s)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    @property
    def left_s(self) -> float:
        """Seconds until the machine has to be looked at again; never negative."""
        return max(0.0, self._allowed_s - self.elapsed_s)

    def is_over(self) -> bool:
        """Whether the time is over on this machine as it is now. Takes a second when it seems to be."""
        if self.elapsed_s <= self._allowed_s:
            return False
        self._allowed_s = max(self._allowed_s, self._idle_s * pace.measure())
        return self.elapsed_s > self._allowed_s

    def __str__(self) -> str:
        return f"after {self.elapsed_s:.0f} s ({self._idle_s:g} s of an idle machine)"


def _unmet(deadline: Deadline, condition: Callable[[], object], last: object, what: What) -> AssertionError:
    said = what if isinstance(what, str) else what()
    name = getattr(condition, "__qualname__", repr(condition))
    return AssertionError(f"{deadline}: {said or f'{name} did not come true'}; its last answer was {last!r}")


def wait_until(condition: Callable[[], T | None], idle_s: float = DEADLINE_S, what: What = "") -> T:
    """The first true answer of `condition`. AssertionError, with `what` was waited for, if it never comes.

    `what` is called when it did not come, so that it can tell how things are then and not how they were.
    """
    deadline = Deadline(idle_s)
    while not (answer := condition()):
        if deadline.is_over():
            raise _unmet(deadline, condition, answer, what)
        time.sleep(INTERVAL_S)
    return answer


async def wait_until_async(
    condition: Callable[[], T | None], idle_s: float = DEADLINE_S, what: What = ""
) -> T:
    """`wait_until` for tests with an event loop, which goes on running meanwhile."""
    deadline = Deadline(idle_s)
    while not (answer := condition()):
        if await asyncio.to_thread(deadline.is_over):
            raise _unmet(deadline, condition, answer, what)
        await asyncio.sleep(INTERVAL_S)
    return answer


def next_in(items: "queue.Queue[T]", idle_s: float = DEADLINE_S) -> T:
    """The next item of a queue that another thread fills. AssertionError if none comes."""
    deadline = Deadline(idle_s)
    while True:
        try:
            return items.get(timeout=max(INTERVAL_S, deadline.left_s))
        except queue.Empty:
            if deadline.is_over():
                raise AssertionError(f"{deadline}: nothing came") from None


def bytes_in(file: Path) -> bytes:
    """What stands in a file that another program is writing: nothing while it is away, as when an editor
    moves the old one aside before the new one is there."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


@asynccontextmanager
async def within(idle_s: float = DEADLINE_S, what: str = "the end of the block") -> AsyncIterator[None]:
    """A block that has to end in time. AssertionError, with `what` was waited for, if it does not."""
    deadline = Deadline(idle_s)

    async def guard(limit: asyncio.Timeout) -> None:
        while not await asyncio.to_thread(deadline.is_over):
            await asyncio.sleep(deadline.left_s)
        limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as limit:
            guarding = asyncio.create_task(guard(limit))
            try:
                yield
            finally:
                guarding.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"{deadline}: {what}") from None
