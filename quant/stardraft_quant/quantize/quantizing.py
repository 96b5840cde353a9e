"""From an F16, BF16 or F32 GGUF to a smaller one, by llama.cpp's own quantizer in a process of its own.

Here: what may be quantized, how much room it needs, which importance matrix fits it, and that a file
appears at its place whole or not at all. The call into llama.cpp is `quantize.process`; the result's tensors
are those of `llama-quantize`, byte for byte.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stardraft_quant.imatrix.file import ImportanceMatrix, check_fits, read_imatrix
from stardraft_quant.shared.native_process import Finished, Job, NativeProcess, Planned, Progress
from stardraft_quant.shared.unfinished import check_room, finish, unfinished
from stardraftd import __version__
from stardraftd.console.prose import counted
from stardraftd.errors import ModelError, RequestError, StardraftError
from stardraftd.gguf.reading import Header, read_header

FileType = Literal[
    "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q4_K_M", "Q4_K_S", "Q4_0", "Q4_1",
    "IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K",
]  # fmt: skip
# llama.h, enum llama_ftype.
FILE_TYPES: dict[FileType, int] = {
    "F16": 1, "BF16": 32, "Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q5_0": 8, "Q5_1": 9,
    "Q4_K_M": 15, "Q4_K_S": 14, "Q4_0": 2, "Q4_1": 3, "IQ4_NL": 25, "IQ4_XS": 30, "Q3_K_L": 13,
    "Q3_K_M": 12, "Q3_K_S": 11, "Q2_K": 10,
}  # fmt: skip
# What a single tensor can be given (`--embedding-type`, `--output-type`): ggml.h, enum ggml_type.
TensorType = Literal["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K"]
TENSOR_TYPES: dict[TensorType, int] = {
    "F32": 0, "F16": 1, "BF16": 30, "Q8_0": 8, "Q6_K": 14, "Q5_K": 13, "Q4_K": 12,
}  # fmt: skip
WHOLE_TYPES = frozenset({"F32", "F16", "BF16"})

_PLAN_ROUNDING_BYTES = 8192  # llama.cpp tells MiB with two digits

OnProgress = Callable[[int, int, str], None]


class QuantizeJob(Job, frozen=True, kw_only=True):
    """What `quantize.process` is asked for; the numbers are llama.cpp's."""

    source: str
    imatrix: str
    file_type: int
    embedding_type: int | None
    output_type: int | None
    n_threads: int
    pure: bool
    allow_requantize: bool
    quantized_by: str


class QuantizationReport(Struct, frozen=True, kw_only=True):
    """What came of it.

    types:         how many tensors there are of each type.
    n_fallback:    matrices whose rows do not fit the wanted type's blocks, and that got another type.
    n_unimportant: quantized matrices that the importance matrix says nothing of; the embedding is always one.
    """

    path: str
    file_type: str
    source_bytes: int
    size_bytes: int
    bits_per_weight: float
    types: dict[str, int]
    n_fallback: int
    n_unimportant: int
    imatrix_datasets: tuple[str, ...]
    imatrix_chunks: int
    seconds: float
    warnings: tuple[str, ...]


def quantize(
    source: Path,
    out: Path,
    file_type: FileType,
    *,
    imatrix: Path | None = None,
    n_threads: int = 0,
    pure: bool = False,
    embedding_type: TensorType | None = None,
    output_type: TensorType | None = None,
    allow_requantize: bool = False,
    on_progress: OnProgress = lambda _done, _total, _tensor: None,
) -> QuantizationReport:
    """Writes `source`, quantized, to `out`: all or nothing, replacing what is there.

    n_threads:        0 is one for each core.
    pure:             every matrix in the file type's own type, none kept better.
    embedding_type, output_type: for `token_embd.weight` and `output.weight`; None leaves it to llama.cpp.
    allow_requantize: a source that is quantized already is taken too.

    `on_progress` gets tensors done, tensors in all, and the name of the one that is being done.
    Raises ModelError (a source, importance matrix or disk that will not do), RequestError, or
    EngineCrashedError when llama.cpp dies of it.
    """
    started = time.perf_counter()
    header = read_header(source)
    _check_not_same(out, source, imatrix)
    warnings = _check_whole(source, header, allow_requantize=allow_requantize)
    matrix = None
    if imatrix is not None:
        matrix = read_imatrix(imatrix)
        check_fits(matrix, imatrix, header)
    with unfinished(out) as temporary:
        job = QuantizeJob(
            source=str(source),
            temporary=str(temporary),
            imatrix=str(imatrix) if imatrix is not None else "",
            file_type=FILE_TYPES[file_type],
            embedding_type=TENSOR_TYPES[embedding_type] if embedding_type else None,
            output_type=TENSOR_TYPES[output_type] if output_type else None,
            n_threads=n_threads,
            pure=pure,
            allow_requantize=allow_requantize,
            quantized_by=f"stardraft {__version__} with llama.cpp",
        )
        counts = _run(job, out, header.data_offset, on_progress)
        result = _check_result(temporary, out, header)
        finish(temporary, out)
    return QuantizationReport(
        path=str(out),
        file_type=file_type,
        source_bytes=header.file_size_bytes,
        size_bytes=result.file_size_bytes,
        bits_per_weight=8 * result.weights_bytes / sum(_n_weights(tensor.shape) for tensor in result.tensors),
        types=dict(Counter(tensor.type for tensor in result.tensors).most_common()),
        n_fallback=counts.get("fallback", 0),
        n_unimportant=counts.get("unimportant", 0),
        imatrix_datasets=matrix.datasets if matrix else (),
        imatrix_chunks=matrix.n_chunks if matrix else 0,
        seconds=round(time.perf_counter() - started, 3),
        warnings=tuple(warnings),
    )


def _n_weights(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _check_not_same(out: Path, source: Path, imatrix: Path | None) -> None:
    for used in (source, imatrix):
        if used is not None and out.exists() and used.exists() and out.samefile(used):
            raise RequestError(f"{out} would overwrite what it is made from.", "Name another file to write.")


def _check_whole(source: Path, header: Header, *, allow_requantize: bool) -> list[str]:
    """Raises ModelError for a source that is quantized already; a warning where that is allowed."""
    quantized = sorted({tensor.type for tensor in header.tensors} - WHOLE_TYPES)
    if not quantized:
        return []
    types = ", ".join(quantized)
    if not allow_requantize:
        raise ModelError(
            f"{source} is quantized already ({types}): quantized again it would lose more than once.",
            "Start from the F16, BF16 or F32 file; --allow-requantize does it all the same.",
        )
    return [f"{source} is quantized already ({types}): the result is worse than one made from F16."]


def _run(job: QuantizeJob, out: Path, header_bytes: int, on_progress: OnProgress) -> dict[str, int]:
    """Has the job done; returns its counts. The result's header is about as long as the source's."""
    temporary, planned_bytes = Path(job.temporary), 0
    with NativeProcess(
        "stardraft_quant.quantize.process",
        job,
        doing=f"that quantized {job.source}",
        hint="Nothing was written.",
    ) as process:
        try:
            for event in process.events():
                match event:
                    case Planned(size_bytes):
                        planned_bytes = header_bytes + size_bytes
                        check_room(out, planned_bytes)
                    case Progress(done, total, what):
                        on_progress(done, total, what)
                    case Finished(counts):
                        break
        except ModelError as error:
            if "iostream" in error.message:
                raise _not_written(out, temporary, planned_bytes) from error
            raise
    if temporary.stat().st_size < planned_bytes - _PLAN_ROUNDING_BYTES:
        raise _not_written(out, temporary, planned_bytes)
    return counts


def _not_written(out: Path, temporary: Path, planned_bytes: int) -> ModelError:
    written = temporary.stat().st_size
    return ModelError(
        f"{out} could not be written: the disk took {written:,} of about {counted(planned_bytes, 'byte')}.",
        "The disk is full, or a limit on a file's size is set (`ulimit -f`). Nothing was left behind.",
    )


def _check_result(temporary: Path, out: Path, source: Header) -> Header:
    """The header of what was written; raises ModelError when it is not the same model."""
    try:
        result = read_header(temporary)
    except StardraftError as error:
        raise ModelError(
            f"What llama.cpp wrote for {out} is not a sound file: {error}", "Try again; look at the disk."
        ) from error
    if {t.name: t.shape for t in result.tensors} != {t.name: t.shape for t in source.tensors}:
        raise ModelError(f"What llama.cpp wrote for {out} has other tensors than its source.", "Try again.")
    return result


def importances(path: Path) -> tuple[ImportanceMatrix, dict[str, NDArray[np.float32]]]:
    """The importance matrix at `path`, and what llama.cpp is given of it."""
    matrix = read_imatrix(path)
    return matrix, matrix.importances()
