"""The engine process: frames in on stdin, frames out on stdout, one thread that owns llama.cpp.

A second thread reads commands, so that a `Cancel` is seen, and a `Ping` answered, while the first one is
inside a decode. When stdin ends the daemon is gone, and the process leaves at once; it leaves, too, when a
daemon that pinged it has been silent for minutes. A frame that is not as it must be is answered, or told on
stderr, and the next one is read: one request's mistake is no other's. Native code and libraries that print to
stdout would break the frames: the real stdout is moved aside and file descriptor 1 points to stderr.
"""

import contextlib
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from stardraftd.builds import chosen as engine_build
from stardraftd.builds.library import explain_load_error, libraries, not_installed
from stardraftd.console.prose import counted
from stardraftd.errors import EngineMissingError, RequestError, StardraftError
from stardraftd.heartbeat import AwakeTime
from stardraftd.limits import DAEMON_SILENCE_S, MAX_FRAME_BYTES, PROGRESS_STEP
from stardraftd.protocol.completion import (
    CompletionEvent,
    Failed,
    FinishReason,
    Loading,
    Ping,
    Pong,
    addressed_decoder,
)
from stardraftd.protocol.engine import (
    Cancel,
    Command,
    Complete,
    EngineEvent,
    Load,
    Loaded,
    LoadFailed,
    Save,
    Tagged,
    Warm,
    Warmed,
    command_decoder,
    frame,
)
from stardraftd.signals import begin_with_plain_signals

if TYPE_CHECKING:
    from stardraftd.engine.core import Engine

Send = Callable[[EngineEvent], None]

EXIT_LOAD_FAILED = 3
EXIT_DAEMON_SILENT = 5
SKIPPED_BYTES = 1 << 20
WATCH_TICK_S = 15.0


class Requests:
    """Which request is inside a decode and which were cancelled, seen from both threads.

    Invariant: the abort flag is raised only while a request that was cancelled is at work.
    """

    def __init__(self) -> None:
        from stardraftd.engine.native.llama import AbortFlag

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


class RequestInterrupt:
    """One request's interrupt."""

    def __init__(self, requests: Requests, request: int) -> None:
        self._requests = requests
        self._request = request

    @property
    def reason(self) -> FinishReason | None:
        return self._requests.reason(self._request)


class Heart:
    """What the working thread is doing, for the thread that answers pings.

    Each attribute is written by the working thread alone, in one assignment.
    """

    def __init__(self) -> None:
        self.step = 0
        self.is_at_work = True  # loading
        self.expected_s: Callable[[], float] = lambda: 0.0

    def pong(self) -> Pong:
        return Pong(self.step, self.is_at_work, self.expected_s())


class DaemonWatch:
    """Ends this process when a daemon that used to ping is silent for so long that it cannot need the
    model."""

    def __init__(self) -> None:
        self._n_pings = 0

    def pinged(self) -> None:
        self._n_pings += 1
        if self._n_pings == 1:
            threading.Thread(target=self._watch, daemon=True, name="daemon-watch").start()

    def _watch(self) -> None:
        awake = AwakeTime(WATCH_TICK_S)
        seen, seen_s = self._n_pings, 0.0
        while awake.now_s - seen_s < DAEMON_SILENCE_S:
            time.sleep(WATCH_TICK_S)
            awake.tick(time.monotonic())
            if self._n_pings != seen:
                seen, seen_s = self._n_pings, awake.now_s
        print("stardraft engine: the daemon is silent; leaving", file=sys.stderr, flush=True)
        os._exit(EXIT_DAEMON_SILENT)


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame's body; None at the end of the stream. One that is too long is skipped, and told."""
    while len(head := stream.read(4)) == 4:
        size = int.from_bytes(head, "big")
        if size <= MAX_FRAME_BYTES:
            body = stream.read(size)
            return body if len(body) == size else None
        print(f"stardraft engine: skipped a frame of {counted(size, 'byte')}", file=sys.stderr, flush=True)
        while size > 0:
            skipped = len(stream.read(min(size, SKIPPED_BYTES)))
            if not skipped:
                return None
            size -= skipped
    return None


def _read_commands(
    stream: BinaryIO, commands: "queue.SimpleQueue[Command]", requests: Requests, heart: Heart, send: Send
) -> None:
    """The reading thread: answers pings and cancels at once, queues the rest, ends the process with the
    stream."""
    watch = DaemonWatch()
    while (body := read_frame(stream)) is not None:
        try:
            command = command_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _refuse(body, error, send)
            continue
        match command:
            case Cancel():
                requests.cancel(command.id, command.reason)
            case Ping():
                watch.pinged()
                send(heart.pong())
            case _:
                commands.put(command)
    os._exit(0)


def _refuse(body: bytes, error: Exception, send: Send) -> None:
    """Tells whoever sent a command that is not as it must be, if it says who."""
    print(f"stardraft engine: unreadable command: {error}", file=sys.stderr, flush=True)
    try:
        request = addressed_decoder.decode(body).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    send(Tagged(request, Failed(RequestError.code, f"The engine cannot read the request: {error}.")))


def _take_stdout() -> BinaryIO:
    """The real stdout for frames; from here on file descriptor 1 is stderr."""
    frames = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), 1)
    return frames


def main() -> int:
    """Runs until stdin ends. Returns the process's exit status."""
    begin_with_plain_signals()
    out = _take_stdout()
    writing = threading.Lock()

    def send(event: EngineEvent) -> None:
        data = memoryview(frame(event))
        with writing:
            while data:
                data = data[out.write(data) or 0 :]

    try:
        requests = open_engine()
    except StardraftError as error:
        send(LoadFailed.of(error))
        return EXIT_LOAD_FAILED
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    heart = Heart()
    threading.Thread(
        target=_read_commands,
        args=(sys.stdin.buffer, commands, requests, heart, send),
        daemon=True,
        name="commands",
    ).start()
    try:
        _serve(commands, requests, heart, send)
    except StardraftError as error:
        send(LoadFailed.of(error))
        return EXIT_LOAD_FAILED
    return 0


def open_engine() -> Requests:
    """Loads llama.cpp's library, whose errors go to stderr as well: they outlive this process.

    Raises EngineMissingError when it is not installed or does not load.
    """
    if gone := engine_build.problem():
        raise EngineMissingError(gone, f"Have it built again: {engine_build.REPAIR}")
    try:
        from stardraftd.engine.native import backend
    except ModuleNotFoundError as error:
        if error.name not in (None, "llama_cpp"):  # what it imports itself
            raise EngineMissingError(
                f"The engine is not whole: {error}.", f"Have it built again: {engine_build.REPAIR}"
            ) from error
        raise not_installed() from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:  # the last: a function is missing
        told = explain_load_error(str(error), libraries())
        raise EngineMissingError(
            f"llama.cpp's library does not load. {told.why} The system says: {error}.", told.hint
        ) from error
    backend.open_backend(errors_to_stderr=True)
    return Requests()


def _serve(commands: "queue.SimpleQueue[Command]", requests: Requests, heart: Heart, send: Send) -> None:
    from stardraftd.engine.core import Engine
    from stardraftd.engine.native.loading import N_SEQUENCES, load

    while not isinstance(first := commands.get(), Load):
        _refuse_early(first, send)
    told = -1.0

    def tell_progress(name: str, fraction: float) -> None:
        nonlocal told
        if fraction >= told + PROGRESS_STEP or fraction == 1 != told:
            told = fraction
            send(Loading(name, round(fraction, 3)))

    loaded = load(first.settings, requests.abort, tell_progress)
    engine = Engine(loaded, N_SEQUENCES, first.settings)
    heart.expected_s = lambda: engine.expected_s
    heart.is_at_work = False
    send(Loaded(loaded.info, loaded.warnings, engine.measured()))
    RoundRobin(engine, requests, heart, send).work(commands)


def _refuse_early(command: Command, send: Send) -> None:
    """Whatever comes before the model is asked for."""
    print(f"stardraft engine: {type(command).__name__} before Load", file=sys.stderr, flush=True)
    if isinstance(command, Complete | Warm):
        send(Tagged(command.id, Failed(RequestError.code, "The engine has no model loaded.")))


class RoundRobin:
    """Requests take turns, a decode each: those of several editors, and background work among them."""

    def __init__(self, engine: "Engine", requests: Requests, heart: Heart, send: Send) -> None:
        self._engine = engine
        self._requests = requests
        self._heart = heart
        self._send = send
        self._at_work: dict[int, Iterator[None]] = {}

    def work(self, commands: "queue.SimpleQueue[Command]") -> None:
        """Takes commands and works on what they ask for, until the process ends."""
        while True:
            while not self._at_work or not commands.empty():
                command = commands.get()
                with self._busy():
                    self._take(command)
            for request in list(self._at_work):
                self._step(request)

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        """A step of work, as pings are told of it."""
        self._heart.step += 1
        self._heart.is_at_work = True
        try:
            yield
        finally:
            self._heart.is_at_work = False

    def _take(self, command: Command) -> None:
        match command:
            case Complete(id=request, completion=completion):
                self._at_work[request] = self._engine.steps(
                    completion, self._emit(request), RequestInterrupt(self._requests, request)
                )
            case Warm(id=request, completion=completion, level=level):
                self._at_work[request] = self._engine.warm(
                    completion, level, self._emit(request), RequestInterrupt(self._requests, request)
                )
            case Save():
                self._send(self._engine.save())
            case _:
                print(f"stardraft engine: {type(command).__name__} ignored", file=sys.stderr, flush=True)

    def _step(self, request: int) -> None:
        """One decode of a request, or its end."""
        self._requests.begin(request)
        try:
            with self._busy():
                next(self._at_work[request])
        except StopIteration:
            self._forget(request)
        except StardraftError as error:
            self._forget(request)
            self._emit(request)(Failed.of(error))
        except Exception as error:  # noqa: BLE001 - the edge of a request: the others', and the engine, go on
            traceback.print_exc()
            self._forget(request)
            self._engine.forget_unused()  # what it left half done in the cache is not known
            self._emit(request)(
                Failed(
                    "internal",
                    f"The engine failed at this request: {type(error).__name__}.",
                    "`stardraft daemon logs` tells where.",
                )
            )
        finally:
            self._requests.pause()

    def _forget(self, request: int) -> None:
        del self._at_work[request]
        self._requests.end(request)

    def _emit(self, request: int) -> Callable[[CompletionEvent | Warmed], None]:
        return lambda event: self._send(Tagged(request, event))
