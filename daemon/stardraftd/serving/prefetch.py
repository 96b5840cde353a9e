"""Work ahead of the user: when nobody waits, the engine reads open files and prepares the next request.

Only documents that were worked on lately, the latest first; small things at once, larger ones after a rest
(`LEVELS`). A user's request ends it at once, inside the matrix multiplication, and it goes on when that
request is done. It never loads a model, and never keeps one loaded. On battery it stops if configured so.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from stardraftd.broadcast import Broadcast
from stardraftd.errors import EngineCrashedError, StardraftError
from stardraftd.protocol.completion import Completion, Speeds
from stardraftd.protocol.engine import Warmed
from stardraftd.protocol.http import BackgroundState
from stardraftd.serving.power import Power

log = logging.getLogger(__name__)

# Seconds of rest after which the work of each level begins (engine/background.py has what they do).
LEVELS = {1: 0.0, 2: 1.0, 3: 4.0}
MAX_DOCUMENTS = 4
Policy = Literal["always", "on_ac_power", "never"]


class Worker(Protocol):
    """What of an engine process is needed here."""

    async def warm(self, completion: Completion, level: int, on_id: Callable[[int], None]) -> Warmed:
        """Does background work until it is finished or cancelled; `on_id` gets the id that `cancel` takes."""

    def cancel(self, request: int, reason: str) -> None:
        """Ends it soon; `warm` returns then."""


@dataclass
class _Pending:
    """A document's last text, and the highest level that was done for it."""

    completion: Completion
    max_level: int
    done: int = 0


class Prefetcher:
    """Runs background work on the engine whenever nothing else does.

    engine: the live engine, or None when there is none.
    """

    def __init__(
        self,
        engine: Callable[[], "Worker | None"],
        changed: Broadcast,
        policy: Policy,
        power: Power,
        levels: Mapping[int, float] = LEVELS,
    ) -> None:
        self._engine = engine
        self._levels = levels
        self._changed = changed
        self._power = power
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._n_interactive = 0
        self._rest_since = time.monotonic()
        self._wake = asyncio.Event()
        self._running: tuple[Worker, int] | None = None
        self.policy: Policy = policy
        self.speeds: Speeds | None = None
        self.tokens_evaluated = 0
        self.tokens_generated = 0

    @property
    def state(self) -> BackgroundState:
        off = self._off()
        if off:
            return off
        if self._running is not None:
            return "working"
        return "waiting" if self._n_interactive and self._has_work else "idle"

    # --- what it is told -------------------------------------------------------------------------

    def note(self, completion: Completion, *, max_level: int = 3) -> None:
        """This is a document's text now: what comes after it may be prepared, if an editor is there."""
        if not self._changed.listeners:
            return
        self._pending.pop(completion.document, None)
        self._pending[completion.document] = _Pending(completion, max_level)
        while len(self._pending) > MAX_DOCUMENTS:
            self._pending.popitem(last=False)
        self._interrupt()
        self._wake.set()

    def person_waits(self) -> None:
        """A request came: background work ends now."""
        self._n_interactive += 1
        self._interrupt()

    def person_served(self) -> None:
        """A request ended."""
        self._n_interactive -= 1
        self._rest_since = time.monotonic()
        self._wake.set()

    def _interrupt(self) -> None:
        if self._running is not None:
            engine, request = self._running
            engine.cancel(request, "superseded")

    # --- working ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            wait_s = self._until_next()
            self._wake.clear()
            if wait_s is None or wait_s > 0:
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                continue
            engine, (pending, level) = self._engine(), self._next()
            assert engine is not None
            await self._work(engine, pending, level)

    def _off(self) -> Literal["", "off", "on_battery"]:
        if self.policy == "never":
            return "off"
        return "on_battery" if self.policy == "on_ac_power" and self._power.on_battery else ""

    def _until_next(self) -> float | None:
        """Seconds until there is something to do; None when that depends on being told."""
        if self._n_interactive or not self._has_work:
            return None
        if self._off():
            return 10.0
        if self._engine() is None:
            return 1.0
        _, level = self._next()
        return self._levels[level] - (time.monotonic() - self._rest_since)

    @property
    def _has_work(self) -> bool:
        return any(pending.done < pending.max_level for pending in self._pending.values())

    def _next(self) -> tuple[_Pending, int]:
        """The document worked on last goes first, but a lower level of any goes before a higher one."""
        newest_first = list(reversed(self._pending.values()))
        pending = min((p for p in newest_first if p.done < p.max_level), key=lambda p: p.done)
        return pending, pending.done + 1

    async def _work(self, engine: Worker, pending: _Pending, level: int) -> None:
        def started(request: int) -> None:
            self._running = (engine, request)

        self._changed.notify()
        try:
            warmed = await engine.warm(pending.completion, level, started)
        except EngineCrashedError as error:
            log.warning("the engine ended during background work: %s", error)
            self._pending.clear()
            return
        except StardraftError as error:
            log.warning("background work failed: %s", error)
            pending.done = pending.max_level
            return
        except Exception:
            log.exception("background work failed in a way that was not foreseen")
            pending.done = pending.max_level
            return
        finally:
            self._running = None
            self._changed.notify()
        self.tokens_evaluated += warmed.n_evaluated
        self.tokens_generated += warmed.n_generated
        self.speeds = warmed.speeds or self.speeds
        if warmed.finished:
            pending.done = level
