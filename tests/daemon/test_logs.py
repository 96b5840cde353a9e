"""The log is one JSON object a line, private, of limited size, and never the reason why a daemon fails."""

import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stardraftd.logs import handler as logs
from stardraftd.logs.reader import read_tail
from tests.support.places import put_in_place
from tests.support.waiting import next_in, wait_until

log = logging.getLogger("stardraftd.test")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="modes and open files differ on Windows")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    names = (None, "stardraftd", "stardraft_lsp")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    logs.close()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logs" / "daemon.log"


def configure(path: Path, **settings: Any) -> logs.LogHandler:
    given: dict[str, Any] = {"level": "info", "max_bytes": 100_000, "backups": 2, "stderr": False} | settings
    return logs.configure(path=path, **given)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


# --- lines -------------------------------------------------------------------------------------------


def test_a_line_holds_time_level_logger_event_and_fields(path: Path) -> None:
    configure(path)
    log.info("model %s loaded", "tiny", extra={"load_ms": 812, "file": Path("/a/b")})
    (record,) = records(path)
    time = record.pop("time")
    assert record == {
        "level": "info",
        "logger": "stardraftd.test",
        "event": "model tiny loaded",
        "load_ms": 812,
        "file": str(Path("/a/b")),
    }
    date, clock = time.split("T")
    assert [len(part) for part in date.split("-")] == [4, 2, 2]
    assert len(clock) == len("09:30:00.123Z")
    assert clock.endswith("Z")


def test_an_exception_is_a_field_of_the_same_line(path: Path) -> None:
    configure(path)
    try:
        int("broken\nin two")
    except ValueError:
        log.exception("failed")
    (record,) = records(path)
    assert record["exception"].startswith("Traceback")
    assert record["exception"].endswith(
        "ValueError: invalid literal for int() with base 10: 'broken\\nin two'"
    )


def test_odd_text_keeps_the_file_readable(path: Path) -> None:
    handler = configure(path)
    odd = {"msg": "file \udcff\n\x1b[31m é", "time": "taken", "n": float("inf")}
    handler.handle(logging.makeLogRecord(odd))
    (record,) = records(path)
    assert record["event"] == "file \udcff\n\x1b[31m é"
    assert record["time_"] == "taken"


def test_a_message_that_does_not_fit_its_arguments_does_no_harm(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = configure(path)
    handler.handle(logging.makeLogRecord({"msg": "%d bytes", "args": ("many",)}))
    log.info("next")
    assert [record["event"] for record in records(path)] == ["next"]
    assert "%d bytes" in capsys.readouterr().err


def test_levels_apply_to_ours_and_others_are_heard_from_warning_on(path: Path) -> None:
    configure(path, level="debug")
    log.debug("ours")
    logging.getLogger("somelibrary").info("chatter")
    logging.getLogger("somelibrary").warning("theirs")
    configure(path, level="error")
    log.warning("too low")
    logging.getLogger("somelibrary").warning("too low")
    log.error("ours again")
    assert [record["event"] for record in records(path)] == ["ours", "theirs", "ours again"]


# --- the file ----------------------------------------------------------------------------------------


@posix_only
def test_log_files_are_private_and_their_folder_is(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("")
    path.chmod(0o644)
    configure(path, max_bytes=100)
    for _ in range(3):
        log.info("x" * 80)
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@posix_only
def test_folders_that_it_makes_are_private(path: Path) -> None:
    configure(path)
    log.info("x")
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_full_files_are_put_aside_and_the_oldest_is_removed(path: Path) -> None:
    configure(path, max_bytes=250, backups=2)
    for number in range(10):
        log.info(f"event {number} {'x' * 100}")
    files = {file.name: records(file)[-1]["event"][:7] for file in path.parent.iterdir()}
    assert files == {"daemon.log": "event 9", "daemon.log.1": "event 8", "daemon.log.2": "event 7"}
    assert all(file.stat().st_size <= 250 for file in path.parent.iterdir())


def test_without_backups_the_file_begins_anew(path: Path) -> None:
    configure(path, max_bytes=250, backups=0)
    for number in range(5):
        log.info(f"event {number} {'x' * 100}")
    assert [file.name for file in path.parent.iterdir()] == ["daemon.log"]
    assert [record["event"][:7] for record in records(path)] == ["event 4"]


def test_new_settings_apply_to_the_next_line(path: Path, tmp_path: Path) -> None:
    handler = configure(path, max_bytes=100, backups=5)
    for number in range(6):
        log.info(f"event {number} {'x' * 100}")
    assert len(list(path.parent.iterdir())) == 6
    assert configure(path, max_bytes=100, backups=1) is handler
    log.info("event 6")
    assert sorted(file.name for file in path.parent.iterdir()) == ["daemon.log", "daemon.log.1"]
    configure(tmp_path / "elsewhere.log")
    log.info("event 7")
    assert records(tmp_path / "elsewhere.log")[0]["event"] == "event 7"
    assert records(path)[-1]["event"] == "event 6"


def test_a_line_larger_than_the_limit_is_written_whole(path: Path) -> None:
    configure(path, max_bytes=100)
    log.info("x" * 10_000)
    log.info("next")
    assert [len(record["event"]) for record in records(path.with_name("daemon.log.1"))] == [10_000]
    assert [record["event"] for record in records(path)] == ["next"]


@posix_only
def test_a_log_that_someone_removes_or_moves_is_begun_anew(path: Path) -> None:
    configure(path)
    log.info("one")
    path.unlink()
    log.info("two")
    path.rename(path.with_name("moved"))
    log.info("three")
    assert [record["event"] for record in records(path)] == ["three"]
    assert [record["event"] for record in records(path.with_name("moved"))] == ["two"]


# --- when it cannot be written --------------------------------------------------------------------------


@contextmanager
def disk_that_ends_at(size: int) -> Iterator[None]:
    """While it is open no file of this process grows beyond that."""
    resource = pytest.importorskip("resource", reason="no file size limits here")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_told_once_survived_and_forgotten_when_it_has_room(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = configure(path)
    assert handler.problem is None
    with disk_that_ends_at(0):
        log.info("quiet")
        assert handler.problem == f"The log {path} cannot be written: File too large."
        log.warning("loud", extra={"n": 1})
    told = capsys.readouterr().err
    assert "loud  n=1" in told
    assert "quiet" not in told

    log.info("room again")
    assert handler.problem is None
    notice, line = records(path)
    assert notice["lost"] == 2
    assert notice["level"] == "warning"
    assert line["event"] == "room again"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
@pytest.mark.parametrize("kind", ["a symbolic link", "a pipe", "a device", "a directory", "a socket"])
def test_what_is_no_file_is_neither_written_nor_changed(kind: str, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    victim.chmod(0o644)
    made = put_in_place(path, kind, victim)
    handler = configure(path)
    log.warning("heard nowhere")
    assert handler.problem == f"The log {path} cannot be written: it is {made}, not a file."
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("mine", 0o644)
    with pytest.raises(OSError, match="not a file"):
        read_tail(path, 5)


def test_a_disk_that_fills_inside_a_line_leaves_no_torn_neighbours(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = configure(path)
    log.info("first")
    size = path.stat().st_size
    with disk_that_ends_at(size + 10):
        log.info("second")
    assert handler.problem is not None
    assert path.stat().st_size == size + 10
    log.info("third")
    assert handler.problem is None
    first, torn, notice, third = path.read_text().splitlines()
    assert json.loads(first)["event"] == "first"
    assert len(torn) == 10
    assert json.loads(notice)["lost"] == 1
    assert json.loads(third)["event"] == "third"


def test_a_folder_that_cannot_be_made_is_a_problem_not_a_failure(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file in the way")
    handler = configure(path)
    log.error("something")
    assert handler.problem is not None
    assert str(path) in handler.problem
    assert "something" in capsys.readouterr().err
    (tmp_path / "state").unlink()
    log.info("works")
    assert handler.problem is None


def test_nothing_happens_where_there_is_no_error_stream_either(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file in the way")
    handler = configure(path, stderr=True)
    monkeypatch.setattr(sys, "stderr", None)
    log.error("into the void")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as nobody_listens:
        monkeypatch.setattr(sys, "stderr", nobody_listens)
        log.error("into the void")
        assert handler.problem is not None
        with pytest.raises(OSError):
            nobody_listens.close()


def test_the_foreground_shows_readable_lines(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(path, stderr=True)
    log.info("ready", extra={"n": 1})
    assert "info    stardraftd.test: ready  n=1" in capsys.readouterr().err
    assert records(path)[0]["event"] == "ready"


# --- reading ---------------------------------------------------------------------------------------------


def test_the_tail_of_a_log_that_does_not_exist_is_empty(path: Path) -> None:
    assert logs.read_tail(path, 10) == []


@pytest.mark.parametrize("size", [1, 100, 70_000])
def test_the_tail_is_the_last_lines(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True)
    lines = [f"{number}{'x' * size}" for number in range(6)]
    path.write_text("\n".join(lines) + "\n")
    for count in range(8):
        assert logs.read_tail(path, count) == (lines[-count:] if count else [])
    path.write_text("\n".join(lines))
    assert logs.read_tail(path, 2) == lines[-2:]


def test_the_tail_reaches_into_files_that_were_put_aside(path: Path) -> None:
    configure(path, max_bytes=250, backups=2)
    for number in range(10):
        log.info(f"event {number} {'x' * 100}")
    assert [json.loads(line)["event"][:7] for line in logs.read_tail(path, 2)] == ["event 8", "event 9"]
    assert len(logs.read_tail(path, 100)) == 3


class Follower:
    """A thread that follows a log; `next()` waits for its next line."""

    def __init__(self, path: Path, lines: int) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._follow = logs.follow(path, lines=lines, poll_s=0.01)
        self._ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for line in self._follow:
            if line == "end":
                break
            self._lines.put(line)
        self._follow.close()  # type: ignore[attr-defined]
        self._ended.set()

    def next(self) -> str:
        return next_in(self._lines)

    def wait_for_end(self) -> None:
        wait_until(self._ended.is_set, what="the follower ends")
        assert self._lines.empty()


def test_following_shows_the_tail_and_then_what_is_added(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("one\ntwo\nthree\n")
    follower = Follower(path, lines=2)
    assert [follower.next(), follower.next()] == ["two", "three"]
    with path.open("a") as stream:
        stream.write("fo")
        stream.flush()
        stream.write("ur\nfive\n")
    assert [follower.next(), follower.next()] == ["four", "five"]
    with path.open("a") as stream:
        stream.write("end\n")
    follower.wait_for_end()


@posix_only
def test_following_goes_on_when_the_log_is_put_aside_cut_or_not_there_yet(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("old\n")
    follower = Follower(path, lines=1)
    assert follower.next() == "old"
    with path.open("a") as stream:
        stream.write("last of the old file\n")
    path.rename(path.with_name("daemon.log.1"))
    path.write_text("first of the new file\n")
    assert [follower.next(), follower.next()] == ["last of the old file", "first of the new file"]
    path.write_text("cut\n")
    assert follower.next() == "cut"
    path.unlink()
    path.write_text("anew\n")
    assert follower.next() == "anew"
    with path.open("a") as stream:
        stream.write("end\n")
    follower.wait_for_end()


def test_following_waits_for_a_log_and_shows_it_from_its_first_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_begins(_seconds: float) -> None:
        path.parent.mkdir(parents=True)
        path.write_text("first\nsecond\n")

    monkeypatch.setattr("time.sleep", log_begins)
    followed = logs.follow(path)
    assert [next(followed), next(followed)] == ["first", "second"]


def test_a_rendered_line_is_for_people() -> None:
    line = json.dumps(
        {
            "time": "2025-01-31T09:30:00.123Z",
            "level": "warning",
            "logger": "stardraftd.api.app",
            "event": "slow",
            "ms": 12,
            "what": "a b",
            "exception": "Traceback:\n  x\nValueError: y",
        }
    )
    head, *trace = logs.render(line).splitlines()
    assert head.endswith(":00.123 warning stardraftd.api.app: slow  ms=12  what=a b")
    assert trace == ["    Traceback:", "      x", "    ValueError: y"]


def test_rendering_shows_what_is_no_json_and_escapes_what_drives_terminals() -> None:
    assert logs.render("Fatal Python error") == "Fatal Python error"
    assert logs.render("[1, 2]") == "[1, 2]"
    assert logs.render("\x1b[2J") == "\\x1b[2J"
    assert "\x1b" not in logs.render(json.dumps({"event": "\x1b[2J\nx", "f": "\x07"}))
    assert "nonsense" in logs.render('{"time": "nonsense"}')
