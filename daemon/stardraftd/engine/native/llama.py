"""A thin, typed layer over llama.cpp's C functions, through `llama_cpp`'s low-level bindings.

It holds resources and checks return codes; it has no policy: what to decode, keep or forget is decided
above. One thread owns a `Context`; only `AbortFlag` may be touched from another one. The high-level
`llama_cpp.Llama` is not used: it puts id 0 where FIM sentinels belong and cannot be interrupted.
"""

import ctypes
import sys
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from stardraftd.builds.child import short_of_memory
from stardraftd.console.prose import counted
from stardraftd.engine.native import backend
from stardraftd.errors import EngineLoadError

GGML_TYPES = {"f16": 1, "q8_0": 8}
FLASH_ATTENTION = {"auto": -1, "on": 1, "off": 0}


class Aborted(Exception):  # noqa: N818 - an interruption that was asked for, not an error
    """A decode was given up because its flag was raised. Its earlier micro-batches are in the cache."""


class DecodeError(Exception):
    """`llama_decode` failed; `code` is what it returned (1: no room in the KV cache, negative: fatal)."""

    def __init__(self, code: int, what: str = "") -> None:
        super().__init__(what or f"llama_decode returned {code}")
        self.code = code


class NotRemovedError(DecodeError):
    """llama.cpp kept positions that it was to forget: what stands in the cache is not known any more."""

    def __init__(self, sequence: int, start: int, end: int) -> None:
        super().__init__(-1, f"llama_memory_seq_rm refused positions {start} to {end} of sequence {sequence}")


class AbortFlag:
    """A flag that llama.cpp looks at inside a decode, without Python in between.

    A Python callback would take the GIL at every graph node. libc's `strlen` has the callback's shape:
    over a buffer that holds "" it answers 0 (go on), over "\\1" it answers 1 (abort).
    """

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(2)

    def raise_(self) -> None:
        self._buffer[0] = b"\1"

    def lower(self) -> None:
        self._buffer[0] = b"\0"

    @property
    def raised(self) -> bool:
        return self._buffer[0] != b"\0"

    @property
    def callback(self) -> Any:
        libc = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        return ctypes.cast(libc.strlen, llama_cpp.ggml_abort_callback)

    @property
    def data(self) -> ctypes.c_void_p:
        return ctypes.cast(self._buffer, ctypes.c_void_p)


class Native:
    """Something of llama.cpp's own that has to be freed: by `close`, or at the end of a `with`."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Model(Native):
    """A loaded model: its weights and its vocabulary. Close it after every context on it is closed."""

    def __init__(
        self,
        path: Path,
        *,
        gpu_layers: int = 0,
        use_mmap: bool = True,
        integer_overrides: Mapping[str, int] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        """Loads `path`. `gpu_layers` -1 offloads all layers; `integer_overrides` replace GGUF metadata.

        Raises EngineLoadError with the end of llama.cpp's own log when it refuses the file.
        """
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = llama_cpp.LLAMA_LOAD_MODE_MMAP if use_mmap else llama_cpp.LLAMA_LOAD_MODE_NONE
        keep: list[Any] = []  # ctypes objects that must outlive the call
        if on_progress is not None:
            report = on_progress

            def forward(fraction: float, _user_data: object) -> bool:
                report(fraction)
                return True

            params.progress_callback = llama_cpp.llama_progress_callback(forward)
            keep.append(params.progress_callback)
        if integer_overrides:
            table = (llama_cpp.llama_model_kv_override * (len(integer_overrides) + 1))()
            for slot, (key, value) in zip(table, integer_overrides.items(), strict=False):
                slot.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT
                slot.key = key.encode()
                slot.value.val_i64 = value
            params.kv_overrides = table
            keep.append(table)
        handle = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        keep.clear()
        if not handle:
            raise _not_loaded(path)
        self.handle = handle
        self.vocab = llama_cpp.llama_model_get_vocab(handle)
        self.n_vocab: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.n_layers: int = llama_cpp.llama_model_n_layer(handle)
        self.n_context_trained: int = llama_cpp.llama_model_n_ctx_train(handle)
        self.n_parameters: int = llama_cpp.llama_model_n_params(handle)
        self.size_bytes: int = llama_cpp.llama_model_size(handle)
        # What such a model remembers of a text is one state, which cannot be taken back by some tokens.
        self.is_recurrent = bool(
            llama_cpp.llama_model_is_recurrent(handle) or llama_cpp.llama_model_is_hybrid(handle)
        )

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None

    @property
    def first_token(self) -> int | None:
        """The token that the vocabulary wants at the beginning of every text; None where it wants none."""
        if not llama_cpp.llama_vocab_get_add_bos(self.vocab):
            return None
        return int(llama_cpp.llama_vocab_bos(self.vocab))

    @property
    def description(self) -> str:
        """The model's kind, size (where llama.cpp knows one) and quantization in llama.cpp's words."""
        described = ctypes.create_string_buffer(128)
        llama_cpp.llama_model_desc(self.handle, described, len(described))
        return described.value.decode("utf-8", "replace").replace(" ?B", "")

    def tokenize(self, text: bytes) -> "array[int]":
        """Token ids of UTF-8 `text`. What looks like a special token in it stays text; nothing is added."""
        ids = (ctypes.c_int32 * (len(text) + 1))()
        n = llama_cpp.llama_tokenize(self.vocab, text, len(text), ids, len(ids), False, False)
        if n < 0:
            raise DecodeError(n)
        out = array("i")
        out.frombytes(memoryview(ids).cast("B")[: n * 4])
        return out

    def piece(self, token: int) -> bytes:
        """The bytes that `token` stands for; special tokens stand for none."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            n = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, size, 0, False)
            if n >= 0:
                return buffer.raw[:n]
            size = -n

    def is_end_of_generation(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))


def token_texts(path: Path) -> list[bytes]:
    """The text of every token in a file's vocabulary, by id; its weights are not read.

    The file's header must have been checked. Raises EngineLoadError.
    """
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    handle = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not handle:
        raise EngineLoadError(f"llama.cpp could not read the vocabulary of {path}.", "Check the file.")
    try:
        vocab = llama_cpp.llama_model_get_vocab(handle)
        n = llama_cpp.llama_vocab_n_tokens(vocab)
        return [bytes(llama_cpp.llama_vocab_get_text(vocab, token)) for token in range(n)]
    finally:
        llama_cpp.llama_model_free(handle)


def _not_loaded(path: Path) -> EngineLoadError:
    """Why a file was refused: memory, if that is what llama.cpp's log says, else the file."""
    memory = short_of_memory(backend.recent_log().splitlines())
    if memory is not None:
        return EngineLoadError(f"llama.cpp could not load {path}: {_last_error()}. {memory.why}", memory.hint)
    return EngineLoadError(
        f"llama.cpp could not load {path}: {_last_error()}",
        "The file is damaged, or of a kind that this llama.cpp does not know. "
        "To fetch it again: stardraft model pull NAME --replace",
    )


def _last_error() -> str:
    """What llama.cpp's log says of the failure: the cause, not the line that only says that it failed."""
    lines = [line.strip() for line in backend.recent_log().splitlines() if line.strip()]
    causes = [line for line in lines if "error" in line.lower()]
    failures = [line for line in lines if "fail" in line.lower()]
    return (causes or failures or lines or ["it gave no reason"])[-1]


class Context(Native):
    """A KV cache with the buffers to decode into it. All sequences share its cells (unified cache)."""

    def __init__(
        self,
        model: Model,
        *,
        n_cells: int,
        n_sequences: int = 1,
        n_batch: int = 2048,
        n_micro_batch: int = 512,
        n_threads: int = 0,
        flash_attention: str = "auto",
        kv_type: str = "f16",
        abort: AbortFlag | None = None,
    ) -> None:
        """Raises EngineLoadError when there is no memory for the cache and the compute buffers."""
        self.model = model
        self.abort = abort or AbortFlag()
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_cells
        params.n_batch = n_batch
        params.n_ubatch = n_micro_batch
        params.n_seq_max = n_sequences
        params.kv_unified = True
        if n_threads:
            params.n_threads = n_threads
            params.n_threads_batch = n_threads
        params.flash_attn_type = FLASH_ATTENTION[flash_attention]
        params.type_k = params.type_v = GGML_TYPES[kv_type]
        self._abort_callback = self.abort.callback  # kept alive for as long as the context
        params.abort_callback = self._abort_callback
        params.abort_callback_data = self.abort.data
        params.no_perf = True
        handle = llama_cpp.llama_init_from_model(model.handle, params)
        if not handle:
            raise EngineLoadError(
                f"llama.cpp could not make room for {counted(n_cells, 'token')} of context: {_last_error()}",
                "Lower model.context_tokens in the configuration, or free some memory.",
            )
        self.handle = handle
        self.memory = llama_cpp.llama_get_memory(handle)
        self.can_cut = not model.is_recurrent
        self.can_shift = bool(llama_cpp.llama_memory_can_shift(self.memory))
        self.n_cells: int = llama_cpp.llama_n_ctx(handle)
        self.n_batch: int = llama_cpp.llama_n_batch(handle)
        self.n_threads: int = llama_cpp.llama_n_threads(handle)
        self._batch = llama_cpp.llama_batch_init(self.n_batch, 0, 1)
        # A batch's positions, sequence counts and logit flags are the same few shapes over and over:
        # fill them by block copies, never token by token.
        self._ones = (ctypes.c_int32 * self.n_batch)(*([1] * self.n_batch))
        self._views: dict[int, NDArray[np.float32]] = {}
        self._named = (-1, 0)  # the sequence that the batch's first so many tokens belong to

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self.handle)
            self.handle = None

    def decode(self, tokens: "array[int]", position: int, sequence: int, *, all_logits: bool = False) -> None:
        """Evaluates at most `n_batch` tokens at `position`, `position` + 1, ... of `sequence`.

        Logits are kept of the last token (row -1), or of each with `all_logits` (rows 0, 1, ...).
        Raises Aborted, or DecodeError (code 1: no free cells).
        """
        n = len(tokens)
        if not 0 < n <= self.n_batch:
            raise ValueError(f"a batch holds 1 to {counted(self.n_batch, 'token')}, not {n}")
        batch = self._batch
        batch.n_tokens = n
        ctypes.memmove(batch.token, tokens.buffer_info()[0], n * 4)
        positions = array("i", range(position, position + n))
        ctypes.memmove(batch.pos, positions.buffer_info()[0], n * 4)
        ctypes.memmove(batch.n_seq_id, self._ones, n * 4)
        self._name_sequence(sequence, n)
        ctypes.memset(batch.logits, int(all_logits), n)
        batch.logits[n - 1] = 1
        self._check(llama_cpp.llama_decode(self.handle, batch))

    def decode_rows(self, tokens: "array[int]", positions: "array[int]", sequences: "array[int]") -> None:
        """Evaluates token i at `positions[i]` of `sequences[i]`, all in one batch; logits in rows 0, 1, ...

        Raises Aborted, or DecodeError.
        """
        n = len(tokens)
        batch = self._batch
        batch.n_tokens = n
        ctypes.memmove(batch.token, tokens.buffer_info()[0], n * 4)
        ctypes.memmove(batch.pos, positions.buffer_info()[0], n * 4)
        ctypes.memmove(batch.n_seq_id, self._ones, n * 4)
        for i in range(n):
            batch.seq_id[i][0] = sequences[i]
        self._named = (-1, 0)
        ctypes.memset(batch.logits, 1, n)
        self._check(llama_cpp.llama_decode(self.handle, batch))

    @staticmethod
    def _check(code: int) -> None:
        if code == 2:  # llama.h: aborted
            raise Aborted
        if code != 0:
            raise DecodeError(code)

    def _name_sequence(self, sequence: int, n: int) -> None:
        named, up_to = self._named
        start = up_to if named == sequence else 0
        for i in range(start, n):
            self._batch.seq_id[i][0] = sequence
        self._named = (sequence, max(start, n))

    def synchronize(self) -> None:
        """Waits until what was decoded is there; on a GPU `decode` returns before that."""
        llama_cpp.llama_synchronize(self.handle)

    def logits(self, row: int = -1) -> NDArray[np.float32]:
        """A view, not a copy, of one row of the last decode's logits: float32, (n_vocab,)."""
        pointer = llama_cpp.llama_get_logits_ith(self.handle, row)
        if not pointer:
            raise IndexError(f"the last decode kept no logits in row {row}")
        address = ctypes.addressof(pointer.contents)
        view = self._views.get(address)
        if view is None:  # making one takes longer than looking for the greatest of its numbers
            if len(self._views) > 1024:
                self._views.clear()
            view = np.ctypeslib.as_array(pointer, shape=(self.model.n_vocab,))
            self._views[address] = view
        return view

    def remove(self, sequence: int, start: int = -1, end: int = -1) -> None:
        """Forgets positions `start` <= p < `end` of a sequence; -1 is the beginning, and the end.

        Raises NotRemovedError when llama.cpp does not: without `can_cut` only a whole sequence can go.
        """
        if not llama_cpp.llama_memory_seq_rm(self.memory, sequence, start, end):
            raise NotRemovedError(sequence, start, end)

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Makes positions `start` <= p < `end` of `source` part of `target` too, by reference.

        Without `can_cut` a sequence is copied as a whole, whatever the positions.
        """
        llama_cpp.llama_memory_seq_cp(self.memory, source, target, start, end)

    def shift(self, sequence: int, start: int, end: int, by: int) -> None:
        """Moves positions `start` <= p < `end` of a sequence, and of all that share its cells, by `by`.

        Only with `can_shift`: llama.cpp ends the process otherwise.
        """
        llama_cpp.llama_memory_seq_add(self.memory, sequence, start, end, by)

    def save_sequence(self, sequence: int) -> bytes:
        """The state of a sequence's cells, in llama.cpp's own format: for this model and settings only."""
        size = llama_cpp.llama_state_seq_get_size(self.handle, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = llama_cpp.llama_state_seq_get_data(self.handle, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore_sequence(self, sequence: int, state: bytes) -> bool:
        """Puts a saved state into an empty sequence. False when llama.cpp refuses it: nothing is held."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if llama_cpp.llama_state_seq_set_data(self.handle, buffer, len(state), sequence):
            return True
        self.remove(sequence)
        return False

    def last_position(self, sequence: int) -> int:
        """The greatest position in a sequence, -1 when it is empty."""
        return int(llama_cpp.llama_memory_seq_pos_max(self.memory, sequence))

    def clear(self) -> None:
        llama_cpp.llama_memory_clear(self.memory, True)
