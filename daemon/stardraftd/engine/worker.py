"""The engine process: frames in on stdin, frames out on stdout, one thread that owns llama.cpp.

A second thread reads commands, so that a `Cancel` is seen while the first one is inside a decode. When
stdin ends the daemon is gone, and the process leaves at once. Native code and libraries that print to
stdout would break the frames: the real stdout is moved aside and file descriptor 1 points to stderr.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from stardraftd.engine.messages import (
    MAX_FRAME_BYTES,
    Cancel,
    Command,
    Complete,
    CompletionEvent,
    EngineEvent,
    Failed,
    FinishReason,
    Load,
    Loaded,
    LoadFailed,
    Loading,
    Save,
    Tagged,
    Warm,
    Warmed,
    command_decoder,
    frame,
)
from stardraftd.errors import EngineMissingError, StardraftError
from stardraftd.installed import installation
from stardraftd.native_library import explain_load_error, libraries
from stardraftd.prose import counted

if TYPE_CHECKING:
    from stardraftd.engine.core import Engine

Send = Callable[[EngineEvent], None]

PROGRESS_STEP = 0.02
EXIT_LOAD_FAILED = 3
EXIT_BAD_FRAME = 4


class Requests:
    """Which request is inside a decode and which were cancelled, seen from both threads.

    Invariant: the abort flag is raised only while a request that was cancelled is at work.
    """

    def __init__(self) -> None:
        from stardraftd.engine.llama import AbortFlag

        self.abort = AbortFlag()
        self._lock = threading.Lock()
        self._at_work: int | None = None
        self._cancelled: dict[int, FinishReason] = {}

    def begin(self, request: int) -> None:
        """`request` decodes next."""
        with self._lock:
            self._at_work = request
            if request in self._cancelled:
                self.abort.raise_()

    def pause(self) -> None:
        """The request at work lets others go on, or has ended."""
        with self._lock:
            self._at_work = None
            self.abort.lower()

    def end(self, request: int) -> None:
        with self._lock:
            self._cancelled.pop(request, None)

    def cancel(self, request: int, reason: FinishReason) -> None:
        with self._lock:
            self._cancelled[request] = reason
            if request == self._at_work:
                self.abort.raise_()
            # Ids only grow: what is far behind this one has ended and will not be asked about.
            for old in [other for other in self._cancelled if other < request - 1000]:
                del self._cancelled[old]

    def reason(self, request: int) -> FinishReason | None:
        """Why a request is no longer wanted; None while it is."""
        return self._cancelled.get(request)


class Wanted:
    """One request's interrupt."""

    def __init__(self, requests: Requests, request: int) -> None:
        self._requests = requests
        self._request = request

    @property
    def reason(self) -> FinishReason | None:
        return self._requests.reason(self._request)


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame's body; None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {counted(size, 'byte')}; the most is {MAX_FRAME_BYTES}")
    body = stream.read(size)
    return body if len(body) == size else None


def _read_commands(stream: BinaryIO, commands: "queue.SimpleQueue[Command]", requests: Requests) -> None:
    """The reading thread: cancels at once, queues the rest, ends the process with the stream."""
    try:
        while (body := read_frame(stream)) is not None:
            command = command_decoder.decode(body)
            if isinstance(command, Cancel):
                requests.cancel(command.id, command.reason)
            else:
                commands.put(command)
    except ValueError as error:
        print(f"stardraft engine: unreadable command: {error}", file=sys.stderr, flush=True)
        os._exit(EXIT_BAD_FRAME)
    os._exit(0)


def _take_stdout() -> BinaryIO:
    """The real stdout for frames; from here on file descriptor 1 is stderr."""
    frames = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), 1)
    return frames


def main() -> int:
    """Runs until stdin ends. Returns the process's exit status."""
    out = _take_stdout()

    def send(event: EngineEvent) -> None:
        data = memoryview(frame(event))
        while data:
            data = data[out.write(data) or 0 :]

    try:
        requests = open_engine()
    except StardraftError as error:
        send(LoadFailed(error.code, error.message, error.hint))
        return EXIT_LOAD_FAILED
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(
        target=_read_commands, args=(sys.stdin.buffer, commands, requests), daemon=True, name="commands"
    ).start()
    try:
        _serve(commands, requests, send)
    except StardraftError as error:
        send(LoadFailed(error.code, error.message, error.hint))
        return EXIT_LOAD_FAILED
    return 0


def open_engine() -> Requests:
    """Loads llama.cpp's library, whose errors go to stderr as well: they outlive this process.

    Raises EngineMissingError when it is not installed or does not load.
    """
    try:
        from stardraftd.engine import llama
    except ModuleNotFoundError as error:
        raise EngineMissingError(
            f"The engine is not installed: {error}.",
            "It is built by a C++ compiler (`stardraft doctor` says whether one is here), in about five "
            f"minutes. Type: {installation().command_for_engine()}",
        ) from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:  # the last: a function is missing
        told = explain_load_error(str(error), libraries())
        raise EngineMissingError(
            f"llama.cpp's library does not load. {told.why} The system says: {error}.", told.hint
        ) from error
    llama.open_backend(errors_to_stderr=True)
    return Requests()


def _serve(commands: "queue.SimpleQueue[Command]", requests: Requests, send: Send) -> None:
    from stardraftd.engine.core import Engine
    from stardraftd.engine.loading import N_SEQUENCES, load

    first = commands.get()
    if not isinstance(first, Load):
        raise TypeError(f"the first command must be Load, not {type(first).__name__}")
    told = -1.0

    def tell_progress(name: str, fraction: float) -> None:
        nonlocal told
        if fraction >= told + PROGRESS_STEP or fraction == 1 != told:
            told = fraction
            send(Loading(name, round(fraction, 3)))

    loaded = load(first.settings, requests.abort, tell_progress)
    engine = Engine(loaded, N_SEQUENCES, first.settings)
    send(Loaded(loaded.info, loaded.warnings, engine.measured()))
    Shifts(engine, requests, send).work(commands)


class Shifts:
    """Requests take turns, a decode each: those of several editors, and background work among them."""

    def __init__(self, engine: "Engine", requests: Requests, send: Send) -> None:
        self._engine = engine
        self._requests = requests
        self._send = send
        self._at_work: dict[int, Iterator[None]] = {}

    def work(self, commands: "queue.SimpleQueue[Command]") -> None:
        """Takes commands and works on what they ask for, until the process ends."""
        while True:
            while not self._at_work or not commands.empty():
                self._take(commands.get())
            for request in list(self._at_work):
                self._step(request)

    def _take(self, command: Command) -> None:
        match command:
            case Complete(id=request, completion=completion):
                self._at_work[request] = self._engine.steps(
                    completion, self._emit(request), Wanted(self._requests, request)
                )
            case Warm(id=request, completion=completion, level=level):
                self._at_work[request] = self._engine.warm(
                    completion, level, self._emit(request), Wanted(self._requests, request)
                )
            case Save():
                self._send(self._engine.save())

    def _step(self, request: int) -> None:
        """One decode of a request, or its end."""
        self._requests.begin(request)
        try:
            next(self._at_work[request])
        except StopIteration:
            self._forget(request)
        except StardraftError as error:
            self._forget(request)
            self._emit(request)(Failed(error.code, error.message, error.hint))
        finally:
            self._requests.pause()

    def _forget(self, request: int) -> None:
        del self._at_work[request]
        self._requests.end(request)

    def _emit(self, request: int) -> Callable[[CompletionEvent | Warmed], None]:
        return lambda event: self._send(Tagged(request, event))
