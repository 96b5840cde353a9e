"""Real processes: a daemon of its own for each test, seen through the client that every front end uses."""

import os
from collections.abc import AsyncIterator

import pytest

from stardraftd.client import DaemonClient
from stardraftd.protocol.http import CompletionRequest, Status
from tests.support.home import write_config
from tests.support.tiny_models import slow_model
from tests.support.waiting import DEADLINE_S, within


@pytest.fixture
def in_home(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process itself stands in the isolated home, as a front end would."""
    stand_in(home, monkeypatch)
    return home


def stand_in(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STARDRAFT_")]:
        monkeypatch.delenv(name)
    for name in [name for name in home if name.startswith("STARDRAFT_")]:
        monkeypatch.setenv(name, home[name])


@pytest.fixture
async def client(in_home: dict[str, str]) -> AsyncIterator[DaemonClient]:
    async with DaemonClient("test") as client:
        yield client


@pytest.fixture
async def shared_client(
    shared_home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DaemonClient]:
    """Of a daemon that serves many tests: for those that leave it as it is and do not need it to be new."""
    stand_in(shared_home, monkeypatch)
    async with DaemonClient("test") as client:
        yield client


@pytest.fixture
async def slow_client(in_home: dict[str, str]) -> AsyncIterator[DaemonClient]:
    """Of a daemon whose model reads LONG_PREFIX for a second: a test comes before the first text."""
    write_config(in_home, f"[model]\npath = '{slow_model()}'\n")
    async with DaemonClient("test") as client:
        yield client


PREFIX = "class Shelf:\n    def __init__(self, items):\n        self."
SUFFIX = "\n\n    def add(self, item):\n        self.items.append(item)\n"
# Some 1,800 tokens: a prefill that takes long enough to be in the middle of.
LONG_PREFIX = "".join(
    f"def function_{i}(alpha, beta):\n    return alpha * {i} + beta\n\n\n" for i in range(90)
)


def request(**changes: object) -> CompletionRequest:
    """A small completion in the middle of a class; `changes` replace its fields."""
    fields: dict[str, object] = {"document": "shelf", "path": "shelf.py", "prefix": PREFIX, "suffix": SUFFIX}
    return CompletionRequest(**(fields | changes))  # type: ignore[arg-type]


async def wait_for_status(client: DaemonClient, wanted: "object", idle_s: float = DEADLINE_S) -> Status:
    """The first status of the daemon's own stream that is `wanted`."""
    assert callable(wanted)
    async with within(idle_s, "a status that is wanted"):
        async for status in client.watch():
            if wanted(status):
                return status
    raise AssertionError("the stream of statuses ended")
