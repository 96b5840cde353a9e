"""An importance matrix as a file: llama.cpp's GGUF form, read and written, and its older `.dat` form, read.

For every weight matrix it has, for each column, the sum of the squares of the activations that met it, and
how many activations those were. Where the numbers come from is `imatrix`'s work; what they are used for,
`quantize`'s. The formats: tools/imatrix/README.md and common/imatrix-loader.cpp in llama.cpp.

A file may come from anywhere, and llama.cpp's own reader trusts it: here sizes, names and numbers are
checked.
"""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelNotFoundError
from stardraftd.gguf.byte_reader import ByteReader
from stardraftd.gguf.header import Value, ValueType
from stardraftd.gguf.reading import Header

MAX_ENTRIES = 4096
MAX_KEYS = 64
MAX_DATASETS = 1024
MAX_NAME_BYTES = 63  # ggml's tensors have room for that
MAX_ENTRY_VALUES = 1 << 26
MAX_FILE_BYTES = 1 << 31
MAX_COUNT = 1 << 53
COMPUTE_AGAIN = "Compute it again with `stardraft quant imatrix`, or with llama.cpp's llama-imatrix."

_ALIGNMENT = 32
_F32 = 0
_SUMS, _COUNTS = ".in_sum2", ".counts"
_DATASETS, _CHUNKS, _CHUNK_TOKENS = "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"


class Entry(Struct, frozen=True):
    """One weight matrix, or as many as there are experts in it.

    sums:   (matrices, columns), float32: sums of squares.
    counts: (1,) or (matrices,), int64: how many activations each sum is of.
    """

    sums: NDArray[np.float32]
    counts: NDArray[np.int64]


class ImportanceMatrix(Struct, frozen=True):
    """A whole file. `entries` are by the weights' names; `datasets` say what it was computed from.

    legacy: from a `.dat` file, whose sums are means times the number of chunks, and its counts that number.
    """

    entries: Mapping[str, Entry]
    datasets: tuple[str, ...]
    n_chunks: int
    chunk_tokens: int
    legacy: bool = False

    def importances(self) -> dict[str, NDArray[np.float32]]:
        """Mean squares by the weights' names, flat: just as llama-quantize hands them to the quantizer.

        An expert that met no activation counts 1 everywhere.
        """
        return {name: self._mean(entry) for name, entry in self.entries.items()}

    def _mean(self, entry: Entry) -> NDArray[np.float32]:
        counts = entry.counts.astype(np.float32)[:, None]
        mean = (entry.sums / np.where(counts > 0, counts, 1)).astype(np.float32)
        if not self.legacy:
            mean[entry.counts == 0] = 1
        return mean.reshape(-1)


def read_imatrix(path: Path) -> ImportanceMatrix:
    """Reads and checks a file of either form.

    Raises ModelNotFoundError, or ModelFormatError for a file that is not one, is damaged, or has numbers in
    it that cannot be sums of squares.
    """
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > MAX_FILE_BYTES:
                _wrong(path, f"{counted(size_bytes, 'byte')} are too many for one")
            magic = file.read(4)
            file.seek(0)
            reader = _GgufReader if magic == b"GGUF" else _LegacyReader
            return reader(file, path, size_bytes).read()
    except ModelFormatError as error:
        raise ModelFormatError(error.message, COMPUTE_AGAIN) from error
    except OSError as error:
        raise ModelNotFoundError(
            f"The importance matrix {path} could not be read: {error.strerror or error}.", COMPUTE_AGAIN
        ) from error


def _wrong(path: Path, why: str) -> NoReturn:
    raise ModelFormatError(f"{path} is not a usable importance matrix: {why}.", COMPUTE_AGAIN)


class _Info(Struct, frozen=True):
    shape: tuple[int, ...]
    offset: int


class _GgufReader:
    """The GGUF form: `X.in_sum2` (columns, matrices) and `X.counts` (1, matrices) for every weight X."""

    def __init__(self, file: BinaryIO, path: Path, size_bytes: int) -> None:
        self._file, self._path, self._size_bytes = file, path, size_bytes
        self._bytes = ByteReader(file, path, size_bytes)

    def read(self) -> ImportanceMatrix:
        self._bytes.take(4)
        if (version := self._bytes.u32()) not in (2, 3):
            _wrong(self._path, f"GGUF version {version} is not known here")
        n_tensors = self._bytes.count(2 * MAX_ENTRIES, "tensors")
        n_keys = self._bytes.count(MAX_KEYS, "metadata keys")
        metadata = dict(self._key_value() for _ in range(n_keys))
        self._check_kind(metadata)
        infos: dict[str, _Info] = {}
        for _ in range(n_tensors):
            name, info = self._tensor()
            if name in infos:
                _wrong(self._path, f"'{name}' is in it twice")
            infos[name] = info
        data = -(-self._bytes.offset // _ALIGNMENT) * _ALIGNMENT
        entries = {
            name.removesuffix(_SUMS): self._entry(name.removesuffix(_SUMS), infos, data)
            for name in infos
            if name.endswith(_SUMS)
        }
        if not entries or len(entries) * 2 != len(infos):
            _wrong(self._path, "its tensors are not pairs of sums and counts")
        datasets = metadata.get(_DATASETS)
        return ImportanceMatrix(
            entries,
            tuple(str(one) for one in datasets) if isinstance(datasets, tuple) else (),
            self._integer(metadata, _CHUNKS),
            self._integer(metadata, _CHUNK_TOKENS),
        )

    def _check_kind(self, metadata: Mapping[str, Value]) -> None:
        kind = str(metadata.get("general.type", "model"))[:40]
        if kind != "imatrix":
            _wrong(self._path, f"it is a GGUF of another kind (general.type is {kind!r})")
        if metadata.get("general.alignment", _ALIGNMENT) != _ALIGNMENT:
            _wrong(self._path, f"its alignment is not {_ALIGNMENT}")
        for key in (_DATASETS, _CHUNKS, _CHUNK_TOKENS):
            if key not in metadata:
                _wrong(self._path, f"the key '{key}' is missing")

    def _integer(self, metadata: Mapping[str, Value], key: str) -> int:
        value = metadata[key]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
            _wrong(self._path, f"the key '{key}' is {str(value)[:40]}")
        return value

    def _key_value(self) -> tuple[str, Value]:
        key = self._bytes.name(256, "a key")
        self._bytes.where = f"the key '{key}'"
        kind = self._bytes.value_type()
        if kind is not ValueType.ARRAY:
            return key, self._bytes.scalar(kind)
        element = self._bytes.value_type()
        if key != _DATASETS or element is not ValueType.STRING:
            _wrong(self._path, f"it is a GGUF of another kind (it has the array '{key}')")
        n = self._bytes.count(MAX_DATASETS, "entries")
        return key, tuple(self._bytes.scalar(element) for _ in range(n))

    def _tensor(self) -> tuple[str, _Info]:
        name = self._bytes.name(MAX_NAME_BYTES, "a tensor's name")
        self._bytes.where = f"the tensor '{name}'"
        n_dimensions = self._bytes.u32()
        if not 1 <= n_dimensions <= 4:
            _wrong(self._path, f"'{name}' has {counted(n_dimensions, 'dimension')}")
        shape = tuple(self._bytes.u64() for _ in range(n_dimensions))
        size = 1
        for length in shape:
            size *= length
        if self._bytes.u32() != _F32:
            _wrong(self._path, f"'{name}' is not F32")
        if not 1 <= size <= MAX_ENTRY_VALUES:
            _wrong(self._path, f"'{name}' has {counted(size, 'value')}")
        return name, _Info(shape, self._bytes.u64())

    def _entry(self, name: str, infos: Mapping[str, _Info], data: int) -> Entry:
        if name + _COUNTS not in infos:
            _wrong(self._path, f"'{name}' has sums and no counts")
        sums = self._values(name + _SUMS, infos, data)
        counts = self._values(name + _COUNTS, infos, data)
        if len(sums) % len(counts):
            _wrong(self._path, f"'{name}' has {len(sums):,} sums and {len(counts):,} counts")
        if counts.max() > MAX_COUNT:
            _wrong(self._path, f"a count of '{name}' is {counts.max():.3g}")
        return Entry(sums.reshape(len(counts), -1), np.rint(counts).astype(np.int64))

    def _values(self, name: str, infos: Mapping[str, _Info], data: int) -> NDArray[np.float32]:
        info = infos[name]
        n = int(np.prod(info.shape, dtype=np.int64))
        if info.offset % _ALIGNMENT or data + info.offset + 4 * n > self._size_bytes:
            _wrong(self._path, f"the file ends before the values of '{name}'; it is truncated")
        self._file.seek(data + info.offset)
        return _checked(self._path, name, self._file.read(4 * n), n)


def _checked(path: Path, name: str, raw: bytes, n: int) -> NDArray[np.float32]:
    if len(raw) != 4 * n:
        _wrong(path, f"the file ends in the values of '{name}'; it is truncated")
    values = np.frombuffer(raw, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        _wrong(path, f"'{name}' has values that are not finite")
    if values.min() < 0:
        _wrong(path, f"'{name}' has negative values")
    return values


class _LegacyReader:
    """The `.dat` form: int32 counts, names and float32 values one after another; no magic to know it by."""

    def __init__(self, file: BinaryIO, path: Path, size_bytes: int) -> None:
        self._file, self._path, self._left = file, path, size_bytes

    def read(self) -> ImportanceMatrix:
        n_entries = self._i32("number of entries", 1, MAX_ENTRIES)
        entries: dict[str, Entry] = {}
        for _ in range(n_entries):
            name = self._name()
            n_chunks = self._i32(f"number of chunks of '{name}'", 0, (1 << 31) - 1)
            n_values = self._i32(f"number of values of '{name}'", 1, MAX_ENTRY_VALUES)
            values = _checked(self._path, name, self._take(4 * n_values), n_values)
            if name in entries:
                _wrong(self._path, f"'{name}' is in it twice")
            entries[name] = Entry(values.reshape(1, -1), np.array([n_chunks], np.int64))
        n_chunks = 0
        datasets: tuple[str, ...] = ()
        if self._left:  # older ones end here
            n_chunks = self._i32("number of chunks", 0, (1 << 31) - 1)
            datasets = self._dataset()
        return ImportanceMatrix(entries, datasets, n_chunks, 0, legacy=True)

    def _dataset(self) -> tuple[str, ...]:
        if not self._left:
            return ()
        n = self._i32("length of the data set's name", 0, 65_536)
        return (self._take(n).decode("utf-8", "replace"),) if n else ()

    def _name(self) -> str:
        raw = self._take(self._i32("length of a name", 1, MAX_NAME_BYTES))
        if not all(0x21 <= byte <= 0x7E for byte in raw):
            _wrong(self._path, f"a name in it is {raw[:40]!r}")
        return raw.decode("ascii")

    def _i32(self, what: str, least: int, greatest: int) -> int:
        value: int = struct.unpack("<i", self._take(4))[0]
        if not least <= value <= greatest:
            _wrong(self._path, f"the {what} is {value:,}")
        return value

    def _take(self, n: int) -> bytes:
        if n > self._left:
            _wrong(self._path, "it is neither a GGUF nor a whole file of the older form")
        self._left -= n
        return self._file.read(n)


def write_imatrix(path: Path, matrix: ImportanceMatrix) -> None:
    """Writes `matrix` to `path` in the GGUF form, with the same bytes that llama-imatrix would write.

    Raises OSError. `matrix` may not be of the older form.
    """
    if matrix.legacy:
        raise ValueError("means cannot be written as sums")
    header = [struct.pack("<4sIQQ", b"GGUF", 3, 2 * len(matrix.entries), 4)]
    header += [_string("general.type"), struct.pack("<I", ValueType.STRING), _string("imatrix")]
    header += [
        _string(_DATASETS),
        struct.pack("<IIQ", ValueType.ARRAY, ValueType.STRING, len(matrix.datasets)),
    ]
    header += [_string(dataset) for dataset in matrix.datasets]
    for key, value in ((_CHUNKS, matrix.n_chunks), (_CHUNK_TOKENS, matrix.chunk_tokens)):
        header += [_string(key), struct.pack("<II", ValueType.UINT32, value)]
    data: list[bytes] = []
    offset = 0
    for name, entry in sorted(matrix.entries.items()):
        n_matrices = len(entry.counts)
        sums, counts = entry.sums.astype("<f4").tobytes(), entry.counts.astype("<f4").tobytes()
        for suffix, columns, raw in (
            (_SUMS, entry.sums.size // n_matrices, sums),
            (_COUNTS, 1, counts),
        ):
            shape = (columns, n_matrices) if n_matrices > 1 else (columns,)
            header += [_string(name + suffix), struct.pack("<I", len(shape))]
            header += [struct.pack("<Q", length) for length in shape]
            header += [struct.pack("<IQ", _F32, offset)]
            data.append(raw + bytes(-len(raw) % _ALIGNMENT))
            offset += len(data[-1])
    head = b"".join(header)
    with path.open("wb") as file:
        file.write(head + bytes(-len(head) % _ALIGNMENT))
        file.writelines(data)


def _string(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return struct.pack("<Q", len(raw)) + raw


def check_fits(matrix: ImportanceMatrix, path: Path, header: Header) -> None:
    """Raises ModelFormatError when an importance matrix is not of the model with this header."""
    rows = {tensor.name: tensor.shape for tensor in header.tensors if len(tensor.shape) > 1}
    if not rows.keys() & matrix.entries.keys():
        raise ModelFormatError(
            f"{path} is the importance matrix of another model: it has none of this model's weights.",
            COMPUTE_AGAIN,
        )
    for name, entry in matrix.entries.items():
        shape = rows.get(name)
        if shape is None:
            continue  # llama.cpp passes over these too
        wanted = shape[0] * (shape[2] if len(shape) > 2 else 1)
        if entry.sums.size != wanted:
            raise ModelFormatError(
                f"{path} is the importance matrix of another model: it has "
                f"{counted(entry.sums.size, 'value')} for "
                f"'{name}', which here has {wanted:,} columns.",
                COMPUTE_AGAIN,
            )
