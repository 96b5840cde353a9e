"""The file of the figures: private, shared by several servers, bounded, and never in the way when damaged."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from stardraft_lsp.stats.facts import Cost, Fate, Look, Silence
from stardraft_lsp.stats.store import STEPS, StatsError, Store
from stardraft_lsp.stats.writer import Writer
from stardraftd.errors import StardraftError
from tests.support.processes import finish
from tests.support.waiting import wait_until

NOW_MS = 1_900_000_000_000


def fate(number: int = 1, at_ms: int = NOW_MS) -> Fate:
    return Fate(
        id=(at_ms << 20) + number,
        at_ms=at_ms,
        uri="file:///a.py",
        language="python",
        invoked=False,
        n_chars=3,
        n_lines=1,
        outcome="ignored",
        part="",
        told=False,
        accepted_chars=0,
        typed_chars=0,
        visible_ms=5,
    )


SILENCE = Silence(day="2030-03-17", language="python", reason="superseded", n_generated=2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "stats.sqlite"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_the_file_is_its_users_alone(file: Path) -> None:
    Store(file).write([fate()])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    Store(file).write([SILENCE])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_written_is_read(file: Path) -> None:
    store = Store(file, "Helix")
    store.write([fate(), SILENCE, SILENCE])
    store.write([SILENCE, Look(id=fate().id, after_s=120, accepted="a b", now="b")])
    (row,), (silence,) = store.read()
    assert (row["editor"], row["outcome"], row["kept_120s"]) == ("Helix", "ignored", 0.5)
    assert (silence["n"], silence["n_generated"]) == (3, 6)


def test_a_later_word_about_the_same_suggestion_changes_its_row(file: Path) -> None:
    store = Store(file)
    store.write([fate(), Look(id=fate().id, after_s=30, accepted="a", now="a")])
    late = Fate(**{name: getattr(fate(), name) for name in Fate.__struct_fields__} | {"outcome": "accepted"})
    store.write([late])
    (row,), _ = store.read()
    assert (row["outcome"], row["kept_30s"]) == ("accepted", 1.0)


def test_reading_makes_no_file(file: Path) -> None:
    assert Store(file).read() == ([], [])
    assert not file.exists()


def test_rows_since_a_moment_are_read(file: Path) -> None:
    store = Store(file)
    store.write([fate(1), fate(2, NOW_MS + 5000)])
    rows, _ = store.read(NOW_MS // 1000 + 5)
    assert [row["id"] for row in rows] == [fate(2, NOW_MS + 5000).id]


def test_old_rows_and_too_many_rows_are_deleted(file: Path) -> None:
    Store(file).write([fate(number) for number in range(30)] + [fate(99, at_ms=1000)])
    Store(file, max_rows=10).write([fate(40)])
    rows, _ = Store(file).read()
    assert [row["id"] - fate(0).id for row in rows] == [*range(21, 30), 40]


def test_old_silences_are_deleted(file: Path) -> None:
    old = Silence(day="2001-01-01", language="python", reason="superseded")
    store = Store(file)
    store.write([SILENCE, old])
    assert [row["day"] for row in store.read()[1]] == [SILENCE.day]


def test_several_processes_write_at_once_and_nothing_is_lost(file: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.lsp.test_stats_store import *\n"
        "store = Store(Path(sys.argv[1]), sys.argv[2], busy_s=60)\n"
        "for number in range(20): store.write([fate(int(sys.argv[2]) * 1000 + number), SILENCE])\n"
    )
    servers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(file), str(n)], stderr=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    for server in servers:
        ended = finish(server, idle_s=120)
        assert ended.returncode == 0, ended.stderr
    rows, silences = Store(file).read()
    assert len(rows) == 80
    assert sum(row["n"] for row in silences) == 80


@pytest.mark.parametrize(
    "damage",
    [
        b"this is no database, it is a letter to a friend, and long enough to be read as a page" * 20,
        b"SQLite format 3\0" + b"\xff" * 4096,
    ],
)
def test_a_damaged_file_is_put_aside_with_a_sentence(file: Path, damage: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(damage)
    with pytest.raises(StatsError, match="damaged"):
        Store(file).read()
    store = Store(file)
    mended = store.write([fate()])
    assert mended is not None
    assert "begins anew" in mended.message
    (aside,) = file.parent.glob("stats.sqlite.damaged-*")
    assert aside.read_bytes() == damage
    assert len(store.read()[0]) == 1
    assert store.write([fate(2)]) is None


def test_pages_that_are_damaged_later_are_noticed_as_well(file: Path) -> None:
    store = Store(file)
    store.write([fate(number) for number in range(500)])
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(file.stat().st_size - 4096))
    mended = store.write([fate(1000)])
    assert mended is not None
    assert len(store.read()[0]) == 1


def test_a_file_with_other_tables_is_put_aside(file: Path) -> None:
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE suggestions (id, ours); PRAGMA user_version = 1")
    connection.close()
    assert Store(file).write([fate()]) is not None


def test_a_file_of_an_older_version_is_taken_along(file: Path) -> None:
    Store(file).write([fate(1)])
    newer = Store(file, steps=(*STEPS, "ALTER TABLE suggestions ADD COLUMN mood TEXT DEFAULT 'calm'"))
    newer.write([fate(2)])
    assert [row["mood"] for row in newer.read()[0]] == ["calm", "calm"]


def test_what_the_first_version_never_counted_is_not_known_and_the_rest_is_kept(file: Path) -> None:
    counted = replace(fate(), cost=Cost(n_prompt=9, n_chunks=4))
    Store(file).write([counted, SILENCE, Look(id=counted.id, after_s=30, accepted="a b", now="a")])
    with sqlite3.connect(file) as connection:  # the file as the first version made it
        connection.execute("ALTER TABLE suggestions DROP COLUMN source")
        connection.execute("UPDATE suggestions SET n_chunks_reused = 0")
        connection.execute("PRAGMA user_version = 1")
        connection.row_factory = sqlite3.Row
        before = connection.execute("SELECT * FROM suggestions").fetchone()
        tallies = connection.execute("SELECT * FROM silences").fetchall()
    connection.close()
    newer = Store(file)
    newer.write([fate(2)])
    (row, later), again = newer.read()
    assert (before["n_chunks_reused"], row["n_chunks_reused"]) == (0, None)
    assert row["source"] == "model"
    assert {**dict(row), "n_chunks_reused": 0} == {**dict(before), "source": "model"}
    assert [tuple(tally) for tally in again] == [tuple(tally) for tally in tallies]
    assert row["document"] == later["document"]  # the salt is the same


def test_a_file_of_a_newer_version_is_left_as_it_is(file: Path) -> None:
    Store(file, steps=(*STEPS, "CREATE TABLE more (x)")).write([fate()])
    content = file.read_bytes()
    with pytest.raises(StatsError, match="newer") as caught:
        Store(file).write([fate(2)])
    assert not caught.value.may_pass
    assert file.read_bytes() == content


def test_a_locked_file_may_be_tried_again(file: Path) -> None:
    Store(file).write([fate()])
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StatsError) as caught:
        Store(file, busy_s=0).write([fate(2)])
    other.execute("ROLLBACK")
    other.close()
    assert caught.value.may_pass
    Store(file, busy_s=0).write([fate(2)])


def test_an_unusable_folder_is_told_once_and_ends_the_counting(tmp_path: Path) -> None:
    tmp_path.joinpath("state").write_text("a file in the folder's place")
    told: list[StardraftError] = []
    writer = Writer(tmp_path / "state" / "stats.sqlite", "Test", told.append)
    for _ in range(3):
        writer.put(SILENCE)
        writer.flush()
    writer.close()
    assert len(told) == 1
    assert "cannot be kept" in told[0].message
    assert told[0].hint


def test_forgetting_empties_the_file_for_those_who_write_into_it(file: Path) -> None:
    store = Store(file)
    store.write([fate(), SILENCE])
    (before,), _ = store.read()
    file.with_name("stats.sqlite.damaged-20300101-000000").write_bytes(b"old")
    store.forget()
    assert store.read() == ([], [])
    assert not list(file.parent.glob("*.damaged-*"))
    assert before["document"].encode() not in file.read_bytes()
    store.write([fate()])
    assert store.read()[0][0]["document"] != before["document"], "the salt is new"


def test_a_damaged_file_can_be_forgotten(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"nonsense " * 1000)
    Store(file).forget()
    assert not file.exists()


def test_the_thread_begins_with_the_first_fact_and_ends_with_the_writer(file: Path) -> None:
    before = set(threading.enumerate())
    writer = Writer(file, "Test", lambda _error: None)
    assert set(threading.enumerate()) == before
    writer.put(SILENCE)
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    writer.close()
    wait_until(lambda: not thread.is_alive(), what="the thread ends")
    assert Store(file).read()[1][0]["n"] == 1
    writer.put(SILENCE)
    assert Store(file).read()[1][0]["n"] == 1
