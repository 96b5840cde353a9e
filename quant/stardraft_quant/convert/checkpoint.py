"""A Hugging Face checkpoint's folder: which files its weights are in, and where in them each tensor stands.

The folder is untrusted. The `safetensors` library checks each file's header (sizes, offsets without holes,
types); here is what it does not: which files an index may name, that each tensor is where the index says,
and limits. What the tensors mean is `architecture`'s work, their numbers `values`'.
"""

import json
import math
from pathlib import Path
from typing import Any

from msgspec import Struct
from safetensors import SafetensorError, safe_open

from stardraft_quant.convert.json_file import DOWNLOAD_AGAIN, read_object
from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelNotFoundError, ModelUnsupportedError

CONFIG = "config.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_CONFIG_BYTES = 1 << 20
MAX_INDEX_BYTES = 16 << 20
MAX_HEADER_BYTES = 16 << 20
MAX_TENSORS = 4096
MAX_SHARDS = 1024

# The types that are read, by safetensors' names, with the bytes of a number.
TYPES = {"F32": 4, "F16": 2, "BF16": 2}


class StoredTensor(Struct, frozen=True):
    """A tensor as it is stored: `offset` in bytes from the file's beginning, `shape` rows first."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    @property
    def n_values(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.n_values * TYPES[self.dtype]


class Checkpoint(Struct, frozen=True):
    """A checkpoint whose files are there and sound. `tensors`: file by file, in each by name."""

    folder: Path
    config: dict[str, Any]
    files: tuple[Path, ...]
    tensors: tuple[StoredTensor, ...]


def open_checkpoint(folder: Path) -> Checkpoint:
    """Reads the configuration and the headers of the weights; the weights themselves are not read.

    Raises ModelNotFoundError (no folder, a file missing), ModelFormatError (damaged, or a file that names
    what it may not) or ModelUnsupportedError (weights in another format).
    """
    if not folder.is_dir():
        raise ModelNotFoundError(
            f"There is no folder {folder}.",
            "Name the folder that config.json and the .safetensors files are in.",
        )
    config = read_object(folder / CONFIG, MAX_CONFIG_BYTES)
    weight_map = _weight_map(folder)
    files = sorted(set(weight_map.values())) if weight_map is not None else [SINGLE]
    paths = [folder / name for name in files]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise _missing_files(folder, missing)
    tensors: dict[str, StoredTensor] = {}
    for path in paths:
        for tensor in _read_header(path):
            if tensor.name in tensors:
                raise ModelFormatError(
                    f"The tensor '{tensor.name[:80]}' is in two files, {path.name} and "
                    f"{tensors[tensor.name].file.name}.",
                    DOWNLOAD_AGAIN,
                )
            tensors[tensor.name] = tensor
    if len(tensors) > MAX_TENSORS:
        raise ModelFormatError(f"{folder} has more than {MAX_TENSORS:,} tensors.", DOWNLOAD_AGAIN)
    if weight_map is not None:
        _check_index(folder, weight_map, tensors)
    return Checkpoint(folder=folder, config=config, files=tuple(paths), tensors=tuple(tensors.values()))


def _weight_map(folder: Path) -> dict[str, str] | None:
    """Tensor name to file name; None for a checkpoint in one file."""
    path = folder / INDEX
    if not path.exists():
        return None
    weight_map = read_object(path, MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelFormatError(f"{path} has no 'weight_map'.", DOWNLOAD_AGAIN)
    for name in weight_map.values():
        if not _is_plain_file_name(name):
            raise ModelFormatError(
                f"{path} names the file {str(name)[:80]!r}; "
                "it may only name .safetensors files that are in the same folder.",
                "Do not use this checkpoint: an index that points elsewhere was not made by a usual program.",
            )
    if len(set(weight_map.values())) > MAX_SHARDS:
        raise ModelFormatError(f"{path} names more than {MAX_SHARDS:,} files.", DOWNLOAD_AGAIN)
    return weight_map


def _is_plain_file_name(name: object) -> bool:
    # Links are followed (the Hub's cache is made of them), so the name itself has to be harmless.
    return (
        isinstance(name, str)
        and name.endswith(".safetensors")
        and not name.startswith(".")
        and len(name) <= 255
        and name.isprintable()
        and not any(character in name for character in "/\\:")
    )


def _missing_files(folder: Path, missing: list[str]) -> ModelNotFoundError | ModelUnsupportedError:
    if missing == [SINGLE]:
        if next(folder.glob("*.bin"), None) or next(folder.glob("*.pt"), None):
            return ModelUnsupportedError(
                f"{folder} has its weights as PyTorch files (pickles), which can run any program when read.",
                "Use a revision of the checkpoint with .safetensors files.",
            )
        return ModelNotFoundError(
            f"There is neither {SINGLE} nor {INDEX} in {folder}.",
            "Name the folder of a whole Hugging Face checkpoint.",
        )
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return ModelNotFoundError(
        f"Files of the checkpoint are missing in {folder}: {named}.",
        "Finish its download, then convert again.",
    )


def _read_header(path: Path) -> list[StoredTensor]:
    """The tensors of one file, ordered by name."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise ModelNotFoundError(
            f"{path} could not be read: {error.strerror or error}.", "Check that you may read it."
        ) from error
    if size_bytes < 8 or header_bytes > min(size_bytes - 8, MAX_HEADER_BYTES):
        raise ModelFormatError(
            f"{path} is not a whole safetensors file: it says that its header has "
            f"{counted(header_bytes, 'byte')}; "
            f"the file has {size_bytes:,}.",
            DOWNLOAD_AGAIN,
        )
    try:
        with safe_open(path, framework="np") as checked:
            names = set(checked.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFormatError(f"{path} is not a sound safetensors file: {error}.", DOWNLOAD_AGAIN) from error
    header = _header_object(path, header_bytes)
    if set(header) - {"__metadata__"} != names:
        raise ModelFormatError(f"The header of {path} is ambiguous.", DOWNLOAD_AGAIN)
    return [_stored(path, name, header[name], 8 + header_bytes, size_bytes) for name in sorted(names)]


def _header_object(path: Path, header_bytes: int) -> dict[str, Any]:
    with path.open("rb") as file:
        file.seek(8)
        content = file.read(header_bytes)
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"The header of {path} is not JSON: {error}.", DOWNLOAD_AGAIN) from error
    if not isinstance(header, dict):
        raise ModelFormatError(f"The header of {path} is not a JSON object.", DOWNLOAD_AGAIN)
    return header


def _stored(path: Path, name: str, entry: Any, data_offset: int, file_bytes: int) -> StoredTensor:
    """One entry of a header that the library has accepted; what is relied on here is checked again."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        numbers = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    except (KeyError, TypeError, ValueError):
        numbers = False
    if not numbers:
        raise ModelFormatError(f"{path}: the header's entry of '{name[:80]}' is damaged.", DOWNLOAD_AGAIN)
    if dtype not in TYPES:
        raise ModelUnsupportedError(
            f"{path}: the tensor '{name[:80]}' is stored as {str(dtype)[:20]}; "
            f"{', '.join(TYPES)} can be converted.",
            "Use the checkpoint as its authors published it, not one that was quantized since.",
        )
    if math.prod(shape) * TYPES[dtype] != end - begin or data_offset + end > file_bytes:
        raise ModelFormatError(
            f"{path}: the tensor '{name[:80]}' does not have the bytes that its shape needs.", DOWNLOAD_AGAIN
        )
    return StoredTensor(name=name, dtype=dtype, shape=shape, file=path, offset=data_offset + begin)


def _check_index(folder: Path, weight_map: dict[str, str], tensors: dict[str, StoredTensor]) -> None:
    for name, file in weight_map.items():
        if name not in tensors or tensors[name].file.name != file:
            raise ModelFormatError(
                f"{folder / INDEX} says that '{name[:80]}' is in {file}, and it is not there.", DOWNLOAD_AGAIN
            )
    for name, tensor in tensors.items():
        if name not in weight_map:
            raise ModelFormatError(
                f"{tensor.file} has a tensor '{name[:80]}' that {INDEX} does not name.", DOWNLOAD_AGAIN
            )
