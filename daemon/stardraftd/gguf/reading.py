"""Reads and checks a GGUF's header before llama.cpp may open the file.

llama.cpp's loader trusts more than a downloaded file deserves: it aborts the process on some bad metadata
and has had memory-safety bugs. So everything that it acts on is read here first, in Python, where the worst
outcome is an exception, within limits that real models never reach. What the values mean together
(hyper-parameters, vocabulary, tensor types) is `gguf_checks`' work.
"""

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelNotFoundError
from stardraftd.gguf.byte_reader import FIXED, MAX_STRING_BYTES, ByteReader
from stardraftd.gguf.checks import check_header, check_vocabulary
from stardraftd.gguf.fim_tokens import KNOWN_TEXTS
from stardraftd.gguf.header import (
    MERGES_KEY,
    SCORES_KEY,
    TOKEN_TYPES_KEY,
    TOKENS_KEY,
    WEIGHT_TYPES,
    Header,
    SpecialToken,
    TensorInfo,
    TokenType,
    Value,
    ValueType,
)
from stardraftd.gguf.lookalikes import DOWNLOAD_AGAIN, HEAD_BYTES, not_a_gguf

__all__ = ["Header", "SpecialToken", "TensorInfo", "TokenType", "read_header"]

MAX_TENSORS = 4096
MAX_KEYS = 1024
MAX_KEY_BYTES = 256
MAX_TOKEN_BYTES = 4096
MAX_VOCABULARY = 262_144
MAX_ARRAY_LENGTH = 1_048_576
MAX_NAME_BYTES = 63  # ggml's tensors have room for that
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 4096
DEFAULT_ALIGNMENT = 32
KEPT_ARRAY_LENGTH = 64

# llama.cpp takes the data of these as arrays of exactly this type.
_ARRAY_TYPES = {
    TOKENS_KEY: ValueType.STRING,
    MERGES_KEY: ValueType.STRING,
    SCORES_KEY: ValueType.FLOAT32,
    TOKEN_TYPES_KEY: ValueType.INT32,
}


def read_header(path: Path) -> Header:
    """Reads and checks the header of the GGUF at `path`; its weights are not looked at.

    Raises ModelNotFoundError (no such file, not a file, not readable), ModelFormatError (not a GGUF,
    truncated, damaged, or outside the limits) or ModelUnsupportedError (a sound GGUF, but not of a model
    that can be run here). Whatever the bytes are, nothing else is raised.
    """
    with _open(path) as file:
        try:
            size_bytes = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            if head[:4] != b"GGUF":
                raise not_a_gguf(path, head, size_bytes)
            file.seek(0)
            return _HeaderReader(file, path, size_bytes).read()
        except OSError as error:
            raise ModelNotFoundError(
                f"{path} could not be read: {error.strerror or error}.",
                "Check the disk or network drive that the file is on.",
            ) from error


def _open(path: Path) -> BinaryIO:
    hint = "Name a .gguf file that is there; `stardraft model list` shows the models that are here."
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ModelNotFoundError(f"{path} is a directory, not a model file.", _directory_hint(path))
        # Not blocking: opening a pipe that somebody put in the file's place must not wait for its writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        if stat.S_ISREG(kind):
            descriptor = os.open(path, flags)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.fdopen(descriptor, "rb")
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFoundError(f"There is no model file at {path}.", hint) from None
    except PermissionError:
        raise ModelNotFoundError(
            f"{path} may not be read by this user.", f"Make it readable, for example with `chmod u+r {path}`."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ModelNotFoundError(f"{str(path)!r} could not be opened: {error}.", hint) from error
    raise ModelNotFoundError(f"{path} is not a regular file.", hint)


def _directory_hint(path: Path) -> str:
    try:
        inside = next(path.glob("*.gguf"), None)
    except OSError:
        inside = None
    if inside is None:
        return "Name a .gguf file; `stardraft model list` shows the models that are here."
    return f"Name a file in it, such as {inside}."


class _HeaderReader:
    """Reads one header, front to back."""

    def __init__(self, file: BinaryIO, path: Path, size_bytes: int) -> None:
        self._bytes = ByteReader(file, path, size_bytes)
        self._path = path
        self._size_bytes = size_bytes
        self._metadata: dict[str, Value] = {}
        self._array_lengths: dict[str, int] = {}
        self._token_ids: dict[bytes, int] = {}  # the vocabulary; it lives as long as this reader
        self._token_types: tuple[int, ...] = ()

    def read(self) -> Header:
        self._bytes.take(4)  # the magic
        version = self._bytes.u32()
        if version not in (2, 3):
            raise self._bad_version(version)
        n_tensors = self._bytes.count(MAX_TENSORS, "tensors")
        n_keys = self._bytes.count(MAX_KEYS, "metadata keys")
        for index in range(n_keys):
            self._read_key_value(index)
        alignment = self._alignment()
        tensors = self._read_tensors(n_tensors, alignment)
        data_offset = _padded(self._bytes.offset, alignment)
        header = Header(
            version=version,
            metadata=self._metadata,
            array_lengths=self._array_lengths,
            special_tokens=self._special_tokens(),
            tensors=tensors,
            data_offset=data_offset,
            file_size_bytes=self._size_bytes,
        )
        check_vocabulary(header, self._path, self._token_ids)
        check_header(header, self._path)
        if tensors:
            end = data_offset + tensors[-1].offset + tensors[-1].size_bytes
            if end > self._size_bytes:
                self._bytes.where = f"the weights (tensor '{self._tensor_at_the_cut(tensors, data_offset)}')"
                raise self._bytes.truncated(end - self._size_bytes, exactly=True)
        return header

    # --- metadata ---------------------------------------------------------------------------------

    def _read_key_value(self, index: int) -> None:
        self._bytes.where = f"metadata key {index + 1}"
        start = self._bytes.offset
        key = self._bytes.name(MAX_KEY_BYTES, "a key")
        if key in self._metadata or key in self._array_lengths:
            self._bytes.fail(start, f"the key '{key}' stands in it twice")
        self._bytes.where = f"the value of key '{key}'"
        value_type = self._bytes.value_type()
        if key == "general.alignment" and value_type is not ValueType.UINT32:
            self._bytes.fail(start, f"it has to be a UINT32, not a {value_type.name}")
        if value_type is ValueType.ARRAY:
            self._read_array(key)
        elif key in _ARRAY_TYPES:
            self._bytes.fail(start, f"it has to be an array, not a {value_type.name}")
        else:
            self._metadata[key] = self._bytes.scalar(value_type)

    def _read_array(self, key: str) -> None:
        start = self._bytes.offset
        item_type = self._bytes.value_type()
        if item_type is ValueType.ARRAY:
            self._bytes.fail(start, "it is an array of arrays; no model needs one")
        wanted = _ARRAY_TYPES.get(key, item_type)
        if item_type is not wanted:
            self._bytes.fail(start, f"it has to be an array of {wanted.name}, not of {item_type.name}")
        limit = MAX_VOCABULARY if key in (TOKENS_KEY, TOKEN_TYPES_KEY, SCORES_KEY) else MAX_ARRAY_LENGTH
        n = self._bytes.count(limit, "entries")
        self._array_lengths[key] = n
        if key == TOKENS_KEY:
            self._read_tokens(n)
        elif key == TOKEN_TYPES_KEY:
            self._token_types = struct.unpack(f"<{n}i", self._bytes.take(4 * n))
            if not set(self._token_types) <= set(TokenType):
                self._bytes.fail(start, f"it has a token type outside 0 to {max(TokenType)}")
        elif n <= KEPT_ARRAY_LENGTH:
            self._metadata[key] = tuple(self._bytes.scalar(item_type) for _ in range(n))
        elif item_type is ValueType.STRING:
            for _ in self._bytes.strings(n, MAX_STRING_BYTES):
                pass
        elif item_type is ValueType.BOOL:
            if self._bytes.take(n).strip(b"\0\1"):
                self._bytes.fail(start, "a BOOL in it is neither 0 nor 1")
        else:
            self._bytes.skip(n * FIXED[item_type].size)

    def _read_tokens(self, n: int) -> None:
        start = self._bytes.offset
        ids = self._token_ids
        for index, text in enumerate(self._bytes.strings(n, MAX_TOKEN_BYTES)):
            # llama.cpp gives an empty token this name, and aborts if two tokens have one text.
            text = text or b"[EMPTY_%d]" % index  # noqa: PLW2901
            if ids.setdefault(text, index) != index:
                shown = text[:40].decode("utf-8", "replace")
                self._bytes.fail(start, f"tokens {ids[text]} and {index} have the same text {shown!r}")
        try:
            # One decoding for all of them: NUL cannot be part of a longer character, so joining keeps
            # a broken one broken. Texts end at a NUL for llama.cpp, so there may be none within.
            whole = b"\0".join(ids)
            whole.decode("utf-8")
        except UnicodeDecodeError as error:
            index = whole.count(b"\0", 0, error.start)
            self._bytes.fail(start, f"the text of token {index} is not UTF-8")
        if n and whole.count(b"\0") != n - 1:
            index = next(index for text, index in ids.items() if b"\0" in text)
            self._bytes.fail(start, f"the text of token {index} has a NUL in it")

    def _special_tokens(self) -> dict[int, SpecialToken]:
        wanted = {self._token_ids[text] for text in KNOWN_TEXTS if text in self._token_ids}
        wanted |= {
            value
            for key, value in self._metadata.items()
            if key.endswith("_token_id") and isinstance(value, int)
        }
        types = self._token_types
        return {
            index: SpecialToken(text.decode("utf-8"), TokenType(types[index]) if index < len(types) else None)
            for text, index in self._token_ids.items()
            if index in wanted
        }

    def _alignment(self) -> int:
        alignment = self._metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        assert isinstance(alignment, int)  # _read_key_value lets nothing else pass
        if not DEFAULT_ALIGNMENT <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            self._bytes.where = "the value of key 'general.alignment'"
            self._bytes.fail(
                self._bytes.offset,
                f"{alignment:,} is not a power of two from {DEFAULT_ALIGNMENT} to {MAX_ALIGNMENT:,}",
            )
        return alignment

    # --- tensors ----------------------------------------------------------------------------------

    def _read_tensors(self, n: int, alignment: int) -> tuple[TensorInfo, ...]:
        tensors: list[TensorInfo] = []
        names: set[str] = set()
        expected_offset = 0
        for index in range(n):
            self._bytes.where = f"the description of tensor {index + 1}"
            start = self._bytes.offset
            tensor = self._tensor()
            if tensor.name in names:
                self._bytes.fail(start, f"a second tensor is named '{tensor.name}'")
            if tensor.offset != expected_offset:
                self._bytes.fail(
                    start,
                    f"its data is said to begin {counted(tensor.offset, 'byte')} into the weights, "
                    f"but the tensors before it end at {expected_offset:,}",
                )
            expected_offset = _padded(tensor.offset + tensor.size_bytes, alignment)
            names.add(tensor.name)
            tensors.append(tensor)
        return tuple(tensors)

    def _tensor(self) -> TensorInfo:
        start = self._bytes.offset
        name = self._bytes.name(MAX_NAME_BYTES, "a tensor's name")
        self._bytes.where = f"the description of tensor '{name}'"
        n_dimensions = self._bytes.u32()
        if not 1 <= n_dimensions <= MAX_DIMENSIONS:
            self._bytes.fail(
                start, f"it has {counted(n_dimensions, 'dimension')}; 1 to {MAX_DIMENSIONS} are possible"
            )
        shape = tuple(self._bytes.u64() for _ in range(n_dimensions))
        number = self._bytes.u32()
        offset = self._bytes.u64()
        if number not in WEIGHT_TYPES:
            self._bytes.fail(start, f"{number:,} is not a type that weights are stored in")
        type_name, block_length, block_bytes = WEIGHT_TYPES[number]
        elements = 1
        for length in shape:
            elements *= length
        if not 0 < elements < 2**48:
            self._bytes.fail(start, f"its shape {list(shape)} is not one that a model can have")
        if shape[0] % block_length:
            self._bytes.fail(
                start, f"rows of {shape[0]:,} cannot be cut into blocks of {block_length} ({type_name})"
            )
        return TensorInfo(name, shape, type_name, offset, elements // block_length * block_bytes)

    def _tensor_at_the_cut(self, tensors: tuple[TensorInfo, ...], data_offset: int) -> str:
        present = self._size_bytes - data_offset
        return next(tensor.name for tensor in tensors if tensor.offset + tensor.size_bytes > present)

    def _bad_version(self, version: int) -> ModelFormatError:
        if version & 0xFFFF == 0:
            return ModelFormatError(
                f"{self._path} is a GGUF for big-endian machines, which this program cannot read.",
                "Download or convert a little-endian one; nearly all are.",
            )
        if version == 1:
            return ModelFormatError(
                f"{self._path} is a GGUF of version 1, which llama.cpp no longer reads.",
                "Convert the model again, or download a newer file of it.",
            )
        return ModelFormatError(
            f"{self._path} is a GGUF of version {version:,}; versions 2 and 3 can be read.",
            "If the file is newer than this program, update stardraft. Otherwise: " + DOWNLOAD_AGAIN,
        )


def _padded(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
