"""The process that evaluates a model and adds up the squares of what its weight matrices are multiplied with.

llama.cpp shows every tensor of its graph to a callback. Of a matrix multiplication with weights of a block
(`blk.*`), the other side is the activations: each column's squares are summed over the tokens. Mixtures of
experts have a sum and a count for each expert. What is collected, and what is passed over, is llama-imatrix's
choice (tools/imatrix/imatrix.cpp), and the result equals its result; the sums are kept in double precision.
"""

import ctypes
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import _ggml
from llama_cpp._ctypes_extensions import load_shared_library
from numpy.typing import NDArray

from stardraft_quant.imatrix.compute import ImatrixJob
from stardraft_quant.imatrix.file import Entry, ImportanceMatrix, write_imatrix
from stardraft_quant.imatrix.rows import code_rows, text_rows
from stardraft_quant.shared.native_process import Progress, Tell, serve
from stardraftd.console.prose import counted
from stardraftd.engine.native import backend, llama
from stardraftd.errors import EngineError, EngineLoadError, ModelError

MIN_BATCH_TOKENS = 16  # llama-imatrix passes over smaller ones
_F32, _I32 = 0, 26  # ggml.h, enum ggml_type


class Tensor(ctypes.Structure):
    """ggml.h, struct ggml_tensor, up to its name. `check_layout` looks whether this build has it so."""


Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),  # elements, a row's length first
    ("nb", ctypes.c_size_t * 4),  # strides in bytes
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * 10),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
]


class Ggml:
    """The functions of ggml that are needed here, and the numbers of its operations."""

    def __init__(self) -> None:
        library: Any = load_shared_library("ggml-base", _ggml.libggml_base_path)
        for name, result, arguments in (
            ("ggml_op_name", ctypes.c_char_p, [ctypes.c_int]),
            ("ggml_nbytes", ctypes.c_size_t, [ctypes.c_void_p]),
            ("ggml_backend_buffer_is_host", ctypes.c_bool, [ctypes.c_void_p]),
            ("ggml_backend_tensor_get", None, [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 2),
            ("ggml_get_name", ctypes.c_char_p, [ctypes.c_void_p]),
            ("ggml_get_data", ctypes.c_void_p, [ctypes.c_void_p]),
            ("ggml_nrows", ctypes.c_int64, [ctypes.c_void_p]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name.removeprefix("ggml_"), function)
        self.mul_mat, self.mul_mat_id = self._op(b"MUL_MAT"), self._op(b"MUL_MAT_ID")

    op_name: Any
    nbytes: Any
    backend_buffer_is_host: Any
    backend_tensor_get: Any
    get_name: Any
    get_data: Any
    nrows: Any

    def _op(self, name: bytes) -> int:
        return next(number for number in range(64) if self.op_name(number) == name)

    def check_layout(self, address: int, tensor: Tensor) -> None:
        """Raises EngineError when this build's tensors are laid out otherwise than `Tensor`."""
        if (
            tensor.name != self.get_name(address)
            or tensor.data != self.get_data(address)
            or tensor.ne[1] * tensor.ne[2] * tensor.ne[3] != self.nrows(address)
        ):
            raise EngineError(
                "This build of llama.cpp has another layout of its tensors than the one known here.",
                "Have the one built that stardraft was tested with: stardraft setup engine",
            )

    def values(self, tensor: Any, type_code: str) -> NDArray[Any]:
        """A tensor's values with the dimensions in numpy's order; copied only from a device's memory."""
        address, n_bytes = ctypes.addressof(tensor), self.nbytes(ctypes.addressof(tensor))
        if self.backend_buffer_is_host(tensor.buffer):
            raw: Any = (ctypes.c_uint8 * n_bytes).from_address(tensor.data)
        else:
            raw = (ctypes.c_uint8 * n_bytes)()
            self.backend_tensor_get(address, raw, 0, n_bytes)
        return np.ndarray(tuple(tensor.ne)[::-1], type_code, buffer=raw, strides=tuple(tensor.nb)[::-1])


class _Sums:
    """Of one weight tensor: (matrices, columns) in double precision, and (1,) or (matrices,) counts."""

    def __init__(self, n_matrices: int, columns: int, n_counts: int) -> None:
        self.squares = np.zeros((n_matrices, columns), np.float64)
        self.counts = np.zeros(n_counts, np.int64)


class Collector:
    """The callback. An error in it is kept in `error`, for a callback cannot raise."""

    def __init__(self) -> None:
        self._ggml = Ggml()
        self._checked = False
        self.sums: dict[str, _Sums] = {}
        self.error: Exception | None = None
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._on_tensor)

    def _on_tensor(self, address: int, ask: bool, _user_data: object) -> bool:
        """Asked first whether a tensor is wanted, then told that it is there; False ends the evaluation."""
        try:
            tensor = Tensor.from_address(address)
            if not self._checked:
                self._ggml.check_layout(address, tensor)
                self._checked = True
            if ask:
                return self._wanted(tensor)
            self._collect(tensor)
        except Exception as error:  # noqa: BLE001 - it is raised where Python has the say again
            self.error = error
            return False
        return True

    def _wanted(self, tensor: Any) -> bool:
        if tensor.op == self._ggml.mul_mat_id:
            return True
        if tensor.op != self._ggml.mul_mat:
            return False
        weights, inputs = tensor.src[0].contents, tensor.src[1].contents
        enough = inputs.ne[1] >= MIN_BATCH_TOKENS and inputs.type == _F32
        return enough and _name(weights).startswith("blk.")

    def _collect(self, tensor: Any) -> None:
        weights, inputs = tensor.src[0].contents, tensor.src[1].contents
        if inputs.type != _F32 or inputs.nb[0] != 4:
            raise ModelError(f"The activations of {_name(weights)} are not F32.", "Use the model's F16 file.")
        values = self._ggml.values(inputs, "<f4")  # (ne3, ne2, rows, columns)
        if tensor.op == self._ggml.mul_mat_id:
            self._add_experts(weights, values, tensor.src[2].contents)
        else:
            self._add(weights, values)

    def _add(self, weights: Any, values: NDArray[np.float32]) -> None:
        n2, n3 = weights.ne[2], weights.ne[3]
        sums = self._sums_of(weights, n2 * n3, values.shape[-1], 1)
        for i3 in range(values.shape[0]):
            for i2 in range(values.shape[1]):
                # Activations may have more dimensions than the weights: those share one matrix.
                sums.squares[(i3 % n3) * n2 + i2 % n2] += _squares(values[i3, i2])
        sums.counts += values.size // values.shape[-1] // (n2 * n3)

    def _add_experts(self, weights: Any, values: NDArray[np.float32], ids: Any) -> None:
        chosen = self._ggml.values(ids, "<i4")[0, 0]  # (tokens, experts used)
        n_experts = weights.ne[2]
        if values.shape[0] != 1 or ids.type != _I32 or chosen.min() < 0 or chosen.max() >= n_experts:
            raise ModelError(f"The experts of {_name(weights)} are not as expected.", "Use another model.")
        sums = self._sums_of(weights, n_experts, values.shape[-1], n_experts)
        for used in range(chosen.shape[1]):
            rows = values[0, :, used % values.shape[2]]
            for expert in np.unique(chosen[:, used]):
                sums.squares[expert] += _squares(rows[chosen[:, used] == expert])
        sums.counts += np.bincount(chosen.reshape(-1), minlength=n_experts)

    def _sums_of(self, weights: Any, n_matrices: int, columns: int, n_counts: int) -> _Sums:
        name = _name(weights)
        if name not in self.sums:
            self.sums[name] = _Sums(n_matrices, columns, n_counts)
        return self.sums[name]


def _name(weights: Any) -> str:
    """A weight's name without what a backend puts around it: CUDA0#blk.0.attn_k.weight#0."""
    name: str = weights.name.decode("utf-8", "replace")
    return name.split("#")[1] if "#" in name else name


def _squares(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sums of the squares of (rows, columns) over the rows."""
    sums: NDArray[np.float64] = np.square(rows).sum(axis=0, dtype=np.float64)
    if not np.isfinite(sums).all():
        raise ModelError(
            "The model computes values that are not finite, so its importance matrix would be of no use.",
            "Check the model's file; a conversion to F16 may have lost large values, BF16 keeps them.",
        )
    return sums


def _context(model: llama.Model, job: ImatrixJob, collector: Collector) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = job.context_tokens
    params.n_threads = params.n_threads_batch = job.n_threads
    params.cb_eval = collector.callback
    params.no_perf = True
    context = llama_cpp.llama_init_from_model(model.handle, params)
    if not context:
        raise EngineLoadError(
            f"llama.cpp could not make room for {counted(job.context_tokens, 'token')}.",
            "Give a smaller --context.",
        )
    return context


def _rows(model: llama.Model, job: ImatrixJob) -> list[list[int]] | Iterator[list[int]]:
    if job.tokens is None:
        ids = _tokenize_text(model, job.text.encode())
        return text_rows(ids, n=job.n_chunks, columns=job.context_tokens)
    return code_rows(
        job.documents,
        lambda text: list(model.tokenize(text.encode())),
        job.tokens,
        seed=job.seed,
        n=job.n_chunks,
        columns=job.context_tokens,
    )


def _tokenize_text(model: llama.Model, text: bytes) -> "array[int]":
    """As llama.cpp's tools do: with the BOS that the model asks for; special tokens in it are text."""
    ids = (ctypes.c_int32 * (len(text) + 2))()
    n = llama_cpp.llama_tokenize(model.vocab, text, len(text), ids, len(ids), True, False)
    if n < 0:
        raise ModelError("llama.cpp could not tokenize the text.", "Give another one.")
    return array("i", ids[:n])


def work(job: ImatrixJob, tell: Tell) -> dict[str, int]:
    """Evaluates all chunks and writes `job.temporary`."""
    backend.open_backend()
    collector = Collector()
    with llama.Model(Path(job.model), gpu_layers=job.gpu_layers) as model:
        context = _context(model, job, collector)
        rows = list(_rows(model, job))
        batch = llama_cpp.llama_batch_init(job.context_tokens, 0, 1)
        tell(Progress(0, len(rows)))
        for done, row in enumerate(rows, 1):
            if model.first_token is not None:
                row[0] = model.first_token
            _evaluate(context, batch, row)
            if collector.error is not None:
                raise collector.error
            tell(Progress(done, len(rows)))
    entries = {
        name: Entry(sums.squares.astype(np.float32), sums.counts) for name, sums in collector.sums.items()
    }
    if not entries:
        raise ModelError(f"No weights of {job.model} were seen at work.", "Use another model.")
    matrix = ImportanceMatrix(entries, (job.dataset,), len(rows), job.context_tokens)
    try:
        write_imatrix(Path(job.temporary), matrix)
    except OSError as error:
        raise ModelError(
            f"The importance matrix could not be written: {error.strerror}.",
            "Free some space on its disk. Nothing was left behind.",
        ) from error
    return {"tokens": len(rows) * job.context_tokens}


def _evaluate(context: Any, batch: Any, row: list[int]) -> None:
    """One chunk in an empty cache. Logits are wanted of all tokens, or the last block would see only one."""
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    batch.n_tokens = len(row)
    for i, token in enumerate(row):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
        batch.seq_id[i][0] = 0
    code = llama_cpp.llama_decode(context, batch)
    if code != 0:
        raise EngineError(
            f"llama.cpp could not evaluate a chunk (it returned {code}).", "Try a smaller --context."
        )
    llama_cpp.llama_synchronize(context)


if __name__ == "__main__":
    serve(ImatrixJob, work)
