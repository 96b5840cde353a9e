"""Reading a completion's stream in tests."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from stardraftd.client import DaemonClient
from stardraftd.protocol.completion import Done, Failed, Plan, Text
from stardraftd.protocol.http import CompletionRequest, StreamEvent

E = TypeVar("E")


async def collect(events: AsyncIterator[StreamEvent]) -> list[StreamEvent]:
    return [event async for event in events]


def only(kind: type[E], events: list[StreamEvent]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


async def done(client: DaemonClient, request: CompletionRequest) -> Done:
    """Runs a completion that is expected to end well; checks the stream's own promises on the way."""
    events = await collect(client.complete(request))
    last = events[-1]
    assert isinstance(last, Done), last
    assert not only(Failed, events)
    assert len(only(Done, events)) == 1
    assert "".join(event.text for event in only(Text, events)) == last.text
    if last.figures:
        plans = only(Plan, events)
        assert [plan.n_prompt for plan in plans][-1:] == [last.figures.n_prompt]
        assert last.figures.n_reused + last.figures.n_evaluated == last.figures.n_prompt
    return last


async def failed(client: DaemonClient, request: CompletionRequest) -> Failed:
    """Runs a completion that is expected to fail."""
    last = (await collect(client.complete(request)))[-1]
    assert isinstance(last, Failed), last
    return last


async def run_until(
    events: AsyncIterator[StreamEvent], wanted: Callable[[StreamEvent], bool], then: Callable[[], object]
) -> list[StreamEvent]:
    """Reads a stream to its end; `then` is called once, at the first event that is `wanted`."""
    seen: list[StreamEvent] = []
    called = False
    async for event in events:
        seen.append(event)
        if not called and wanted(event):
            called = True
            then()
    assert called, f"no event was the one waited for: {seen}"
    return seen
