"""FILE:LINE:COL as a user writes it, and the text before and behind that place.

Lines and columns count from 1; a column is a Unicode character (code point), and the one past the line's
last character is the line's end. Lines end with LF, CRLF or CR, as editors see them; the text that goes to
the model has LF. Everything wrong is a RequestError that says which part, and what would be right.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from stardraftd.console.prose import counted
from stardraftd.errors import RequestError
from stardraftd.patterns import linear

STDIN = "-"
MAX_FILE_BYTES = 64 * 1024 * 1024

_FULL = linear(r"(?P<file>.+):(?P<line>[0-9]+):(?P<column>[0-9]+)", dot_all=True)
_LINE_ONLY = linear(r"(?P<file>.+):(?P<line>[0-9]+)", dot_all=True)
_HINT = "Write FILE:LINE:COLUMN, such as src/app.py:12:5, or FILE:LINE for the end of that line."


@dataclass(frozen=True)
class Location:
    """A place in a file. `file` is as it was written, "-" for stdin; column None is the line's end."""

    file: str
    line: int
    column: int | None


def parse_location(text: str) -> Location:
    """The location that `text` names. A file's name may hold colons. Raises RequestError."""
    readings = [
        Location(match["file"], _number(match["line"]), _number(match["column"]) if with_column else None)
        for pattern, with_column in ((_FULL, True), (_LINE_ONLY, False))
        if (match := pattern.fullmatch(text))
    ]
    if not readings:
        raise RequestError(_why_no_location(text), _HINT)
    # "a:1:2" is line 1, column 2 of "a", unless there is no such file but one that is called "a:1".
    chosen = next((reading for reading in readings if _exists(reading.file)), readings[0])
    rest, _, word = chosen.file.rpartition(":")
    if rest and not _exists(chosen.file) and _exists(rest):
        raise RequestError(f'"{word}" is no line number.', _HINT)
    if chosen.line == 0:
        raise RequestError("There is no line 0: lines count from 1.", _HINT)
    if chosen.column == 0:
        raise RequestError("There is no column 0: columns count from 1, which is before the first character.")
    return chosen


def read_text(file: str) -> str:
    """The text of a file, or of stdin for "-", with LF line ends. Raises RequestError."""
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if file == STDIN else _read(file)
    name = "stdin" if file == STDIN else file
    if len(data) > MAX_FILE_BYTES:
        raise RequestError(
            f"{name} is larger than {MAX_FILE_BYTES // 1024**2} MB; that is not a source file."
        )
    if b"\0" in data:
        raise RequestError(f"{name} is not text: there is a NUL byte at offset {data.index(0)}.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"{name} is not UTF-8: there is a byte 0x{data[error.start]:02x} in line {line} "
            f"(offset {error.start}).",
            f"Convert a copy first, for example: iconv -f LATIN1 -t UTF-8 {name}",
        ) from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def split(text: str, location: Location) -> tuple[str, str]:
    """The text before and behind `location`. Raises RequestError when the text has no such place."""
    lines = text.split("\n")
    name = "stdin" if location.file == STDIN else location.file
    if location.line > len(lines):
        raise RequestError(
            f"{name} has {counted(len(lines), 'line')}; there is no line {location.line}.",
            f"Its end is {location.file}:{len(lines)}",
        )
    line = lines[location.line - 1]
    column = len(line) + 1 if location.column is None else location.column
    if column > len(line) + 1:
        raise RequestError(
            f"Line {location.line} of {name} has {counted(len(line), 'character')}; "
            f"there is no column {column}.",
            f"The end of the line is column {len(line) + 1}, or {location.file}:{location.line}",
        )
    before = "\n".join([*lines[: location.line - 1], line[: column - 1]])
    return before, text[len(before) :]


def _read(file: str) -> bytes:
    path = Path(file)
    try:
        if path.is_dir():
            raise RequestError(f"{file} is a directory, not a file.")
        if not path.exists():
            raise RequestError(f"There is no file {file}.", _missing_hint(path))
        if not path.is_file():
            raise RequestError(f"{file} is not a regular file.", "To complete what a program writes, use -")
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(f"{file} cannot be read: {reason}.") from error


def _missing_hint(path: Path) -> str:
    if path.is_absolute():
        return "Check the path."
    try:
        return f"It was looked for in {Path.cwd()}."
    except OSError:
        return "The current folder does not exist any more: change to another one, for example: cd"


def _exists(file: str) -> bool:
    try:
        return file == STDIN or Path(file).exists()
    except (OSError, ValueError):  # too long for a name, or a NUL in it: reading it says so
        return False


def _number(digits: str) -> int:
    # Past any file's end; and Python refuses to read a number of thousands of digits.
    return int(digits) if len(digits) <= 18 else 10**18


def _why_no_location(text: str) -> str:
    if not text:
        return "The location is empty."
    if _exists(text):
        name = "stdin" if text == STDIN else text
        return f"Where in {name}? The line is missing."
    return f'"{text}" is not a location: a file, a colon and a line number are needed.'
