"""FILE:LINE:COL: what it means, and what a user reads when it means nothing."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraftd.cli.complete.location import Location, parse_location, read_text, split
from stardraftd.cursor_window import window
from stardraftd.errors import RequestError


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("app.py:12:5", Location("app.py", 12, 5)),
        ("app.py:12", Location("app.py", 12, None)),
        ("-:1:1", Location("-", 1, 1)),
        ("-:3", Location("-", 3, None)),
        ("a:b.py:2:3", Location("a:b.py", 2, 3)),
        (r"C:\src\app.py:2:3", Location(r"C:\src\app.py", 2, 3)),
        ("naïve file.py:1:2", Location("naïve file.py", 1, 2)),
    ],
)
def test_a_location_is_a_file_a_line_and_perhaps_a_column(text: str, location: Location) -> None:
    assert parse_location(text) == location


def test_a_file_whose_name_ends_like_a_line_is_found(in_a_folder: Path) -> None:
    (in_a_folder / "app.py:12").write_text("")
    assert parse_location("app.py:12:5") == Location("app.py:12", 5, None)


def test_a_file_without_such_an_ending_is_preferred(in_a_folder: Path) -> None:
    (in_a_folder / "app.py:12").write_text("")
    (in_a_folder / "app.py").write_text("")
    assert parse_location("app.py:12:5") == Location("app.py", 12, 5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The location is empty"),
        ("app.py", '"app.py" is not a location'),
        ("app.py:", "not a location"),
        ("app.py:1:1.5", "not a location"),
        ("-", "Where in stdin"),
        ("app.py:0:1", "lines count from 1"),
        ("app.py:1:0", "columns count from 1"),
    ],
)
def test_what_is_no_location_is_told(text: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        parse_location(text)


@pytest.mark.parametrize("word", ["x", "-1", "1.5", "٣", ""])
def test_what_is_no_line_number_of_a_file_is_told(in_a_folder: Path, word: str) -> None:
    (in_a_folder / "app.py").write_text("")
    with pytest.raises(RequestError, match=f'^"{word}" is no line number'):
        parse_location(f"app.py:{word}:1")


def test_a_file_without_a_line_is_asked_for_the_line(in_a_folder: Path) -> None:
    (in_a_folder / "app.py").write_text("")
    with pytest.raises(RequestError, match=r"Where in app\.py\? The line is missing"):
        parse_location("app.py")


def test_a_line_number_of_many_digits_is_past_the_end() -> None:
    with pytest.raises(RequestError, match="has 1 line; there is no line"):
        split("x", parse_location(f"app.py:{'9' * 5000}:1"))


def test_the_cursor_stands_before_its_column() -> None:
    assert split("one\ntwo\n", Location("f", 2, 2)) == ("one\nt", "wo\n")


def test_the_column_past_the_last_character_is_the_end_of_the_line() -> None:
    assert split("one\ntwo\n", Location("f", 1, 4)) == ("one", "\ntwo\n")
    assert split("one\ntwo\n", Location("f", 1, None)) == ("one", "\ntwo\n")


def test_the_line_after_the_last_line_end_is_a_line() -> None:
    assert split("one\n", Location("f", 2, 1)) == ("one\n", "")


def test_an_empty_file_has_one_place() -> None:
    assert split("", Location("f", 1, 1)) == ("", "")


def test_columns_count_characters_not_bytes_or_utf16_units() -> None:
    assert split("é😀x", Location("f", 1, 3)) == ("é😀", "x")


def test_only_line_ends_end_a_line() -> None:
    assert split("a\x0cb\u2028c\nd", Location("f", 2, 1)) == ("a\x0cb\u2028c\n", "d")


def test_a_line_past_the_end_is_told_with_how_many_there_are() -> None:
    with pytest.raises(RequestError, match=r"^app\.py has 2 lines; there is no line 3\.") as raised:
        split("one\ntwo", Location("app.py", 3, 1))
    assert raised.value.hint == "Its end is app.py:2"


def test_a_column_past_the_end_is_told_with_how_many_there_are() -> None:
    with pytest.raises(RequestError, match=r"^Line 1 of app\.py has 3 characters; there is no column 5\."):
        split("one", Location("app.py", 1, 5))


@given(st.text(alphabet="ab\né😀"), st.data())
def test_prefix_and_suffix_are_the_whole_text(text: str, data: st.DataObject) -> None:
    lines = text.split("\n")
    line = data.draw(st.integers(1, len(lines)))
    column = data.draw(st.integers(1, len(lines[line - 1]) + 1))
    prefix, suffix = split(text, Location("f", line, column))
    assert prefix + suffix == text
    assert prefix.count("\n") == line - 1
    assert len(prefix) - (prefix.rfind("\n") + 1) == column - 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read_as_lf(in_a_folder: Path, line_end: str) -> None:
    (in_a_folder / "f").write_bytes(f"a{line_end}b{line_end}".encode())
    assert read_text("f") == "a\nb\n"


def test_a_byte_order_mark_is_no_character(in_a_folder: Path) -> None:
    (in_a_folder / "f").write_bytes(b"\xef\xbb\xbfa")
    assert read_text("f") == "a"


def test_a_dash_reads_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb")))
    assert read_text("-") == "a\nb"


def test_a_missing_file_is_told_with_the_folder(in_a_folder: Path) -> None:
    with pytest.raises(RequestError, match=r"There is no file app\.py") as raised:
        read_text("app.py")
    assert str(in_a_folder) in raised.value.hint


def test_a_directory_is_told(in_a_folder: Path) -> None:
    (in_a_folder / "src").mkdir()
    with pytest.raises(RequestError, match="src is a directory"):
        read_text("src")


def test_a_binary_file_is_told_with_the_place(in_a_folder: Path) -> None:
    (in_a_folder / "f").write_bytes(b"ab\0c")
    with pytest.raises(RequestError, match="not text: there is a NUL byte at offset 2"):
        read_text("f")


def test_another_encoding_is_told_with_the_line(in_a_folder: Path) -> None:
    (in_a_folder / "f").write_bytes("a\nbé".encode("latin-1"))
    with pytest.raises(RequestError, match=r"f is not UTF-8: there is a byte 0xe9 in line 2 \(offset 3\)"):
        read_text("f")


def test_a_name_that_cannot_be_is_told() -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_text("x" * 5000)


def test_what_is_sent_is_whole_lines_near_the_cursor() -> None:
    assert window("aaa\nbbb\nccc\nddd\neee", 10, 7, 7) == ("bbb\ncc", "c\nddd\n")


def test_whole_lines_that_just_fit_are_kept() -> None:
    assert window("aaa\nbbb\ncc", 10, 6, 0) == ("bbb\ncc", "")
    assert window("aaa\nbbb\ncc", 10, 10, 0) == ("aaa\nbbb\ncc", "")


def test_of_a_line_that_is_too_long_a_piece_is_sent() -> None:
    assert window("a" * 100 + "b" * 100, 100, 10, 5) == ("a" * 10, "b" * 5)


@given(st.text(), st.text(), st.integers(1, 40), st.integers(0, 40))
def test_what_is_sent_touches_the_cursor_and_keeps_the_limits(
    prefix: str, suffix: str, max_prefix: int, max_suffix: int
) -> None:
    before, behind = window(prefix + suffix, len(prefix), max_prefix, max_suffix)
    assert prefix.endswith(before)
    assert suffix.startswith(behind)
    assert len(before.encode()) <= max_prefix
    assert len(behind.encode()) <= max_suffix
