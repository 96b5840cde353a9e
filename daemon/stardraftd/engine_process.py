"""One engine process, from its start to its end: frames to it, events from it, and how it died.

`EngineProcess` is one life; it is not started twice. Which life follows on which, and when, is the
supervisor's business.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from stardraftd.engine.messages import (
    MAX_FRAME_BYTES,
    Cancel,
    Command,
    Complete,
    Completion,
    CompletionEvent,
    Done,
    EngineEvent,
    EngineSettings,
    Failed,
    Load,
    Loaded,
    LoadFailed,
    Loading,
    Save,
    Saved,
    Tagged,
    Warm,
    Warmed,
    event_decoder,
    frame,
)
from stardraftd.errors import EngineCrashedError, EngineLoadError, StardraftError, error_from_code
from stardraftd.native_child import STDERR_LINES, MemoryKills, ending, native_environment

AGAIN = "It is started again for the next request; what came before is in: stardraft daemon logs"
CLOSE_TIMEOUT_S = 3.0
SAVE_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class EngineProcess:
    """A running engine.

    Invariant: after the process has ended, every open `complete` has raised EngineCrashedError and
    every later one does.
    """

    def __init__(self, process: asyncio.subprocess.Process, on_loading: Callable[[Loading], None]) -> None:
        self._process = process
        self._memory_kills = MemoryKills()
        self._on_loading = on_loading
        self._loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._streams: dict[int, asyncio.Queue[CompletionEvent | Warmed | None]] = {}
        self._warms: set[int] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._saved: asyncio.Future[Saved] | None = None
        self._next_id = 1
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._closing = False
        self._tasks = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_stderr())]

    @classmethod
    async def start(cls, on_loading: Callable[[Loading], None]) -> "EngineProcess":
        """Starts the process, in a group of its own so that a terminal's Ctrl-C does not reach it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the daemon's working directory holds nothing to import
            "-m",
            "stardraftd.engine",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
            env=native_environment(os.environ),
            start_new_session=os.name == "posix",
        )
        return cls(process, on_loading)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._tasks[0].done()

    async def load(self, settings: EngineSettings) -> Loaded:
        """Loads the model. Raises the engine's own error, or EngineCrashedError when it died of it."""
        self._send(Load(settings))
        return await asyncio.shield(self._loaded)

    async def complete(
        self, completion: Completion, on_id: Callable[[int], None]
    ) -> AsyncIterator[CompletionEvent]:
        """Runs a completion; the last event is Done or Failed. `on_id` gets the id that `cancel` takes."""
        with self._stream() as (request, events):
            on_id(request)
            self._send(Complete(request, completion))
            while (event := await events.get()) is not None:
                if isinstance(event, Warmed):
                    continue
                yield event
                if isinstance(event, Done | Failed):
                    return
            raise await self._death()

    async def warm(self, completion: Completion, level: int, on_id: Callable[[int], None]) -> Warmed:
        """Has background work done until it is finished or cancelled. Raises what the engine raised."""
        with self._stream() as (request, events):
            self._warms.add(request)
            on_id(request)
            self._send(Warm(request, completion, level))
            while (event := await events.get()) is not None:
                match event:
                    case Warmed():
                        return event
                    case Failed():
                        raise error_from_code(event.code, event.message, event.hint)
            raise await self._death()

    @contextlib.contextmanager
    def _stream(self) -> Iterator[tuple[int, asyncio.Queue[CompletionEvent | Warmed | None]]]:
        """A new request's id, and what the engine says of it."""
        request, self._next_id = self._next_id, self._next_id + 1
        events: asyncio.Queue[CompletionEvent | Warmed | None] = asyncio.Queue()
        self._streams[request] = events
        self._idle.clear()
        try:
            yield request, events
        finally:
            del self._streams[request]
            self._warms.discard(request)
            if not self._streams:
                self._idle.set()

    async def idle(self) -> None:
        """Waits until no request runs; work in the background is ended for that."""
        for request in self._warms:
            self.cancel(request, "superseded")
        await self._idle.wait()

    async def save(self) -> Saved | None:
        """Has the files' sequences written to disk; None when the engine is gone or takes too long."""
        self._saved = asyncio.get_running_loop().create_future()
        try:
            self._send(Save())
            return await asyncio.wait_for(self._saved, SAVE_TIMEOUT_S)
        except (EngineCrashedError, TimeoutError):
            return None
        except asyncio.CancelledError:
            if self._saved.cancelled() and not self.alive:
                return None  # the engine died meanwhile
            raise

    def cancel(self, request: int, reason: str) -> None:
        """Asks for a request's end; its `Done` follows. A request that has ended is no error."""
        with contextlib.suppress(EngineCrashedError):
            self._send(Cancel(request, "superseded" if reason == "superseded" else "cancelled"))

    async def close(self) -> None:
        """Ends the process: politely by closing its stdin, and by force when that takes too long."""
        self._closing = True
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send(self, command: Command) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing() or not self.alive:
            raise EngineCrashedError(f"The engine process {self.pid} is gone.")
        stdin.write(frame(command))

    async def _read_events(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while True:
                size = int.from_bytes(await stream.readexactly(4), "big")
                if size > MAX_FRAME_BYTES:
                    break
                self._dispatch(event_decoder.decode(await stream.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for events in self._streams.values():
                events.put_nowait(None)
            if self._saved is not None and not self._saved.done():
                self._saved.cancel()
            if not self._loaded.done():
                self._loaded.set_exception(await self._death())
                self._loaded.exception()  # it may be that nobody waits for it

    def _dispatch(self, event: EngineEvent) -> None:
        match event:
            case Loading():
                self._on_loading(event)
            case Loaded():
                self._loaded.set_result(event)
            case LoadFailed():
                self._loaded.set_exception(error_from_code(event.code, event.message, event.hint))
                self._loaded.exception()
            case Saved():
                if self._saved is not None and not self._saved.done():
                    self._saved.set_result(event)
            case Tagged() if event.id in self._streams:
                self._streams[event.id].put_nowait(event.body)
            case Tagged():
                pass  # nobody listens any more: the request was given up

    async def _read_stderr(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # a line longer than the limit: dropped, the next one is read
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            self._stderr.append(text)
            log.debug("engine stderr", extra={"line": text, "engine_pid": self.pid})

    async def _death(self) -> StardraftError:
        """How the process ended, as an error for a person."""
        status = await self._process.wait()
        await asyncio.wait({self._tasks[1]}, timeout=1)
        if self._closing:
            return EngineCrashedError("The engine was stopped while the request ran.")
        died = ending(status, self._stderr, self.pid, self._memory_kills, AGAIN)
        if not self._loaded.done() or self._loaded.exception():
            return EngineLoadError(
                died.sentence("The engine process", "while it loaded the model"), died.hint
            )
        return EngineCrashedError(died.sentence("The engine process", "during the request"), died.hint)
