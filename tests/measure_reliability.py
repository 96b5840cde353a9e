"""How long a fault lasts, as whoever asks for a completion sees it: `python -m tests.measure_reliability`.

Each row does one thing to the real processes, on the built-in model and with the limits as they are shipped,
and asks for a completion: the time to the next good answer, or to the sentence that tells what is wrong. It
                           takes about
two minutes. docs/reliability.md has the table.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from stardraftd.client import DaemonClient
from stardraftd.errors import StardraftError
from stardraftd.protocol.completion import Done, Failed, Loading
from stardraftd.protocol.http import CompletionRequest, StreamEvent
from tests.support.home import isolated_home

N = iter(range(1_000_000))


def request() -> CompletionRequest:
    """One that nothing of is cached."""
    n = next(N)
    return CompletionRequest(document=f"{n}.py", prefix=f"def f{n}(a, b):\n    return ", max_tokens=8)


async def ask(client: DaemonClient) -> str:
    """How a completion ends: "answered", or the sentence."""
    last: StreamEvent | None = None
    try:
        async for event in client.complete(request()):
            last = event
    except StardraftError as error:
        return str(error)
    return "answered" if isinstance(last, Done) else last.message if isinstance(last, Failed) else str(last)


async def engine(client: DaemonClient) -> int:
    pid = (await client.status()).engine_pid
    assert pid is not None
    return pid


class Moment:
    """When the fault began: what leads to it is not counted."""

    def __init__(self) -> None:
        self.since = time.monotonic()

    def now(self) -> None:
        self.since = time.monotonic()


async def only_ask(client: DaemonClient, _moment: Moment) -> str:
    return await ask(client)


async def killed_engine(client: DaemonClient, moment: Moment) -> str:
    return await _signalled(client, moment, await engine(client), signal.SIGKILL)


async def stopped_engine(client: DaemonClient, moment: Moment) -> str:
    return await _signalled(client, moment, await engine(client), signal.SIGSTOP)


async def killed_daemon(client: DaemonClient, moment: Moment) -> str:
    return await _signalled(client, moment, (await client.hello()).pid, signal.SIGKILL)


async def stopped_daemon(client: DaemonClient, moment: Moment) -> str:
    return await _signalled(client, moment, (await client.hello()).pid, signal.SIGSTOP)


async def _signalled(client: DaemonClient, moment: Moment, pid: int, number: signal.Signals) -> str:
    moment.now()
    os.kill(pid, number)
    return await ask(client)


async def stop_of_a_stopped_daemon(_client: DaemonClient, _moment: Moment) -> str:
    return await _command("daemon", "stop")


async def stop_while_it_loads(client: DaemonClient, moment: Moment) -> str:
    async for event in client.load():
        if isinstance(event, Loading):
            break
    moment.now()
    return await _command("daemon", "stop", "--now")


async def _command(*arguments: str) -> str:
    command = [sys.executable, "-m", "stardraftd", *arguments]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return str(ended.stdout).strip()


ROWS: dict[str, Callable[[DaemonClient, Moment], Awaitable[str]]] = {
    "no daemon runs": only_ask,
    "the engine is killed": killed_engine,
    "the engine is stopped (SIGSTOP)": stopped_engine,
    "the daemon is killed": killed_daemon,
    "the daemon is stopped (SIGSTOP, Ctrl-Z)": stopped_daemon,
    "`stardraft daemon stop` of a stopped daemon": stop_of_a_stopped_daemon,
    "`stardraft daemon stop --now` while the model loads": stop_while_it_loads,
}


async def main() -> None:
    """Prints the table."""
    async with DaemonClient("measure") as client:
        for name, act in ROWS.items():
            moment = Moment()
            outcome = await act(client, moment)
            print(f"| {name} | {time.monotonic() - moment.since:.1f} s | {outcome} |", flush=True)


if __name__ == "__main__":
    with isolated_home() as home:
        os.environ.update(home)
        asyncio.run(main())
