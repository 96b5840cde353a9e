"""Waiting for something to become true, with a deadline: the one place where tests wait."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Generous: a deadline is met only by a test that fails, and machines under load are slow.
DEADLINE_S = 30.0
INTERVAL_S = 0.02


def _describe(condition: Callable[[], object], last: object) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    return f"{name} did not come true; its last answer was {last!r}"


def wait_until(condition: Callable[[], T | None], timeout_s: float = DEADLINE_S, what: str = "") -> T:
    """The first true answer of `condition`. AssertionError, with `what` was waited for, after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s} s: {what or _describe(condition, answer)}")
        time.sleep(INTERVAL_S)
    return answer


async def wait_until_async(
    condition: Callable[[], T | None], timeout_s: float = DEADLINE_S, what: str = ""
) -> T:
    """`wait_until` for tests with an event loop, which goes on running meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s} s: {what or _describe(condition, answer)}")
        await asyncio.sleep(INTERVAL_S)
    return answer
