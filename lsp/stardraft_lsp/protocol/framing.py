"""JSON values out of an editor's stream of bytes: LSP's base protocol, read as forgivingly as is safe.

    Content-Length: 52\\r\\n     any case, with or without blanks, LF alone too; other headers are passed over
    \\r\\n
    {"jsonrpc": "2.0", ...}

A client that counts wrong, or writes something else into the stream, costs what it damaged and not all that
follows: the next header is looked for, wherever it stands. JSON has no bare line ends within its strings, so
a header in the middle of a body is a header. Nothing is read or written here: bytes come in, values go out.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

# More than any editor sends; a length above it is a mistake, and its memory is never asked for.
MAX_BODY_BYTES = 256 << 20
# Of a line of headers. What is longer is none, and only its end can be the beginning of one.
MAX_HEADER_BYTES = 4096
# A body that lacks no more than this may be a whole one whose length was counted wrong.
_MAX_MISCOUNTED_BYTES = 64

_LENGTH = b"content-length"
_HEADER_WITHIN = re.compile(rb"content-length[ \t]*:[ \t]*\d+[ \t]*\r?\n", re.IGNORECASE)
_BLANK = b" \t\r\n"


@dataclass(frozen=True)
class Value:
    """A message's JSON value."""

    json: Any


@dataclass(frozen=True)
class Lost:
    """Bytes that are no message, and why. None of them is quoted: they may be somebody's source.

    is_message: they came as one, so the client may wait for an answer.
    """

    reason: str
    n_bytes: int
    is_message: bool = False


class Framing:
    """One stream. Invariant: `_buffer` begins where the next header line or, with `_size`, the body does."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._size: int | None = None  # of the body that is being read
        self._announced: int | None = None  # by the headers that are being read
        self._n_skipped = 0
        self._n_looked_through = 0

    @property
    def is_within_message(self) -> bool:
        """Whether the stream stands in the middle of something."""
        return bool(self._buffer) or self._size is not None

    def feed(self, data: bytes) -> Iterator[Value | Lost]:
        """What `data` brings to its end. To be run through before the next call."""
        self._buffer += data
        found: Value | Lost | bool = True
        while found:
            found = self._header_line() if self._size is None else self._body(self._size)
            if not isinstance(found, bool):
                yield found

    # Both return what they found, True when something was done, and False when more bytes are needed.

    def _header_line(self) -> Lost | bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            surplus = len(self._buffer) - MAX_HEADER_BYTES
            if surplus > MAX_HEADER_BYTES:
                del self._buffer[:surplus]
                self._n_skipped += surplus
            return False
        line = bytes(self._buffer[max(end - MAX_HEADER_BYTES, 0) : end]).strip(_BLANK)
        del self._buffer[: end + 1]
        name, _, value = line.rpartition(b":")
        name = name.rstrip(_BLANK)
        if name.lower().endswith(_LENGTH):
            # What stands before it on its line is the rest of a body that was longer than announced.
            self._n_skipped += max(end - MAX_HEADER_BYTES, 0) + len(name) - len(_LENGTH)
            return self._take_length(value.strip(_BLANK))
        if not line and self._announced is not None:
            self._size, self._announced, self._n_looked_through = self._announced, None, 0
        elif line and not _is_header(line):
            self._n_skipped += end + 1
        return True

    def _take_length(self, digits: bytes) -> Lost | bool:
        n_skipped, self._n_skipped = self._n_skipped, 0
        n_bytes = int(digits) if digits.isdigit() and len(digits) < 16 else 0
        self._announced = n_bytes if 0 < n_bytes <= MAX_BODY_BYTES else None
        if self._announced is None:
            return Lost(f"a Content-Length that is not a number from 1 to {MAX_BODY_BYTES}", n_skipped)
        return Lost("bytes that are no message", n_skipped) if n_skipped else True

    def _body(self, size: int) -> Value | Lost | bool:
        if len(self._buffer) >= size:
            return self._end_body(size)
        if size - len(self._buffer) <= _MAX_MISCOUNTED_BYTES and self._buffer.rstrip(_BLANK).endswith(b"}"):
            early = _decoded(bytes(self._buffer))
            if early is not None and early[1] is None:
                self._buffer.clear()
                self._size = None
                return early[0]
        # A line end that is new here: is there a header, in the middle of what was announced as a body?
        start = max(self._n_looked_through - 64, 0)
        found = (
            _HEADER_WITHIN.search(self._buffer, start)
            if self._buffer.find(b"\n", self._n_looked_through) >= 0
            else None
        )
        self._n_looked_through = len(self._buffer)
        return self._end_body(found.start()) if found is not None else False

    def _end_body(self, size: int) -> Value | Lost:
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._size = None
        decoded = _decoded(body)
        if decoded is None:  # it may hold the beginning of the next header
            self._buffer[:0] = body
            return Lost("a body that is not JSON", size, is_message=True)
        value, rest = decoded
        if rest is not None:  # the length was too great: what follows belongs to the next message
            self._buffer[:0] = rest
        return value


def _is_header(line: bytes) -> bool:
    name, colon, _ = line.partition(b":")
    return bool(colon) and name.rstrip(_BLANK).replace(b"-", b"").isalnum()


def _decoded(body: bytes) -> tuple[Value, bytes | None] | None:
    """The value that a body begins with, and what is behind it but blanks; None when it is no JSON."""
    encoding = json.detect_encoding(body)
    try:
        text = body.decode(encoding, "surrogatepass")
        start = len(text) - len(text.lstrip())
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):  # no JSON, no UTF-8; thousands of brackets; a number of 5,000 digits
        return None
    rest = text[end:]
    return Value(value), rest.encode(encoding, "surrogatepass") if rest.strip() else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


# NaN and the infinities are Python's own, and no JSON.
_DECODER = json.JSONDecoder(parse_constant=_no_number)
