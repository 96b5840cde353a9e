"""The server's text stays the editor's text: random edits, three encodings, every kind of line end."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.text.documents import Change, Document, Position
from stardraft_lsp.text.positions import Encoding, index_of_unit, units

ENCODINGS: list[Encoding] = ["utf-8", "utf-16", "utf-32"]
# Form feed, vertical tab and U+2028 end lines for Python, but neither in LSP nor in editors.
TEXT = st.text("ab \n\r\t\x0b\x0cé\u2028€😀𝔘", max_size=40)
EDITS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), TEXT), max_size=12)


def editor_lines(text: str) -> list[str]:
    """Lines without their ends, as the protocol counts them."""
    return re.split(r"\r\n|\r|\n", text)


def editor_position(text: str, offset: int, encoding: str) -> Position:
    before = editor_lines(text[:offset])
    if text[:offset].endswith("\r") and text[offset : offset + 1] == "\n":
        offset -= 1  # no editor's cursor stands between CR and LF
        before = editor_lines(text[:offset])
    last = before[-1]
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return Position(len(before) - 1, len(last.encode(f"{encoding}-le" if size > 1 else encoding)) // size)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(start=TEXT, edits=EDITS)
def test_random_edits_keep_the_text_equal_to_the_editors(
    encoding: Encoding, start: str, edits: list[tuple[int, int, str]]
) -> None:
    document = Document("file:///a", "text", 0, start, encoding)
    text = start
    for at, length, inserted in edits:
        begin, end = min(at, len(text)), min(at + length, len(text))
        first, last = (editor_position(text, offset, encoding) for offset in (begin, end))
        begin -= text[:begin].endswith("\r") and text[begin : begin + 1] == "\n"
        end -= text[:end].endswith("\r") and text[end : end + 1] == "\n"
        text = text[:begin] + inserted + text[end:]
        document.apply([Change(inserted, first, last)])
        assert document.text == text
        assert document.n_lines == len(editor_lines(text))


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXT, data=st.data())
def test_positions_and_offsets_are_each_others_inverse(
    encoding: Encoding, text: str, data: st.DataObject
) -> None:
    document = Document("file:///a", "text", 0, text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    position = document.position(offset)
    back = document.offset(position)
    assert back == offset or text[back:offset].strip("\r\n") == ""
    assert document.position(back) == position or back < offset


@pytest.mark.parametrize(
    ("position", "offset"),
    [
        (Position(0, 99), 2),
        (Position(99, 0), 6),
        (Position(1, 2), 5),
        (Position(-1, 0), 0),
        (Position(2, 0), 6),
    ],
)
def test_positions_outside_the_text_are_moved_into_it(position: Position, offset: int) -> None:
    assert Document("file:///a", "text", 0, "ab\ncd\n", "utf-16").offset(position) == offset


def test_a_position_inside_a_surrogate_pair_is_the_characters_beginning() -> None:
    assert index_of_unit("a😀b", 2, "utf-16") == 1
    assert index_of_unit("a😀b", 3, "utf-16") == 2
    assert [units("a😀b", encoding) for encoding in ENCODINGS] == [6, 4, 3]


def test_a_change_without_a_range_is_the_whole_text() -> None:
    document = Document("file:///a", "text", 0, "old\n", "utf-16")
    document.apply([Change("new\nlines\n")])
    assert (document.text, document.n_lines) == ("new\nlines\n", 3)


@pytest.mark.parametrize(
    ("text", "line_end"), [("a\r\nb\n", "\r\n"), ("a", "\n"), ("a\rb", "\r"), ("a\n", "\n")]
)
def test_the_documents_own_line_end_is_that_of_its_first_line(text: str, line_end: str) -> None:
    assert Document("file:///a", "text", 0, text, "utf-16").line_end() == line_end


def test_a_change_tells_where_its_text_ends() -> None:
    document = Document("a", "python", 0, "é😀 = \r\nb\r\n", "utf-16")
    (applied,) = document.apply([Change("foo", Position(0, 6), Position(0, 6))])
    assert applied.cursor == 8
    assert document.text[:8] == "é😀 = foo"
    (applied,) = document.apply([Change("", Position(1, 0), Position(1, 1))])
    assert (applied.cursor, applied.line, applied.n_line_feeds) == (10, 1, 0)
    (applied,) = document.apply([Change("whole")])
    assert applied.cursor is None
