"""A pipe that stands where one of stardraft's files should be is told of, and nobody waits at it.

Each of these would wait without end if it did not look; the suite's own time limit would end it.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stardraftd import log_reader, logs
from stardraftd.config import load_config
from stardraftd.endpoint import find, is_served
from stardraftd.engine.speeds import SpeedModel, remember, remembered
from stardraftd.errors import ConfigError
from stardraftd.models.pace import measurements
from stardraftd.paths import endpoint_path, lock_path, record_path
from stardraftd.presence import recorded
from stardraftd.regular_files import open_descriptor, open_regular, read_regular

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="it makes pipes"), pytest.mark.timeout(20)]


@contextmanager
def read_by_somebody(path: Path) -> Iterator[None]:
    """A pipe with a reader that never reads: it can be opened, and would be full soon."""
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(reader)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR])
def test_a_pipe_is_refused_whether_somebody_is_at_its_other_end_or_not(pipe: Path, flags: int) -> None:
    with pytest.raises(OSError, match="pipe"):
        open_descriptor(pipe, flags)
    with read_by_somebody(pipe), pytest.raises(OSError, match="pipe"):
        open_descriptor(pipe, flags)


def test_a_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(OSError, match="socket"):
            open_regular(path)


def test_files_and_devices_are_let_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_regular(tmp_path / "file", 3) == b"abc"
    assert read_regular(Path("/dev/null"), 3) == b""
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_regular(tmp_path / "file", 2)
    with pytest.raises(OSError, match="larger than 9 bytes"):
        read_regular(Path("/dev/zero"), 9)


def test_a_pipe_as_the_log_is_a_problem_and_nothing_waits(pipe: Path) -> None:
    handler = logs.LogHandler()
    handler.apply(path=pipe, max_bytes=1000, backups=1, stderr=False)
    record = logging.makeLogRecord({"msg": "hello", "levelno": logging.INFO, "levelname": "INFO"})
    try:
        with read_by_somebody(pipe):
            for _ in range(3):
                handler.emit(record)
        assert handler.problem is not None
        assert "pipe" in handler.problem
    finally:
        handler.close()
    for read in (lambda: log_reader.read_tail(pipe, 5), lambda: next(log_reader.follow(pipe, lines=5))):
        with pytest.raises(OSError, match="pipe"):
            read()


def test_a_pipe_as_the_configuration_is_a_sentence(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARDRAFT_CONFIG", str(pipe))
    with pytest.raises(ConfigError, match="pipe"):
        load_config()


def test_a_pipe_as_the_file_of_speeds_is_told_of_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "speeds.json"
    os.mkfifo(file)
    assert remembered(file, "a").curve == ()
    assert "pipe" in caplog.text
    assert measurements(tmp_path) == ()
    remember(file, "a", SpeedModel(((1, 2.0),)))
    assert remembered(file, "a").curve == ((1, 2.0),)


@pytest.mark.parametrize(
    ("place", "ask"),
    [(endpoint_path, find), (lock_path, is_served), (record_path, recorded)],
    ids=["endpoint", "lock", "record"],
)
def test_a_pipe_in_the_runtime_folder_is_no_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[], Path], ask: Callable[[], object]
) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(tmp_path / "run"))
    os.mkfifo(place())
    assert not ask()
