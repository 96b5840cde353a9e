"""A file's bytes read in order, each read checked against the file's end and GGUF's limits.

Numbers, strings and counts live here, and the errors that say where in the file something is wrong; what the
numbers are for is `gguf`'s business.

The file is read through a small window, so memory does not grow with its size. It is not mapped: a mapped
file that another program cuts short kills the process that reads it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Never

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError
from stardraftd.gguf.header import Scalar, ValueType
from stardraftd.gguf.lookalikes import DOWNLOAD_AGAIN

MAX_STRING_BYTES = 1024 * 1024
MAX_HEADER_BYTES = 32 * 1024 * 1024  # twice that of the largest vocabularies, merges included

_WINDOW_BYTES = 256 * 1024
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
FIXED = {
    ValueType.UINT8: struct.Struct("<B"),
    ValueType.INT8: struct.Struct("<b"),
    ValueType.UINT16: struct.Struct("<H"),
    ValueType.INT16: struct.Struct("<h"),
    ValueType.UINT32: _U32,
    ValueType.INT32: struct.Struct("<i"),
    ValueType.FLOAT32: struct.Struct("<f"),
    ValueType.BOOL: struct.Struct("<B"),
    ValueType.UINT64: _U64,
    ValueType.INT64: struct.Struct("<q"),
    ValueType.FLOAT64: struct.Struct("<d"),
}


class ByteReader:
    """Reads from the beginning of `file`. `where` is set by its user: what is being read, for a user.

    Every method raises ModelFormatError when the file ends too early or a limit is passed, and OSError when
    the file cannot be read.
    """

    def __init__(self, file: BinaryIO, path: Path, size_bytes: int) -> None:
        self._file = file
        self._path = path
        self._size_bytes = size_bytes
        self._window = b""
        self._window_offset = 0  # of the window's first byte, in the file
        self._position = 0  # in the window
        self.where = "the header"

    @property
    def offset(self) -> int:
        """Where the next read begins, in bytes from the file's beginning."""
        return self._window_offset + self._position

    def take(self, n: int) -> bytes:
        """The next `n` bytes."""
        self._need(n)
        start = self._position
        self._position += n
        return self._window[start : self._position]

    def skip(self, n: int) -> None:
        """Goes on by `n` bytes without reading them."""
        if self._position + n <= len(self._window):
            self._position += n
            return
        self._reach(n)
        self._window_offset += self._position + n
        self._window = b""
        self._position = 0
        self._file.seek(self._window_offset)

    def u32(self) -> int:
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u64(self) -> int:
        value: int = _U64.unpack(self.take(8))[0]
        return value

    def count(self, limit: int, what: str) -> int:
        """A number of things that follow; at most `limit`."""
        start = self.offset
        n = self.u64()
        if n > limit:
            self.fail(start, f"it says that there are {n:,} {what}; at most {limit:,} are allowed")
        return n

    def value_type(self) -> ValueType:
        start = self.offset
        number = self.u32()
        try:
            return ValueType(number)
        except ValueError:
            self.fail(start, f"{number:,} is not a type of value")

    def scalar(self, value_type: ValueType) -> Scalar:
        """A value of any type but ARRAY. Strings of people (descriptions, templates) need not be UTF-8."""
        if value_type is ValueType.STRING:
            return next(self.strings(1, MAX_STRING_BYTES)).decode("utf-8", "replace")
        start = self.offset
        layout = FIXED[value_type]
        value: int | float = layout.unpack(self.take(layout.size))[0]
        if value_type is not ValueType.BOOL:
            return value
        if value not in (0, 1):
            self.fail(start, f"a BOOL is 0 or 1, not {value}")
        return bool(value)

    def name(self, limit: int, what: str) -> str:
        """A key or a tensor's name, at most `limit` bytes of printable ASCII.

        llama.cpp compares names as C strings: one with a NUL in it would be another name there.
        """
        start = self.offset
        raw = next(self.strings(1, limit))
        if not raw or not all(0x21 <= byte <= 0x7E for byte in raw):
            self.fail(start, f"{what} has to be printable ASCII, not {raw[:40]!r}")
        return raw.decode("ascii")

    def strings(self, n: int, limit: int) -> Iterator[bytes]:
        """The next `n` strings, each of at most `limit` bytes.

        This is where the time goes (a vocabulary and its merges have 100,000 of them).
        """
        unpack = _U64.unpack_from
        for _ in range(n):
            if self._position + 8 > len(self._window):
                self._need(8)
            length = unpack(self._window, self._position)[0]
            if length > limit:
                self.fail(
                    self.offset,
                    f"a string's length is {counted(length, 'byte')}; at most {limit:,} are allowed",
                )
            self._position += 8
            end = self._position + length
            if end > len(self._window):
                self._need(length)
                end = self._position + length
            text = self._window[self._position : end]
            self._position = end
            yield text

    def _need(self, n: int) -> None:
        """Makes sure that the window holds `n` more bytes; what was read of it is let go."""
        if self._position + n <= len(self._window):
            return
        self._reach(n)
        left = self._window[self._position :]
        self._window_offset += self._position
        self._window = left + self._file.read(max(n - len(left), _WINDOW_BYTES))
        self._position = 0
        if len(self._window) < n:
            raise self.truncated(n - len(self._window))

    def _reach(self, n: int) -> None:
        """Fails unless the file and the header's limit have `n` more bytes."""
        end = self.offset + n
        if end > MAX_HEADER_BYTES:
            self.fail(self.offset, f"the header would go on past {MAX_HEADER_BYTES:,} bytes")
        if end > self._size_bytes:
            raise self.truncated(end - self._size_bytes)

    def fail(self, offset: int, what: str) -> Never:
        """Raises the error for something wrong at `offset`."""
        raise ModelFormatError(
            f"{self._path} is damaged: at byte {offset:,}, in {self.where}: {what}.", DOWNLOAD_AGAIN
        )

    def truncated(self, missing: int, *, exactly: bool = False) -> ModelFormatError:
        """The error for a file that ends `missing` bytes too early, or at least that many."""
        least = "" if exactly else "at least "
        n = f"{counted(missing, 'byte')} {'is' if missing == 1 else 'are'}"
        return ModelFormatError(
            f"{self._path} is truncated: it ends after {counted(self._size_bytes, 'byte')}, in {self.where}; "
            f"{least}{n} missing.",
            "The download or copy stopped early. " + DOWNLOAD_AGAIN,
        )
