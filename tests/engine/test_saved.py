"""Sequences on disk come back as they were or not at all, and the disk never makes the engine fail."""

import contextlib
import ctypes
import hashlib
import logging
import os
import sys
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stardraftd.engine.cache.saved import (
    BLOCK_BYTES,
    CHECKSUM_BYTES,
    MAGIC,
    STALE_TEMPORARY_S,
    TEMPORARY_SUFFIX,
    SavedSequence,
    SavedSequences,
    fingerprint,
)
from tests.support.modes import file_modes_obeyed

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="modes, owners and links of POSIX")

KEY = "file:///home/ada/secret-project/engine.py"
TOKENS = array("i", [0, 1, 49151, 2**31 - 1, -1, 7])
STATE = bytes(range(256)) * 3
MB = 1 << 20

int32s = st.integers(-(2**31), 2**31 - 1)
any_text = st.text(st.characters(), max_size=40)


def saved_in(
    folder: Path, model: str = "model", max_bytes: int = MB, max_days: float = 7.0
) -> SavedSequences:
    return SavedSequences(folder, model, max_bytes=max_bytes, max_days=max_days)


def put(saved: SavedSequences, key: str = KEY, n_state_bytes: int = len(STATE)) -> bool:
    return saved.put(key, TOKENS, 4, (STATE * (n_state_bytes // len(STATE) + 1))[:n_state_bytes])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sequences"


@pytest.fixture
def saved(folder: Path) -> SavedSequences:
    return saved_in(folder)


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The bytes of a file as `put` writes it."""
    with saved_file() as (_, path):
        return path.read_bytes()


@contextlib.contextmanager
def saved_file() -> Iterator[tuple[SavedSequences, Path]]:
    """A folder with one saved sequence, of KEY; hypothesis needs a new one for every example."""
    with TemporaryDirectory() as name:
        saved = saved_in(Path(name) / "sequences")
        assert put(saved)
        yield saved, only_file(Path(name) / "sequences")


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def size_of_one(folder: Path, n_state_bytes: int = len(STATE)) -> int:
    measured = saved_in(folder.with_name("measured"))
    assert put(measured, n_state_bytes=n_state_bytes)
    return only_file(folder.with_name("measured")).stat().st_size


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def with_head(whole: bytes, **changes: object) -> bytes:
    """The file with another head; its checksum is left as it was."""
    start = len(MAGIC) + 4
    n_head = int.from_bytes(whole[len(MAGIC) : start], "big")
    names = ("fingerprint", "key_hash", "n_tokens", "n_exact", "n_state_bytes")
    values = dict(zip(names, msgspec.msgpack.decode(whole[start : start + n_head]), strict=True))
    return framed(msgspec.msgpack.encode(list((values | changes).values())), whole[start + n_head :])


def forged(whole: bytes, **changes: object) -> bytes:
    """The file with another head and the checksum that belongs to it."""
    changed = with_head(whole, **changes)
    start = len(MAGIC) + 4
    end = start + int.from_bytes(changed[len(MAGIC) : start], "big")
    behind = changed[end + CHECKSUM_BYTES :]
    return changed[:end] + hashlib.sha256(changed[start:end] + behind).digest() + behind


def framed(head: bytes, rest: bytes) -> bytes:
    return MAGIC + len(head).to_bytes(4, "big") + head + rest


# --- what was saved is found ---------------------------------------------------------------------


@given(st.data(), any_text, st.lists(int32s, max_size=50), st.binary(max_size=2000))
def test_a_sequence_comes_back_as_it_was(data: st.DataObject, key: str, ids: list[int], state: bytes) -> None:
    tokens, n_exact = array("i", ids), data.draw(st.integers(0, len(ids)))
    with TemporaryDirectory() as name:
        assert saved_in(Path(name)).put(key, tokens, n_exact, state)
        again = saved_in(Path(name))
        assert again.tokens_of(key) == tokens
        assert again.find(key) == SavedSequence(key, tokens, n_exact, state)


@pytest.mark.parametrize(
    "items",
    [array("q", [1, 2, 3]), (ctypes.c_uint8 * 3)(1, 2, 3), bytearray(3)],
    ids=["long", "ctypes", "bytes"],
)
def test_a_state_may_be_a_view_of_any_items(saved: SavedSequences, items: Any) -> None:
    assert saved.put(KEY, TOKENS, 1, memoryview(items))
    found = saved.find(KEY)
    assert found is not None
    assert found.state == bytes(items)


def test_the_newest_of_a_key_is_the_one_that_is_found(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    assert saved.put(KEY, array("i", [5]), 1, b"newer")
    assert saved.find(KEY) == SavedSequence(KEY, array("i", [5]), 1, b"newer")
    only_file(folder)


def test_what_was_never_saved_is_absent_without_a_word(
    saved: SavedSequences, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert saved.find(KEY) is None
    assert saved.tokens_of(KEY) is None
    saved.prune()
    saved.clear()
    assert not folder.exists()
    assert put(saved)
    assert saved.find(KEY + "x") is None
    assert caplog.records == []


def test_models_share_a_folder_and_never_a_sequence(folder: Path) -> None:
    one, other = saved_in(folder, "one"), saved_in(folder, "other")
    assert put(one)
    assert other.find(KEY) is None
    assert put(other, n_state_bytes=3)
    found = [model.find(KEY) for model in (one, other)]
    assert [len(sequence.state) for sequence in found if sequence] == [len(STATE), 3]


def test_the_folder_tells_no_source_path(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    path = only_file(folder)
    assert "engine" not in path.name
    assert b"secret" not in path.read_bytes()


@posix_only
def test_writers_of_one_key_at_once_leave_a_whole_file(folder: Path) -> None:
    def write_and_read(number: int) -> bool:
        saved = saved_in(folder)
        written = saved.put(KEY, array("i", [number] * 500), 0, bytes([number]) * 50_000)
        found = saved.find(KEY)
        return written and found is not None and set(found.state) == {found.tokens[0]}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_read, range(64)))
    only_file(folder)


# --- what is damaged is not ----------------------------------------------------------------------


def plant(path: Path, content: bytes) -> None:
    """Puts a file there that only its content can be refused for."""
    path.write_bytes(content)
    path.chmod(0o600)


def assert_refused(saved: SavedSequences, path: Path, content: bytes | None = None) -> None:
    """What is in the file's place, or this content of it, is not found, and gone after that."""
    if content is not None:
        plant(path, content)
        saved.tokens_of(KEY)  # may be wrong, for it is not checked; but it does not fail
        plant(path, content)
    assert saved.find(KEY) is None
    assert not os.path.lexists(path)


@given(st.data())
def test_a_file_cut_anywhere_is_refused(whole: bytes, data: st.DataObject) -> None:
    n_left = data.draw(st.integers(0, len(whole) - 1))
    with saved_file() as (saved, path):
        assert_refused(saved, path, whole[:n_left])
        plant(path, whole[:n_left])
        assert saved.tokens_of(KEY) is None


def test_a_file_with_any_bit_of_its_beginning_wrong_is_refused(
    saved: SavedSequences, folder: Path, whole: bytes
) -> None:
    assert put(saved)
    path = only_file(folder)
    for bit in range(8 * (len(whole) - len(STATE))):
        wrong = bytearray(whole)
        wrong[bit // 8] ^= 1 << bit % 8
        plant(path, bytes(wrong))
        assert saved.find(KEY) is None, f"bit {bit % 8} of byte {bit // 8}"


@given(st.data())
def test_a_file_with_any_bit_wrong_is_refused(whole: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    wrong = bytearray(whole)
    wrong[place] ^= 1 << data.draw(st.integers(0, 7))
    with saved_file() as (saved, path):
        assert_refused(saved, path, bytes(wrong))


@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_a_file_of_anything_is_refused(anything: bytes, begins_well: bool) -> None:
    with saved_file() as (saved, path):
        assert_refused(saved, path, MAGIC + anything if begins_well else anything)


@given(st.binary(min_size=1, max_size=50))
def test_a_file_with_more_behind_it_is_refused(whole: bytes, more: bytes) -> None:
    with saved_file() as (saved, path):
        assert_refused(saved, path, whole + more)


@given(
    st.sampled_from(["n_tokens", "n_exact", "n_state_bytes"]),
    st.integers(-(2**63), 2**64 - 1) | st.integers(-1, 1000) | st.none() | st.text(max_size=3),
)
def test_sizes_in_a_head_are_believed_only_if_they_hold(whole: bytes, name: str, value: object) -> None:
    changed = with_head(whole, **{name: value})
    assume(changed != whole)
    with saved_file() as (saved, path):
        assert_refused(saved, path, changed)


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_exact": len(TOKENS) + 1},
        {"n_exact": -1},
        {"n_tokens": -1, "n_exact": -1, "n_state_bytes": len(STATE) + 4 * (len(TOKENS) + 1)},
        {"n_tokens": len(TOKENS) + len(STATE) // 4 + 1, "n_state_bytes": -4},
        {"n_tokens": 2**61},
        {"n_state_bytes": 2**63 - 1},
    ],
    ids=repr,
)
def test_a_right_checksum_makes_no_sizes_right(whole: bytes, sizes: dict[str, int]) -> None:
    assert forged(whole) == whole
    with saved_file() as (saved, path):
        assert_refused(saved, path, forged(whole, **sizes))


def test_the_border_between_tokens_and_state_cannot_be_moved(whole: bytes) -> None:
    moved = with_head(whole, n_tokens=len(TOKENS) + 1, n_state_bytes=len(STATE) - 4)
    assert len(moved) == pytest.approx(len(whole), abs=4)
    with saved_file() as (saved, path):
        assert_refused(saved, path, moved)


def test_a_head_of_many_nested_lists_is_refused(whole: bytes) -> None:
    with saved_file() as (saved, path):
        for begin in (b"\x91", b"\x95", b"\x96\xa0\xa0\1\1\1"):
            assert_refused(saved, path, framed(begin + b"\x91" * 4000 + b"\1", whole))


def test_another_documents_file_under_this_ones_name_is_refused(
    saved: SavedSequences, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert put(saved)
    name = only_file(folder)
    name.unlink()
    assert put(saved, "another document")
    only_file(folder).rename(name)
    assert_refused(saved, name)
    assert "another" in caplog.text


def test_another_models_file_under_this_ones_name_is_refused(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    name = only_file(folder)
    name.unlink()
    assert put(saved_in(folder, "other"))
    only_file(folder).rename(name)
    assert_refused(saved, name)


def test_a_deletion_is_logged_and_tells_no_path(
    saved: SavedSequences, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert put(saved)
    only_file(folder).write_bytes(b"")
    assert saved.find(KEY) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "secret" not in caplog.text


def test_after_a_damaged_file_a_new_one_can_be_saved(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    only_file(folder).write_bytes(b"damaged")
    assert put(saved)
    assert saved.find(KEY) is not None


# --- what others could have made is not ----------------------------------------------------------


@posix_only
def test_files_and_folder_are_the_users_alone_whatever_the_umask(saved: SavedSequences, folder: Path) -> None:
    before = os.umask(0)
    try:
        assert put(saved)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only_file(folder).stat().st_mode & 0o777 == 0o600


@posix_only
def test_a_folder_that_others_can_list_is_closed(saved: SavedSequences, folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    assert put(saved)
    assert folder.stat().st_mode & 0o777 == 0o700


@posix_only
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_can_write_is_refused(saved: SavedSequences, folder: Path, mode: int) -> None:
    assert put(saved)
    folder.chmod(mode)
    assert not put(saved, "another")
    assert saved.find(KEY) is None
    only_file(folder)


@posix_only
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused(saved: SavedSequences, folder: Path, mode: int) -> None:
    assert put(saved)
    path = only_file(folder)
    path.chmod(mode)
    assert saved.tokens_of(KEY) is None
    assert put(saved)
    path.chmod(mode)
    assert_refused(saved, path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives a file away")
def test_another_users_file_is_refused(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    path = only_file(folder)
    os.chown(path, 65534, -1)
    assert_refused(saved, path)


@posix_only
def test_a_link_in_a_files_place_is_not_followed(saved: SavedSequences, folder: Path, tmp_path: Path) -> None:
    assert put(saved)
    path, elsewhere = only_file(folder), tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert_refused(saved, path)
    path.symlink_to(elsewhere)
    assert saved.put(KEY, TOKENS, 0, b"new")
    assert not path.is_symlink()
    assert elsewhere.stat().st_size > len(STATE)


@posix_only
def test_a_pipe_in_a_files_place_does_not_hold_the_engine_up(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    path = only_file(folder)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert_refused(saved, path)


def test_a_folder_in_a_files_place_is_no_error(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    path = only_file(folder)
    path.unlink()
    path.mkdir()
    assert saved.find(KEY) is None
    assert saved.tokens_of(KEY) is None
    assert not put(saved)
    saved.clear()
    assert list(folder.iterdir()) == [path]


@posix_only
def test_a_linked_folder_is_refused_and_nothing_behind_it_touched(folder: Path, tmp_path: Path) -> None:
    assert put(saved_in(folder))
    path, link = only_file(folder), tmp_path / "link"
    link.symlink_to(folder)
    through = saved_in(link, max_bytes=0)
    through.prune()
    through.clear()
    through = saved_in(link)
    assert through.find(KEY) is None
    assert through.tokens_of(KEY) is None
    assert not put(through, "another")
    assert only_file(folder) == path


# --- what cannot be written is not saved ---------------------------------------------------------


@contextlib.contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """Within it, writing more into a file fails, as on a full disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@posix_only
def test_a_full_disk_leaves_what_was_there_and_no_half_file(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved = saved_in(folder, max_bytes=10 * MB)
    assert put(saved)
    before = only_file(folder).read_bytes()
    with files_no_larger_than(MB):
        assert not put(saved, n_state_bytes=2 * MB)
    assert only_file(folder).read_bytes() == before
    assert_one_warning(caplog)


@posix_only
def test_a_folder_that_cannot_be_written_is_one_warning(
    saved: SavedSequences, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert put(saved)
    folder.chmod(0o500)
    with file_modes_obeyed():
        assert not put(saved, "another")
        assert_one_warning(caplog)
        assert saved.find(KEY) is not None
        saved.clear()
    only_file(folder)


@posix_only
def test_a_file_that_cannot_be_read_is_one_warning_and_stays(
    saved: SavedSequences, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert put(saved)
    only_file(folder).chmod(0)
    with file_modes_obeyed():
        assert saved.find(KEY) is None
        assert_one_warning(caplog)
        assert saved.tokens_of(KEY) is None
    only_file(folder)


@pytest.mark.parametrize("place", [".", ".."])
def test_a_file_in_the_folders_place_is_one_warning(
    saved: SavedSequences, folder: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = folder if place == "." else folder.parent
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_bytes(b"no folder")
    assert not put(saved)
    assert_one_warning(caplog)
    assert saved.find(KEY) is None
    saved.prune()
    saved.clear()
    assert blocked.read_bytes() == b"no folder"


# --- how much and how long -----------------------------------------------------------------------


def test_one_that_alone_is_too_large_is_not_saved(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    size_bytes = size_of_one(folder)
    assert not put(saved_in(folder, max_bytes=size_bytes - 1))
    assert not folder.exists()
    assert put(saved_in(folder, max_bytes=size_bytes))
    assert caplog.records == []


def test_one_with_more_tokens_than_are_read_is_not_saved(folder: Path) -> None:
    assert not saved_in(folder, max_bytes=100 * MB).put(KEY, array("i", bytes(4 * (MB + 1))), 0, b"")
    assert not folder.exists()


def test_what_was_used_longest_ago_goes_first(folder: Path) -> None:
    saved = saved_in(folder, max_bytes=3 * size_of_one(folder))
    for key in "abc":
        assert put(saved, key)
    assert saved.find("a") is not None
    assert put(saved, "d")
    assert [key for key in "abcd" if saved.tokens_of(key)] == ["a", "c", "d"]


def test_the_order_of_use_holds_for_what_is_saved_in_a_row(folder: Path) -> None:
    keys = [str(number) for number in range(40)]
    saved = saved_in(folder, max_bytes=10 * size_of_one(folder))
    assert all(put(saved, key) for key in keys)
    assert [key for key in keys if saved.tokens_of(key)] == keys[-10:]


def test_looking_at_the_tokens_is_not_using(folder: Path) -> None:
    saved = saved_in(folder, max_bytes=2 * size_of_one(folder))
    assert put(saved, "a")
    assert put(saved, "b")
    assert saved.tokens_of("a") is not None
    assert put(saved, "c")
    assert [key for key in "abc" if saved.tokens_of(key)] == ["b", "c"]


def test_a_small_one_is_not_kept_for_its_size(folder: Path) -> None:
    """The order of use alone decides: what is older than the first that goes, goes too."""
    saved = saved_in(folder, max_bytes=size_of_one(folder, 10_000) + size_of_one(folder, 10))
    for key, n_state_bytes in (("small", 10), ("large", 10_000), ("new", 10_000)):
        assert put(saved, key, n_state_bytes)
    assert [key for key in ("small", "large", "new") if saved.tokens_of(key)] == ["new"]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3000)), max_size=12), st.integers(0, 9000)
)
def test_the_folder_never_holds_more_than_it_may(puts: list[tuple[str, int]], max_bytes: int) -> None:
    with TemporaryDirectory() as name:
        saved = saved_in(Path(name), max_bytes=max_bytes)
        for key, n_state_bytes in puts:
            written = put(saved, key, n_state_bytes)
            assert sum(path.stat().st_size for path in Path(name).iterdir()) <= max_bytes
            assert not written or saved.find(key) is not None


def test_the_bounds_are_over_the_sequences_of_all_models(folder: Path) -> None:
    max_bytes = 2 * size_of_one(folder)
    models = [saved_in(folder, name, max_bytes) for name in ("one", "two", "three")]
    assert all(put(model) for model in models)
    assert [model.find(KEY) is not None for model in models] == [False, True, True]


def test_what_was_not_used_for_long_goes(saved: SavedSequences, folder: Path) -> None:
    assert put(saved_in(folder, "other"))
    age(only_file(folder), 7.1 * 86400)
    assert put(saved)
    kept = only_file(folder)
    age(kept, 6.9 * 86400)
    saved.prune()
    assert saved.find(KEY) is not None
    saved.prune()
    assert only_file(folder) == kept


def test_finding_makes_a_sequence_young_again(saved: SavedSequences, folder: Path) -> None:
    assert put(saved)
    age(only_file(folder), 6.9 * 86400)
    assert saved.find(KEY) is not None
    assert time.time() - only_file(folder).stat().st_mtime < 86400


def test_pruning_removes_what_dead_writers_left_and_nothing_of_others(
    saved: SavedSequences, folder: Path
) -> None:
    assert put(saved)
    kept = only_file(folder)
    dead, alive, note = (folder / name for name in (f"1{TEMPORARY_SUFFIX}", f"2{TEMPORARY_SUFFIX}", "note"))
    for path, age_s in ((dead, STALE_TEMPORARY_S + 60), (alive, STALE_TEMPORARY_S - 60), (note, 1e8)):
        path.write_bytes(b"half")
        age(path, age_s)
    saved.prune()
    assert set(folder.iterdir()) == {kept, alive, note}


def test_clearing_deletes_all_models_sequences_and_nothing_of_others(folder: Path) -> None:
    models = [saved_in(folder, name) for name in ("one", "two")]
    assert all(put(model) for model in models)
    (folder / f"half{TEMPORARY_SUFFIX}").write_bytes(b"half of a user's source")
    (folder / "note").write_bytes(b"")
    models[0].clear()
    assert only_file(folder) == folder / "note"
    assert models[1].find(KEY) is None


# --- what a sequence is valid for ----------------------------------------------------------------

HEADER_BYTES = 1000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(bytes(HEADER_BYTES) + bytes(range(256)) * 4096)
    return path


def change(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_a_fingerprint_is_of_the_content_not_of_the_path(model: Path) -> None:
    before = fingerprint(model, HEADER_BYTES, "f16")
    assert fingerprint(model.rename(model.with_name("moved")), HEADER_BYTES, "f16") == before


@pytest.mark.parametrize("offset", [0, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + BLOCK_BYTES - 1, -1])
def test_a_change_of_header_or_of_a_sampled_block_is_another_model(model: Path, offset: int) -> None:
    before = fingerprint(model, HEADER_BYTES, "f16")
    change(model, offset)
    assert fingerprint(model, HEADER_BYTES, "f16") != before


def test_another_size_or_other_settings_are_another_fingerprint(model: Path) -> None:
    found = {fingerprint(model, HEADER_BYTES, settings) for settings in ("f16", "q8_0")}
    with model.open("ab") as file:
        file.write(b"\0")
    assert fingerprint(model, HEADER_BYTES, "f16") not in found
    assert len(found) == 2


@pytest.mark.parametrize("size_bytes", [0, 10, HEADER_BYTES, HEADER_BYTES + 1])
def test_a_file_shorter_than_its_samples_has_a_fingerprint(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"x" * size_bytes)
    assert len(fingerprint(path, HEADER_BYTES, "")) == 64


def test_a_missing_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fingerprint(tmp_path / "missing", HEADER_BYTES, "")
