"""One conversion from beginning to end: everything is checked, then written, the weights tensor by tensor."""

import contextlib
import hashlib
import itertools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from msgspec import Struct

from stardraft_quant.convert.architecture import Placed, plan, read_hyperparameters
from stardraft_quant.convert.checkpoint import Checkpoint, open_checkpoint
from stardraft_quant.convert.metadata import (
    Provenance,
    add_general,
    add_model,
    add_vocabulary,
    added_keys,
)
from stardraft_quant.convert.partial import Partial
from stardraft_quant.convert.tokenizer import read_vocabulary
from stardraft_quant.convert.values import Oddities, converted
from stardraftd.errors import ModelError, ModelNotFoundError, RequestError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header

FileType = Literal["F16", "BF16", "F32"]
FILE_TYPES: dict[FileType, gguf.LlamaFileType] = {
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
    "F32": gguf.LlamaFileType.ALL_F32,
}
ALIGNMENT = gguf.GGUF_DEFAULT_ALIGNMENT


class ConversionReport(Struct, frozen=True):
    """What was written.

    added:      the keys, and tensors of zeros, that llama.cpp's converter would not have written.
    n_nan:      weights that are not a number; `n_infinite`: infinite in this type. Both 0 in a sound model.
    notes:      sentences about what was left out or not understood.
    n_resumed:  tensors that an earlier, interrupted conversion had written already.
    """

    path: Path
    file_type: str
    n_tensors: int
    n_parameters: int
    size_bytes: int
    added: tuple[str, ...]
    n_nan: int
    n_infinite: int
    notes: tuple[str, ...]
    n_resumed: int


class _Written(Struct, frozen=True):
    """A tensor's place in the file that is written, in bytes from its beginning."""

    tensor: Placed
    type: Type
    offset: int
    size_bytes: int


class _Layout(Struct, frozen=True):
    """The file before its weights: its header, and where each tensor will be."""

    header: bytes
    tensors: tuple[_Written, ...]
    added: tuple[str, ...]
    notes: tuple[str, ...]
    n_parameters: int

    @property
    def size_bytes(self) -> int:
        last = self.tensors[-1]
        return last.offset + _padded(last.size_bytes)


def convert(
    checkpoint: Path,
    out: Path,
    file_type: FileType = "F16",
    *,
    provenance: Provenance | None = None,
    force: bool = False,
    restart: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ConversionReport:
    """Writes the checkpoint in the folder `checkpoint` to `out`, all or nothing.

    A conversion that was interrupted goes on where it stopped, when the same is asked for again; `restart`
    begins anew. `force` allows to replace `out`. `on_progress` gets bytes written, and in all.
    Raises ModelError's subclasses for a checkpoint that cannot be converted and for a full disk, RequestError
    when `out` is there or being written.
    """
    provenance = provenance or Provenance()
    provenance.check()
    if out.is_dir() or (out.exists() and not force):
        raise RequestError(f"{out} is there already.", "Name another file, or give --force to overwrite it.")
    source = open_checkpoint(checkpoint)
    layout = _layout(source, file_type, provenance)
    partial = Partial(out, layout.size_bytes)
    with partial.held():
        if restart:
            partial.drop()
        journal = partial.open(_identity(source, layout), layout.header)
        try:
            _check(partial.path)
            oddities = _write(partial, layout, on_progress)
            _check(partial.path)
            partial.finish()
        except BaseException:
            _keep_or_drop(partial)
            raise
    return ConversionReport(
        path=out,
        file_type=file_type,
        n_tensors=len(layout.tensors),
        n_parameters=layout.n_parameters,
        size_bytes=layout.size_bytes,
        added=layout.added,
        n_nan=oddities.n_nan,
        n_infinite=oddities.n_infinite,
        notes=layout.notes,
        n_resumed=journal.n_done,
    )


def _layout(source: Checkpoint, file_type: FileType, provenance: Provenance) -> _Layout:
    model = read_hyperparameters(source.config)
    wanted = plan(source, model)
    vocabulary = read_vocabulary(source.folder, model.vocabulary)
    # A name in a folder of our own: the writer wants a path, the header is wanted in memory.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "header")
        with contextlib.closing(gguf.GGUFWriter(path, "starcoder2")) as writer:
            kinds = [Type.F32 if tensor.is_vector else Type[file_type] for tensor in wanted.tensors]
            for tensor, kind in zip(wanted.tensors, kinds, strict=True):
                writer.add_tensor_info(
                    tensor.name, tensor.shape, np.dtype(np.float32), _size_bytes(tensor, kind), kind
                )
            notes = add_general(writer, source.folder, provenance)
            add_model(writer, model, FILE_TYPES[file_type])
            add_vocabulary(writer, vocabulary)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            added = (*added_keys(writer, provenance), *wanted.zeros)
        header = path.read_bytes()
    header += bytes(_padded(len(header)) - len(header))
    placed: list[_Written] = []
    offset = len(header)
    for tensor, kind in zip(wanted.tensors, kinds, strict=True):
        placed.append(_Written(tensor, kind, offset, _size_bytes(tensor, kind)))
        offset += _padded(placed[-1].size_bytes)
    return _Layout(
        header=header,
        tensors=tuple(placed),
        added=added,
        notes=(*wanted.notes, *notes),
        n_parameters=sum(math.prod(tensor.shape) for tensor in wanted.tensors),
    )


def _size_bytes(tensor: Placed, kind: Type) -> int:
    n_values = math.prod(tensor.shape)
    return n_values * 4 if kind == Type.F32 else n_values * 2


def _padded(n: int) -> int:
    return n + -n % int(ALIGNMENT)


def _identity(source: Checkpoint, layout: _Layout) -> str:
    """Changes with the weights' files and with everything that the header says."""
    digest = hashlib.sha256(layout.header)
    for file in source.files:
        status = file.stat()
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _check(path: Path) -> None:
    """The engine's own checks of a model file; before the weights are written, to spare the time."""
    fim_tokens(read_header(path))


def _write(partial: Partial, layout: _Layout, on_progress: Callable[[int, int], None]) -> Oddities:
    journal = partial.journal
    oddities = Oddities(journal.n_nan, journal.n_infinite)
    total = layout.size_bytes
    left = [
        (index, placed, placed.tensor.source)
        for index, placed in enumerate(layout.tensors)
        # Without a source it is all zeros, as a file is where nothing was written.
        if index >= journal.n_done and placed.tensor.source is not None
    ]
    for path, in_file in itertools.groupby(left, key=lambda entry: entry[2].file):
        with _opened(path) as file:
            for index, placed, stored in in_file:
                position = placed.offset
                for values in converted(file, stored, placed.type, oddities):
                    partial.write(position, values.tobytes())
                    position += values.nbytes
                    on_progress(position, total)
                partial.done(index + 1, oddities.n_nan, oddities.n_infinite)
    on_progress(total, total)
    return oddities


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ModelNotFoundError(
            f"{path} could not be read: {error.strerror or error}.", "Check that it is still there."
        ) from error


def _keep_or_drop(partial: Partial) -> None:
    """After an interruption: what was written is kept for the next time, if it is something."""
    with contextlib.suppress(ModelError):  # a full disk, say: the journal's last word holds
        partial.note()
    if partial.journal.n_done == 0:
        partial.drop()
