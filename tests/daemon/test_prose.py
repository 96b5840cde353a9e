"""Sentences for a reader fit the terminal: no word and no number is cut, whatever the width."""

import io
import re

import pytest

from stardraftd.console.prose import columns, counted, fitted, labelled, measured

TEXT = (
    "A sentence of some words, with a command `stardraft model pull starcoder2-3b --use` in it.\n"
    "  - a point that goes on for longer than any narrow terminal is wide, so it has to be broken\n"
    "    stardraft model plan                   what fits on this computer, and how fast it would be\n"
    "\n"
    "    1,887,904,896 bytes at 12.3 tokens/s"
)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_every_line_fits_and_every_word_is_there(width: int) -> None:
    told = fitted(TEXT, width)
    assert told.split() == TEXT.split()
    assert all(measured(line) <= width or len(line.split()) == 1 for line in told.split("\n"))


def test_a_line_goes_on_under_where_its_text_began() -> None:
    assert fitted("  one two three", 10) == "  one two\n  three"
    assert fitted("- one two three", 9) == "- one two\n  three"
    assert fitted("one two three", 8, hang=2) == "one two\n  three"


def test_what_stands_beside_a_label_goes_below_it_where_there_is_no_room() -> None:
    line = "  stardraft doctor     is everything set up"
    assert fitted(line, 80) == line
    assert fitted(line, 30) == "  stardraft doctor\n      is everything set up"
    assert labelled("engine", "ready for all that comes", 10, 80) == "engine    ready for all that comes"
    assert labelled("engine", "ready for all that comes", 10, 30) == "engine\n  ready for all that comes"
    assert labelled("", "what to do about it now", 10, 36) == "          what to do about it now"


def test_a_word_longer_than_the_line_stays_whole() -> None:
    path = f"/home/{'a' * 50}/model.gguf"
    assert path in fitted(f"The file is {path} here.", 30).split()


def test_wide_letters_take_two_columns() -> None:
    assert measured("模型") == 4
    assert fitted("模型 模型 模型", 9) == "模型 模型\n模型"


def test_without_a_width_nothing_is_broken() -> None:
    assert fitted(TEXT, None) == TEXT
    assert labelled("engine", "a b " * 60 + "c", 10) == "engine    " + "a b " * 60 + "c"


@pytest.mark.parametrize(
    ("given", "width"), [("60", 60), ("", None), ("0", None), ("wide", None), ("\N{SUPERSCRIPT TWO}", None)]
)
def test_a_pipe_has_no_width_unless_one_is_given(
    monkeypatch: pytest.MonkeyPatch, given: str, width: int | None
) -> None:
    monkeypatch.setenv("COLUMNS", given)
    assert columns(io.StringIO()) == width
    assert columns(None) == width


@pytest.mark.parametrize("number", [0, 1, 2, 1.5, 1024])
def test_one_is_singular_and_all_others_are_not(number: float) -> None:
    assert counted(number, "token").endswith(" token") == (number == 1)
    assert counted(number, "entry", "entries").endswith(" entry") == (number == 1)
    assert counted(1024, "token") == "1,024 tokens"
    assert not re.search(r"\d\.0 ", counted(number, "token"))


@pytest.mark.parametrize("width", [None, 200])
def test_each_line_of_a_text_stands_beside_its_label(width: int | None) -> None:
    assert labelled("daemon", "It hangs.\nTo end it: stop", 10, width) == (
        "daemon    It hangs.\n          To end it: stop"
    )
