"""The process that quantizes: one call of `llama_model_quantize`, its log read for progress.

Started by `quantize`, which has checked the source. What goes into the call is what llama-quantize puts there
(tools/quantize/quantize.cpp), so what comes out is the same.
"""

import ctypes
import os
import re
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from stardraft_quant.quantize.quantizing import QuantizeJob, importances
from stardraft_quant.shared.native_process import Planned, Progress, Tell, serve
from stardraftd.engine.native import backend
from stardraftd.errors import ModelError

MAX_BUFFER_BYTES = 1 << 30  # of rows held at once; llama.cpp's own 8 GiB is more than many computers have
MAX_TEXT_BYTES = 127  # a metadata override has room for that, and the NUL

_TENSOR = re.compile(r"\[ *(\d+)/ *(\d+)\] +(\S+)")
_SIZE = re.compile(r"quant size *= *([0-9.]+) MiB")
_FALLBACK = re.compile(r"\b(\d{1,9}) of \d{1,9} tensor\(s\) required fallback")
_FAILED = re.compile(r"failed to quantize: (.*)")


class Log:
    """llama.cpp's log, taken apart as it comes."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.planning = True
        self.size_mib = 0.0
        self.reason = ""
        self.counts = {"fallback": 0, "unimportant": 0}
        self.callback = llama_cpp.llama_log_callback(self._on_text)

    def _on_text(self, _level: int, text: bytes, _user_data: object) -> None:
        said = text.decode("utf-8", "replace")
        if found := _SIZE.search(said):
            self.size_mib = float(found[1])
        elif found := _FAILED.search(said):
            self.reason = found[1].strip()
        elif self.planning:
            return
        elif found := _TENSOR.match(said):
            self._tell(Progress(int(found[1]) - 1, int(found[2]), found[3]))
        elif found := _FALLBACK.search(said):
            self.counts["fallback"] = int(found[1])
        elif "did not find weights for" in said:
            self.counts["unimportant"] += 1


def work(job: QuantizeJob, tell: Tell) -> dict[str, int]:
    """Plans, then quantizes into `job.temporary`. Raises ModelError with llama.cpp's reason."""
    log = Log(tell)
    llama_cpp.llama_log_set(log.callback, ctypes.c_void_p(0))
    backend.start_backend()
    keep: list[Any] = []  # what the parameters point to
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = job.file_type
    params.nthread = job.n_threads
    params.pure = job.pure
    params.allow_requantize = job.allow_requantize
    params.max_buf_size = MAX_BUFFER_BYTES
    if job.embedding_type is not None:
        params.token_embedding_type = job.embedding_type
    if job.output_type is not None:
        params.output_tensor_type = job.output_type
    overrides: list[tuple[str, str | int]] = []
    if job.imatrix:
        matrix, values = importances(Path(job.imatrix))
        params.imatrix = _importance_table(values, keep)
        overrides.append(("quantize.imatrix.file", job.imatrix))
        if matrix.datasets:
            overrides.append(("quantize.imatrix.dataset", matrix.datasets[0]))
        overrides.append(("quantize.imatrix.entries_count", len(values)))
        if matrix.n_chunks > 0:
            overrides.append(("quantize.imatrix.chunks_count", matrix.n_chunks))
    overrides.append(("general.quantized_by", job.quantized_by))
    params.kv_overrides = _override_table(overrides, keep)
    params.dry_run = True
    _call(job, params, log)
    tell(Planned(int(log.size_mib * (1 << 20))))
    params.dry_run, log.planning = False, False
    _call(job, params, log)
    return log.counts


def _call(job: QuantizeJob, params: Any, log: Log) -> None:
    code = llama_cpp.llama_model_quantize(
        os.fsencode(job.source), os.fsencode(job.temporary), ctypes.byref(params)
    )
    if code != 0:
        reason = log.reason or f"it returned {code}"
        raise ModelError(f"llama.cpp could not quantize {job.source}: {reason}.", "Nothing was written.")


def _importance_table(values: dict[str, NDArray[np.float32]], keep: list[Any]) -> Any:
    table = (llama_cpp.llama_model_imatrix_data * (len(values) + 1))()
    for slot, (name, array) in zip(table, values.items(), strict=False):
        contiguous = np.ascontiguousarray(array, np.float32)
        slot.name = name.encode()
        slot.data = contiguous.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        slot.size = contiguous.size
        keep.append(contiguous)
    keep.append(table)
    return ctypes.cast(table, type(llama_cpp.llama_model_quantize_default_params().imatrix))


def _override_table(overrides: list[tuple[str, str | int]], keep: list[Any]) -> Any:
    table = (llama_cpp.llama_model_kv_override * (len(overrides) + 1))()
    for slot, (key, value) in zip(table, overrides, strict=False):
        slot.key = key.encode()
        if isinstance(value, int):
            slot.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT
            slot.value.val_i64 = value
        else:
            slot.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR
            cut = value.encode("utf-8", "replace")[:MAX_TEXT_BYTES]
            slot.value.val_str = cut.decode("utf-8", "ignore").encode()  # no half character at the end
    keep.append(table)
    return ctypes.cast(table, type(llama_cpp.llama_model_quantize_default_params().kv_overrides))


if __name__ == "__main__":
    serve(QuantizeJob, work)
