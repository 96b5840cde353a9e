"""What is said once a day is said once a day, also where that cannot be remembered."""

import datetime
import os
from pathlib import Path

import pytest

from stardraftd.cli.once_a_day import is_due

MONDAY, TUESDAY = datetime.date(2026, 3, 2), datetime.date(2026, 3, 3)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.usefixtures("state")
def test_each_thing_is_said_once_a_day() -> None:
    assert [is_due("toy", day) for day in (MONDAY, MONDAY, TUESDAY, TUESDAY)] == [True, False, True, False]
    assert is_due("other", TUESDAY)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 1000])
def test_a_damaged_memory_has_it_said_and_is_not_in_the_way(state: Path, damage: bytes) -> None:
    state.mkdir()
    (state / "said-toy").write_bytes(damage)
    assert is_due("toy", MONDAY)


@pytest.mark.skipif(os.name == "nt", reason="modes of folders are another thing there")
def test_where_nothing_can_be_written_it_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "file"))
    assert is_due("toy", MONDAY)
    assert is_due("toy", MONDAY)
