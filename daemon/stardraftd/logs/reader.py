"""Reads the daemon's log for a user: its end, what is added to it, and a line in readable form.

How lines get into the log is `stardraftd.logs`.
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from stardraftd.console.printable import visible_line
from stardraftd.files import atomic

_BLOCK_BYTES = 65_536
_OWN_FIELDS = ("time", "level", "logger", "event", "exception")


def read_tail(path: Path, lines: int) -> list[str]:
    """The last `lines` lines, oldest first, from older files too where the log has just been put aside.

    A log that does not exist has none. Raises OSError where it cannot be read.
    """
    found: list[str] = []
    for file in _newest_first(path):
        try:
            with _open_file(file) as stream:
                stream.seek(_tail_offset(stream, lines - len(found)))
                found[:0] = [_text(line) for line in stream.read().split(b"\n") if line]
        except FileNotFoundError:
            break
        if len(found) >= lines:
            break
    return found[-lines:] if lines > 0 else []


def follow(path: Path, *, lines: int = 0, poll_s: float = 0.2) -> Iterator[str]:
    """The last `lines` lines, then each line as it is added, forever: close the generator to end it.

    Goes on in the new file when the log is put aside, removed or cut; waits for a log that does not exist.
    """
    stream: BinaryIO | None = None
    rest = b""
    started = False
    try:
        while True:
            if stream is None and (stream := _open(path)) and not started:
                stream.seek(_tail_offset(stream, lines))
            started = True  # a log that comes into being later is new from its first line
            replaced = stream is not None and _is_replaced(stream, path)
            if stream is not None:
                *complete, rest = (rest + stream.read()).split(b"\n")
                yield from (_text(line) for line in complete if line)
            if replaced and stream is not None:
                stream.close()
                stream, rest = None, b""
            else:
                time.sleep(poll_s)
    finally:
        if stream is not None:
            stream.close()


def render(line: str) -> str:
    """A log line as a user reads it: local time, level, logger, event, fields, and the traceback below.

    A line that is no JSON object is shown as it is. What could drive the terminal is written out.
    """
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return visible_line(line)
    head = (
        f"{_local_time(record.get('time'))} {record.get('level', ''):<7} "
        f"{record.get('logger', '')}: {record.get('event', '')}"
    )
    fields = [
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in record.items()
        if key not in _OWN_FIELDS
    ]
    exception = str(record.get("exception", "")).splitlines()
    return "\n".join(
        visible_line(text) for text in ("  ".join([head, *fields]), *(f"    {row}" for row in exception))
    )


def _newest_first(path: Path) -> Iterator[Path]:
    yield path
    number = 1
    while True:
        yield path.with_name(f"{path.name}.{number}")
        number += 1


def _tail_offset(stream: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines begin; a line that is not finished yet counts."""
    end = stream.seek(0, os.SEEK_END)
    if lines <= 0:
        return end
    offset, wanted = end, lines + 1  # the line end before the first of them, and the one after the last
    while offset > 0:
        size = min(_BLOCK_BYTES, offset)
        stream.seek(offset - size)
        block = stream.read(size)
        if offset == end and not block.endswith(b"\n"):
            wanted -= 1
        at = len(block)
        while wanted and (at := block.rfind(b"\n", 0, at)) >= 0:
            wanted -= 1
        if not wanted:
            return offset - size + at + 1
        offset -= size
    return 0


def _open(path: Path) -> BinaryIO | None:
    try:
        return _open_file(path)
    except FileNotFoundError:
        return None


def _open_file(path: Path) -> BinaryIO:
    return os.fdopen(atomic.open_file(path, os.O_RDONLY, own=True), "rb")


def _is_replaced(stream: BinaryIO, path: Path) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return True
    opened = os.fstat(stream.fileno())
    return (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino) or now.st_size < stream.tell()


def _local_time(value: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(value)).astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]
    except ValueError:
        return str(value)


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", errors="replace")
