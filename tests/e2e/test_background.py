"""Between requests the daemon reads files, and what it read outlives the model; requests share it fairly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from stardraftd.client import DaemonClient
from stardraftd.protocol.completion import Done, Figures, Text
from stardraftd.protocol.http import CompletionRequest, Status
from tests.support.processes import is_gone
from tests.support.streams import done
from tests.support.waiting import wait_until_async, within

FILE = "".join(
    f"    def method_{number}(self, value):\n        self.items[{number}] = value\n        return self\n\n"
    for number in range(30)
)
MIDDLE = FILE.index("method_15")


def in_file(**changes: object) -> CompletionRequest:
    fields: dict[str, object] = {
        "document": "file:///a.py",
        "path": "a.py",
        "prefix": FILE[:MIDDLE],
        "suffix": FILE[MIDDLE:],
        "max_tokens": 8,
    }
    return CompletionRequest(**(fields | changes))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def an_editor_is_there(client: DaemonClient) -> AsyncIterator[None]:
    """While somebody watches, the daemon works ahead."""
    seen = asyncio.Event()

    async def watch() -> None:
        async with contextlib.aclosing(client.watch()) as statuses:
            async for _ in statuses:
                seen.set()

    watching = asyncio.create_task(watch())
    await seen.wait()
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def loaded(client: DaemonClient) -> None:
    async for _ in client.load():
        pass


async def until(client: DaemonClient, wanted: Callable[[Status], bool]) -> Status:
    """The first status that is `wanted`."""
    async with within(what="a status that is wanted"), contextlib.aclosing(client.watch()) as statuses:
        async for status in statuses:
            if wanted(status):
                return status
    raise AssertionError("the daemon left")


async def until_read(client: DaemonClient) -> Status:
    return await until(
        client, lambda status: status.background == "idle" and status.tokens_evaluated_in_background > 200
    )


async def stopped(client: DaemonClient) -> None:
    """Stops the daemon and waits until it is gone; its place is free earlier than that."""
    process = psutil.Process((await client.status()).pid)
    await client.stop()
    await wait_until_async(lambda: is_gone(process.pid), what="the daemon has gone")


def figures(event: Done) -> Figures:
    assert event.figures is not None
    return event.figures


async def test_a_file_that_was_opened_is_read_before_anything_is_asked(client: DaemonClient) -> None:
    await loaded(client)
    async with an_editor_is_there(client):
        answer = await client.warm(in_file(prefix="", suffix=FILE))
        assert answer.accepted
        status = await until_read(client)
        assert status.completed == 0
        assert status.speeds is not None
        assert status.speeds.n_cells_used > 200


async def test_the_first_completion_in_a_file_that_was_read_costs_little(client: DaemonClient) -> None:
    await loaded(client)
    request = in_file(target_ms=1.0)  # a planner that finds anything but the cache too dear
    async with an_editor_is_there(client):
        await client.warm(in_file(prefix="", suffix=FILE))
        await until_read(client)
        read = figures(await done(client, request))
    assert read.n_reused > 150
    assert read.n_evaluated < 60


async def test_a_request_stops_it_at_once_and_it_goes_on_afterwards(client: DaemonClient) -> None:
    """Four files are left to be read when the request comes; none is while its answer is made."""
    await loaded(client)
    long_answer = in_file(
        document="other", prefix="class A:\n    x = ", suffix="", mode="free", max_tokens=900
    )
    async with an_editor_is_there(client):
        for number in range(4):
            await client.warm(in_file(document=f"{number}", prefix="", suffix=f"# {number}\n" + FILE * 4))
        await until(client, lambda status: status.background == "working")
        seen: list[Status] = []
        async with contextlib.aclosing(client.complete(long_answer)) as events:
            async for event in events:
                if isinstance(event, Text):
                    seen.append(await client.status())
                if len(seen) == 3:
                    break
        during = [status for status in seen if status.n_running]
        assert {status.background for status in during} == {"waiting"}
        assert len({status.tokens_evaluated_in_background for status in during}) == 1
        n_before = during[0].tokens_evaluated_in_background
        await until(client, lambda status: status.tokens_evaluated_in_background > n_before)


async def test_without_a_model_in_memory_none_is_loaded_for_it(client: DaemonClient) -> None:
    await client.hello()
    answer = await client.warm(in_file())
    assert (answer.accepted, answer.reason) == (False, "not_loaded")
    assert (await client.status()).engine == "unloaded"


async def test_it_can_be_turned_off(in_home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARDRAFT_COMPLETION_BACKGROUND", "never")
    async with DaemonClient("test") as client:
        await loaded(client)
        async with an_editor_is_there(client):
            answer = await client.warm(in_file())
            assert (answer.accepted, answer.reason) == (False, "off")
            await done(client, in_file())
            status = await client.status()
            assert status.background == "off"
            assert status.tokens_evaluated_in_background == 0


async def test_two_front_ends_get_their_text_side_by_side(in_home: dict[str, str]) -> None:
    order: list[str] = []

    async def generate(name: str) -> None:
        async with DaemonClient(name) as client:
            prefix = f"# {name}\nclass A:\n    x = "
            request = in_file(document=name, prefix=prefix, suffix="", mode="free", max_tokens=150)
            async with contextlib.aclosing(client.complete(request)) as events:
                async for event in events:
                    if isinstance(event, Text | Done):
                        order.append(name)

    async with DaemonClient("first") as client:
        await loaded(client)
    await asyncio.gather(generate("one"), generate("two"))
    changes = sum(a != b for a, b in pairwise(order))
    assert changes > 5, "they took turns"


async def test_what_was_read_is_there_when_the_model_is_back(
    in_home: dict[str, str], client: DaemonClient
) -> None:
    await loaded(client)
    async with an_editor_is_there(client):
        await client.warm(in_file(prefix="", suffix=FILE))
        await until_read(client)
    request = in_file(target_ms=1.0)  # a planner that finds anything but the cache too dear
    before = await done(client, request)
    await stopped(client)
    saved = list((Path(in_home["STARDRAFT_STATE_DIR"]) / "engine" / "sequences").iterdir())
    assert len(saved) == 1
    assert saved[0].stat().st_mode & 0o077 == 0
    after = await done(client, request)
    assert figures(after).n_reused > 150
    assert figures(after).n_evaluated < 60
    assert after.text == before.text


async def test_a_damaged_save_is_as_good_as_none(in_home: dict[str, str], client: DaemonClient) -> None:
    await loaded(client)
    async with an_editor_is_there(client):
        await client.warm(in_file(prefix="", suffix=FILE))
        await until_read(client)
    await stopped(client)
    folder = Path(in_home["STARDRAFT_STATE_DIR"]) / "engine" / "sequences"
    (saved,) = folder.iterdir()
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    assert figures(await done(client, in_file())).n_reused == 0


async def test_nothing_is_saved_when_nothing_may_be(
    in_home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_MODEL_KV_SNAPSHOT_MB", "0")
    async with DaemonClient("test") as client:
        await loaded(client)
        async with an_editor_is_there(client):
            await client.warm(in_file(prefix="", suffix=FILE))
            await until_read(client)
        await stopped(client)
    assert not (Path(in_home["STARDRAFT_STATE_DIR"]) / "engine" / "sequences").exists()
