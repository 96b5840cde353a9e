"""The engine process reads whatever stands on its stdin: one command's mistake is answered, and no other's.

A real engine process without a model, which is enough: what is wrong is found before a model is asked.
"""

import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from stardraftd.engine.worker import read_frame
from stardraftd.protocol.completion import Completion, Failed, Ping, Pong
from stardraftd.protocol.engine import Complete, EngineEvent, Save, Tagged, Warm, event_decoder, frame
from tests.support.waiting import seconds


class Engine:
    """An engine process and its two pipes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stardraftd.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def say(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self) -> EngineEvent:
        assert self.process.stdout is not None
        body = read_frame(self.process.stdout)  # type: ignore[arg-type]
        assert body is not None, "the engine ended"
        return event_decoder.decode(body)

    def lives(self) -> bool:
        """Whether it answers a ping; whatever it said before that was read."""
        self.say(frame(Ping()))
        return isinstance(self.hear(), Pong)


def as_frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    assert engine.lives()
    engine.process.communicate(timeout=seconds(30))
    assert engine.process.returncode == 0, "it leaves when its stdin ends"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\xff" * 50,
        b"\x91" * 5000,  # lists in lists
        msgspec.msgpack.encode({"type": "nonsense"}),
        msgspec.msgpack.encode({"type": "complete"}),
        msgspec.msgpack.encode({"type": "load", "settings": {}}),
        msgspec.msgpack.encode({"type": "cancel", "id": -1}),
        msgspec.msgpack.encode({"type": "cancel", "id": 2**64 - 1}),
        msgspec.msgpack.encode([1, 2, 3]),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_frame_that_is_no_command_is_passed_over(engine: Engine, body: bytes) -> None:
    engine.say(as_frame(body))
    assert engine.lives()


@pytest.mark.parametrize(
    "fields",
    [
        {"document": "d" * 10_000},
        {"document": ""},
        {"top_k": 2**64 - 1},
        {"top_k": -1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"pause_ms": 1e300},
        {"max_tokens": 0},
        {"prefix": 3},
        {"prefix": b"\xff"},
        {"chunks": [{"path": "p", "text": "t", "more": 1}]},
        {"unknown": 1},
    ],
    ids=lambda fields: f"{next(iter(fields))}={next(iter(fields.values()))!r:.20}",
)
@pytest.mark.parametrize("kind", ["complete", "warm"])
def test_a_request_that_is_not_as_it_must_be_is_answered(
    engine: Engine, kind: str, fields: dict[str, object]
) -> None:
    completion = {"document": "a", "prefix": ""} | fields
    engine.say(as_frame(msgspec.msgpack.encode({"type": kind, "id": 7, "completion": completion})))
    answer = engine.hear()
    assert isinstance(answer, Tagged)
    assert answer.id == 7
    assert isinstance(answer.body, Failed)
    assert answer.body.code == "request"
    assert engine.lives()


def test_a_frame_longer_than_any_is_passed_over_whole(engine: Engine) -> None:
    size = 70_000_000
    engine.say(size.to_bytes(4, "big") + bytes(size))
    assert engine.lives()


@pytest.mark.parametrize("kind", [Complete, Warm])
def test_a_request_before_there_is_a_model_is_answered(
    engine: Engine, kind: type[Complete] | type[Warm]
) -> None:
    engine.say(frame(Save()) + frame(kind(9, Completion(document="a", prefix=""))))
    answer = engine.hear()
    assert isinstance(answer, Tagged)
    assert answer.id == 9
    assert isinstance(answer.body, Failed)
