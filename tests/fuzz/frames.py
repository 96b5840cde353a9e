"""Frames to a real engine process with the built-in model: damaged, out of bounds, in any order.

Whatever it reads, it must live, answer pings, and end every request that it was able to address.
"""

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec

from stardraftd.engine.worker import read_frame
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Done, Failed, Ping, Pong
from stardraftd.protocol.engine import (
    Cancel,
    EngineEvent,
    EngineSettings,
    Load,
    Loaded,
    Tagged,
    Warmed,
    event_decoder,
    frame,
)
from tests.fuzz import Deadline, Report
from tests.fuzz._values import completion, damaged, value
from tests.support.waiting import seconds

CASES = 150
ANSWER_S = 60.0
# How many requests may be open when they are all cancelled, and waited for.
MANY = 20
KINDS = ("complete", "warm", "cancel", "save", "load", "ping", "unknown")


class _Gone(Exception):  # noqa: N818 - the end of a run
    """The engine ended, or answers no more."""


class _Engine:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._events: queue.SimpleQueue[EngineEvent | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while (body := read_frame(self._process.stdout)) is not None:  # type: ignore[arg-type]
            self._events.put(event_decoder.decode(body))
        self._events.put(None)

    def say(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError as error:
            raise _Gone(f"the engine ended with status {self._process.wait(10)}") from error

    def hear(self) -> EngineEvent:
        try:
            event = self._events.get(timeout=seconds(ANSWER_S))
        except queue.Empty:
            raise _Gone(f"no answer for {ANSWER_S:.0f} s") from None
        if event is None:
            raise _Gone(f"the engine ended with status {self._process.wait(10)}")
        return event


def run(random: Random, deadline: Deadline) -> Report:
    """One engine for all cases; see the module."""
    report = Report()
    last = b""
    open_requests: set[int] = set()
    with _engine() as engine:
        try:
            for case in deadline.cases():
                report.n_cases = case + 1
                last, request = _case(random, case + 1)
                engine.say(len(last).to_bytes(4, "big") + last)
                if request is not None:
                    open_requests.add(request)
                if random.random() < 0.2 or len(open_requests) >= MANY:
                    _settle(engine, open_requests, report)
            _settle(engine, open_requests, report)
        except _Gone as gone:
            report.faults.append(
                f"{gone} at case {report.n_cases}, after {last[:200]!r}; open: {open_requests}"
            )
    return report


def _case(random: Random, request: int) -> tuple[bytes, int | None]:
    """A frame's body, and the request that it must be answered for."""
    kind = random.choice(KINDS[:2] * 3 + KINDS[2:])
    message: dict[str, Any] = {"type": kind, "id": request}
    if kind in ("complete", "warm"):
        message["completion"] = completion(random, f"editor\n{random.randrange(5)}")
        if kind == "warm":
            message["level"] = random.choice((1, 1, 2, 3, 0, 4, -1, 2**70))
    if kind == "load":
        message["settings"] = value(random)
    if kind == "cancel":
        message |= {
            "id": random.choice((request - 1, 2**63, -1, 0)),
            "reason": random.choice(("superseded", "", 1)),
        }
    body = _encoded(message)
    if random.random() < 0.25:
        return damaged(random, body), None
    return body, request if kind in ("complete", "warm") else None


def _encoded(message: dict[str, Any]) -> bytes:
    """msgpack; what it has no number for becomes a text."""
    return msgspec.msgpack.encode(_fitting(message))


def _fitting(item: Any, depth: int = 0) -> Any:
    if isinstance(item, int) and not -(2**63) <= item < 2**64:
        return str(item)
    if depth > 400:
        return None
    if isinstance(item, dict):
        return {key: _fitting(inner, depth + 1) for key, inner in item.items()}
    if isinstance(item, list):
        return [_fitting(inner, depth + 1) for inner in item]
    return item


def _settle(engine: _Engine, open_requests: set[int], report: Report) -> None:
    """All that is open is cancelled and ends; then a ping is answered. A damaged frame's answers may come,
    too."""
    for request in open_requests:
        engine.say(frame(Cancel(request)))
    engine.say(frame(Ping()))
    ponged = False
    while open_requests or not ponged:
        match engine.hear():
            case Pong():
                ponged = True
            case Tagged(id=request, body=Done() | Failed() | Warmed() as body):
                open_requests.discard(request)
                report.outcomes[type(body).__name__.lower()] += 1
            case _:
                pass
    report.outcomes["lives"] += 1


@contextmanager
def _engine() -> Iterator[_Engine]:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "stardraftd.engine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            engine = _Engine(process)
            engine.say(
                frame(
                    Load(
                        EngineSettings(
                            model_path=str(builtin_model_path()), gpu_layers=0, context_tokens=2048
                        )
                    )
                )
            )
            while not isinstance(engine.hear(), Loaded):
                pass
            yield engine
        finally:
            process.kill()
