"""Tells any number of waiting tasks that something changed; slow listeners miss repeats, never the last."""

import asyncio
from collections.abc import AsyncGenerator


class Broadcast:
    """A change counter that can be waited for."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def notify(self) -> None:
        for event in self._listeners:
            event.set()

    def close(self) -> None:
        """Ends every `changes` loop."""
        self._closed = True
        self.notify()

    async def changes(self) -> AsyncGenerator[None]:
        """Yields once now, and after that whenever something changed since the last time."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            while not self._closed:
                yield
                await event.wait()
                event.clear()
        finally:
            self._listeners.discard(event)
