"""A process of ours that has native code in it: how its parent sees it, and how it answers.

llama.cpp quantizes and evaluates for minutes, and it ends the process on what it does not expect. In a
process of its own it can be ended at any moment, and its crash is a sentence. What such a process does is
not here.

The parent sends one line of JSON, the job; lines of JSON come back, the events. The process's stdin stays
open for as long as the parent lives. When it ends, however that came about, the process deletes its
unfinished file and goes: nothing is left of a command whose terminal was closed.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
from msgspec import Struct

from stardraft_quant.interruption import begin
from stardraftd.builds import chosen as engine_build
from stardraftd.builds.child import STDERR_LINES, MemoryKills, ending, native_environment
from stardraftd.errors import EngineCrashedError, EngineMissingError, StardraftError
from stardraftd.protocol.errors import ErrorMessage
from stardraftd.signals import begin_with_plain_signals

DEATH_TIMEOUT_S = 5.0


class Planned(Struct, frozen=True, tag=True):
    """What will be written has about so many bytes."""

    size_bytes: int


class Progress(Struct, frozen=True, tag=True):
    """`done` of `total` are done, and `what` is the next one."""

    done: int
    total: int
    what: str = ""


class Finished(Struct, frozen=True, tag=True):
    """The file is written. `counts` are what the job has to tell, by name."""

    counts: dict[str, int]


class Failed(ErrorMessage, frozen=True, tag=True):
    """An error of stardraftd.errors."""


Event = Planned | Progress | Finished
_decoder = msgspec.json.Decoder(Event | Failed)
_encoder = msgspec.json.Encoder()


class NativeProcess:
    """A running job, for use in a `with`: at its end the process is gone, finished or not."""

    def __init__(self, module: str, job: Struct, *, doing: str, hint: str) -> None:
        """Starts `python -m module`. `doing` and `hint` (what became of the work) tell of its crash."""
        if find_spec("llama_cpp") is None:
            raise EngineMissingError(
                "llama.cpp is needed for this, and it is not installed.",
                "Have it built: stardraft setup engine",
            )
        self._doing, self._hint = doing, hint
        self._memory_kills = MemoryKills()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = begin(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=engine_build.child_environment(native_environment(os.environ)),
            start_new_session=os.name == "posix",  # Ctrl-C is the parent's, who then ends this one
        )
        self._job = _encoder.encode(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._stderr.close()

    def events(self) -> Iterator[Event]:
        """What it tells; the last is Finished. Raises the error it failed with, or EngineCrashedError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(self._job + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error
        while (line := self._process.stdout.readline()).endswith(b"\n"):
            event = _decoder.decode(line)
            if isinstance(event, Failed):
                raise event.exception()
            yield event
            if isinstance(event, Finished):
                return
        raise self._death()

    def _death(self) -> EngineCrashedError:
        try:
            status = self._process.wait(DEATH_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return EngineCrashedError(f"The process {self._doing} no longer answers.", self._hint)
        self._stderr.seek(0)
        lines = self._stderr.read()[-8192:].decode("utf-8", "replace").splitlines()[-STDERR_LINES:]
        died = ending(status, lines, self._process.pid, self._memory_kills)
        return EngineCrashedError(
            died.sentence(f"The process {self._doing}"), f"{self._hint}\n{died.hint}".strip()
        )


class Job(Struct, frozen=True, kw_only=True):
    """What every job says: `temporary` is the file it writes, deleted when the parent is gone."""

    temporary: str


AnyJob = TypeVar("AnyJob", bound=Job)
Tell = Callable[[Event], None]


def serve(job_type: type[AnyJob], work: Callable[[AnyJob, Tell], dict[str, int]]) -> None:
    """The process's whole life: one job is read, done by `work`, and its counts are told as Finished."""
    begin_with_plain_signals()
    with os.fdopen(os.dup(1), "wb", buffering=0) as events:
        os.dup2(2, 1)  # what native code prints must not come between the events

        def tell(event: Event | Failed) -> None:
            events.write(_encoder.encode(event) + b"\n")

        job = msgspec.json.decode(sys.stdin.buffer.readline(), type=job_type)
        threading.Thread(target=_leave_with_parent, args=(Path(job.temporary),), daemon=True).start()
        try:
            tell(Finished(work(job, tell)))
        except StardraftError as error:
            tell(Failed.of(error))
        events.flush()
        os._exit(0)  # no native destructor has a say any more


def _leave_with_parent(temporary: Path) -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
    os._exit(1)
