"""How long an engine that keeps dying is not started again."""

import asyncio
import contextlib
import time

from stardraftd.console.prose import counted
from stardraftd.errors import EngineCrashedError

MAX_BACK_OFF_S = 60.0
# Shorter back-offs are waited out within the request; of longer ones the user is told.
PATIENCE_S = 5.0


class BackOff:
    """Deaths in a row, no completion between them: no pause after the first, then 1 s, 2 s, 4 s ...."""

    def __init__(self) -> None:
        self.n_deaths = 0
        self._until = 0.0
        self._cut_short = asyncio.Event()

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until

    def died(self) -> float:
        """Counts a death. Returns the pause that it begins, in seconds."""
        pause_s = 0.0 if self.n_deaths == 0 else min(2.0 ** (self.n_deaths - 1), MAX_BACK_OFF_S)
        self.n_deaths += 1
        self._until = time.monotonic() + pause_s
        return pause_s

    def forgive(self) -> None:
        """The engine works: the next death is the first."""
        self.n_deaths = 0

    def cut_short(self) -> None:
        """Another engine is wanted than the one that died: nobody waits any longer to start it."""
        self._until = 0.0
        self._cut_short.set()
        self._cut_short = asyncio.Event()

    async def wait(self) -> None:
        """Waits for the end of a short pause. Raises EngineCrashedError when it is a long one."""
        wait_s = self._until - time.monotonic()
        if wait_s <= 0:
            return
        if wait_s > PATIENCE_S:
            raise EngineCrashedError(
                f"The engine died {counted(self.n_deaths, 'time')} in a row; it is started again in "
                f"{wait_s:.0f} s.",
                "`stardraft daemon logs` tells how it died; `stardraft daemon restart` does not wait.",
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._cut_short.wait(), wait_s)
