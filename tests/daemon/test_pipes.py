"""A pipe that stands where one of stardraft's files should be is told of, and nobody waits at it.

Each of these would wait without end if it did not look; the suite's own time limit would end it.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stardraftd.builds.chosen import choice_file, chosen_build
from stardraftd.config import load_config
from stardraftd.engine.plan.speeds import SpeedModel, remember, remembered
from stardraftd.errors import ConfigError, PathError
from stardraftd.logs import handler as logs
from stardraftd.logs import reader as log_reader
from stardraftd.models.throughput import measurements
from stardraftd.paths import endpoint_path, engine_cache_dir, lock_path, record_path
from stardraftd.proof.identity import HASHES_FILE, build_id
from stardraftd.proof.verdict import VERDICTS_FILE, recall
from stardraftd.transport.endpoint import find, is_served
from stardraftd.transport.presence import recorded

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it makes pipes")


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


def test_a_pipe_as_the_file_of_speeds_is_told_of_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "speeds.json"
    os.mkfifo(file)
    assert remembered(file, "a").curve == ()
    assert "pipe" in caplog.text
    assert measurements(tmp_path) == ()
    remember(file, "a", SpeedModel(((1, 2.0),)))
    assert "were not kept" in caplog.text
    assert file.is_fifo()


@pytest.mark.parametrize(
    ("place", "ask"),
    [
        (lambda: engine_cache_dir() / HASHES_FILE, build_id),
        (lambda: engine_cache_dir() / VERDICTS_FILE, recall),
        (choice_file, chosen_build),
    ],
    ids=["hashes of libraries", "verdicts", "choice of a build"],
)
def test_a_pipe_as_what_is_known_of_the_engine_is_as_if_nothing_were_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[], Path], ask: Callable[[], object]
) -> None:
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STARDRAFT_ENGINES_DIR", str(tmp_path / "engines"))
    before = ask()
    place().parent.mkdir(parents=True, exist_ok=True)
    place().unlink(missing_ok=True)
    os.mkfifo(place())
    assert ask() == before
    place().unlink()
    place().write_bytes(b"[" * 100_000)
    assert ask() == before


@pytest.mark.parametrize(
    ("place", "ask"),
    [(lock_path, is_served), (record_path, recorded)],
    ids=["lock", "record"],
)
def test_a_pipe_in_the_runtime_folder_is_no_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[], Path], ask: Callable[[], object]
) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(tmp_path / "run"))
    os.mkfifo(place())
    assert not ask()


def test_a_pipe_as_the_daemons_address_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(tmp_path / "run"))
    os.mkfifo(endpoint_path())
    with pytest.raises(PathError, match="pipe"):
        find()
