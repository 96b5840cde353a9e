"""The daemon behind the server under test: which one runs, and stopping it as a user would."""

import asyncio
from contextlib import suppress

import psutil

from tests.support.home import command_of, processes_of
from tests.support.waiting import wait_until


def daemons(home: dict[str, str]) -> list[int]:
    """The process ids of the daemons that run in this home."""
    found = []
    for process in processes_of(home):
        with suppress(psutil.Error):  # it ended while it was looked at
            if "stardraftd.serving.process" in command_of(process):
                found.append(process.pid)
    return found


async def stop_daemon(home: dict[str, str]) -> None:
    for pid in daemons(home):
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).terminate()
    await asyncio.to_thread(wait_until, lambda: not daemons(home))
