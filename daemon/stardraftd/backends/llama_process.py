"""One engine process, from its start to its end: frames to it, events from it, its pulse, and how it died.

`EngineProcess` is one life; it is not started twice. Which life follows on which, and when, is the
supervisor's business.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from stardraftd.builds.child import STDERR_LINES, MemoryKills, ending, native_environment
from stardraftd.errors import (
    EngineCrashedError,
    EngineHungError,
    EngineLoadError,
    EngineMissingError,
    EngineStartError,
    StardraftError,
)
from stardraftd.heartbeat import Hung, Vitals
from stardraftd.limits import CLOSE_TIMEOUT_S, MAX_FRAME_BYTES, SAVE_TIMEOUT_S, Patience
from stardraftd.models.configured import naming_its_setting
from stardraftd.protocol.completion import Completion, CompletionEvent, Done, Failed, Loading, Ping, Pong
from stardraftd.protocol.engine import (
    Cancel,
    Command,
    Complete,
    EngineEvent,
    EngineSettings,
    Load,
    Loaded,
    LoadFailed,
    Save,
    Saved,
    Tagged,
    Warm,
    Warmed,
    event_decoder,
    frame,
)

AGAIN = "It is started again for the next request; what came before is in: stardraft daemon logs"
_NATIVE_DEATHS = frozenset(
    int(getattr(signal, name))
    for name in ("SIGILL", "SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE")
    if hasattr(signal, name)
)

log = logging.getLogger(__name__)


class EngineProcess:
    """A running engine.

    Invariant: after the process has ended, every open `complete` has raised EngineCrashedError and
    every later one does. A process that hangs is ended from here, so that the same holds for it.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        on_loading: Callable[[Loading], None],
        patience: Patience,
        load_bytes: int,
    ) -> None:
        self._process = process
        self._memory_kills = MemoryKills()
        self._on_loading = on_loading
        self._patience = patience
        self._vitals = Vitals(patience, load_bytes)
        self._hung: Hung | None = None
        self._nonsense = ""
        self._loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._streams: dict[int, asyncio.Queue[CompletionEvent | Warmed | None]] = {}
        self._warms: set[int] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._saved: asyncio.Future[Saved] | None = None
        self._next_id = 1
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._closing = False
        self._tasks = [
            asyncio.create_task(self._read_events()),
            asyncio.create_task(self._read_stderr()),
            asyncio.create_task(self._watch()),
        ]
        self._send(Ping())

    @classmethod
    async def start(
        cls,
        on_loading: Callable[[Loading], None],
        *,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        load_bytes: int = 0,
        program: Sequence[str] = (),
    ) -> "EngineProcess":
        """Starts the process, in a group of its own so that a terminal's Ctrl-C does not reach it.

        load_bytes: the size of the model's file that it is to load. program: by default this installation's
        engine. Raises EngineMissingError, EngineStartError.
        """
        # -P: the daemon's working directory holds nothing to import.
        program = program or (sys.executable, "-P", "-m", "stardraftd.engine")
        try:
            process = await asyncio.create_subprocess_exec(
                *program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=1024 * 1024,
                env=native_environment(os.environ),
                start_new_session=os.name == "posix",
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise _cannot_start(program[0], error) from error
        return cls(process, on_loading, patience, load_bytes)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        is_judged = self._hung is not None or bool(self._nonsense)
        return self._process.returncode is None and not is_judged and not self._tasks[0].done()

    async def load(self, settings: EngineSettings) -> Loaded:
        """Loads the model. Raises the engine's own error, or EngineCrashedError when it died of it."""
        self._send(Load(settings))
        with naming_its_setting(Path(settings.model_path)):
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
                        raise event.exception()
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

    async def close(self, *, at_once: bool = False) -> None:
        """Ends the process: politely by closing its stdin, and by force when that takes too long.

        at_once: by force from the beginning, as there is nothing that it could lose. One that does not answer
        pings is not waited for either.
        """
        self._closing = True
        self._tasks[2].cancel()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            patience_s = 0.0 if at_once or not self.answers else CLOSE_TIMEOUT_S
            await asyncio.wait_for(self._process.wait(), patience_s)
        except TimeoutError:
            self._kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def answers(self) -> bool:
        """Whether it answered one of the last two pings."""
        return self.alive and self._vitals.silent_s <= 2 * self._patience.tick_s

    @property
    def is_hung(self) -> bool:
        """Whether it hung, and was ended for that."""
        return self._hung is not None

    @property
    def died_natively(self) -> bool:
        """Whether native code ended it (SIGILL, SIGSEGV ...): this build of llama.cpp may not run here."""
        status = self._process.returncode
        return status is not None and -status in _NATIVE_DEATHS and not self._closing

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _watch(self) -> None:
        """Pings the process, and ends it when it hangs: what waits for it is told by `_read_events`."""
        self._vitals.tick(time.monotonic())
        while True:
            await asyncio.sleep(self._patience.tick_s)
            if not self.alive:
                return
            self._hung = self._vitals.tick(time.monotonic())
            if self._hung is None:
                with contextlib.suppress(EngineCrashedError):
                    self._send(Ping())
            else:
                log.error(
                    "the engine hangs and is ended", extra={"engine_pid": self.pid, "how": self._hung.how}
                )
                self._kill()

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
                body = await stream.readexactly(size) if size <= MAX_FRAME_BYTES else b""
                self._dispatch(event_decoder.decode(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
            # What follows cannot be trusted either: another engine answers better.
            self._nonsense = f"wrote what is no message ({error})"
            log.error(  # noqa: TRY400 - a sentence, not a traceback
                "the engine is ended", extra={"engine_pid": self.pid, "how": self._nonsense}
            )
            self._kill()
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
            case Pong():
                self._vitals.pong(event)
            case Loading():
                self._vitals.progressed(event.fraction)
                self._on_loading(event)
            case Loaded() if not self._loaded.done():
                self._vitals.loaded()
                self._loaded.set_result(event)
            case LoadFailed() if not self._loaded.done():
                self._loaded.set_exception(event.exception())
                self._loaded.exception()
            case Loaded() | LoadFailed():
                raise ValueError(f"{type(event).__name__} a second time")
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
        """How the process ended, as an error for a user."""
        try:
            status = await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:  # it closed its end of the pipe, and stays
            self._kill()
            status = await self._process.wait()
        await asyncio.wait({self._tasks[1]}, timeout=1)
        if self._closing:
            return EngineCrashedError("The engine was stopped while the request ran.")
        is_loading = not self._loaded.done() or self._loaded.exception() is not None
        if self._hung is not None:
            return _hung_error(self.pid, self._hung, is_loading=is_loading)
        if self._nonsense:
            kind = EngineLoadError if is_loading else EngineCrashedError
            return kind(f"The engine process {self._nonsense} and was ended.", AGAIN)
        died = ending(status, self._stderr, self.pid, self._memory_kills, AGAIN)
        if is_loading:
            return EngineLoadError(
                died.sentence("The engine process", "while it loaded the model"), died.hint
            )
        return EngineCrashedError(died.sentence("The engine process", "during the request"), died.hint)


def _hung_error(pid: int, hung: Hung, *, is_loading: bool) -> StardraftError:
    """A process that is stopped may be no fault of the model's: another one is tried. Loading that goes no
    further would go no further again."""
    if is_loading and not hung.is_silent:
        return EngineLoadError(
            f"The engine (pid {pid}) {hung.how} and was ended.",
            "The disk may hang, or the file is made so that llama.cpp does not come to an end with it: "
            "`stardraft doctor` looks at both.",
        )
    return EngineHungError(
        f"The engine (pid {pid}) {hung.how} and was ended.",
        "It is started again for the next request. A computer that is short of memory, or something that "
        "stops processes, does this; `stardraft daemon logs` has more.",
    )


def _cannot_start(program: str, error: Exception) -> StardraftError:
    reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
    sentence = f"The engine process cannot be started: {program}: {reason}."
    if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        return EngineMissingError(
            sentence,
            "This installation was moved, removed or updated while its daemon ran. Start the new one: "
            "stardraft daemon restart",
        )
    return EngineStartError(
        sentence,
        "The computer may be short of memory, processes or open files. The next request tries again.",
    )
