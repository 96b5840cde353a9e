"""A model file in llama.cpp, in this process, for as long as it is asked. Nothing is compared here."""

import contextlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stardraft_quant.code.lines import Stop
from stardraftd.engine.native import llama
from stardraftd.engine.native.devices import offload_devices, physical_cores
from stardraftd.errors import EngineLoadError, ModelError
from stardraftd.gguf.reading import Header

# Tokens in one call of llama.cpp. A call is not interrupted: on a CPU, Ctrl-C waits for so many.
_CPU_BATCH, _GPU_BATCH = 128, 512
_NOT_QUANTIZED = ("F32", "F16", "BF16")


class LoadedModel:
    """A loaded model that is asked for logits, or for a line. Each question begins anew, at position 0."""

    def __init__(
        self, path: Path, header: Header, *, n_positions: int, gpu_layers: int = -1, n_threads: int = 0
    ) -> None:
        """With room for `n_positions` tokens. `gpu_layers` -1 is all; 0 `n_threads` one for each core.

        `header` is the file's own, checked. Raises EngineLoadError.
        """
        self.path, self.header = path, header
        on_gpu = gpu_layers != 0 and bool(offload_devices())
        self._n_batch = min(n_positions, _GPU_BATCH if on_gpu else _CPU_BATCH)
        try:
            with contextlib.ExitStack() as on_failure:
                self.model = on_failure.enter_context(
                    # Quantized weights are repacked on a CPU: mapped, they would be in memory twice.
                    # Others are not, and mapped a reference may be larger than what memory is free.
                    llama.Model(
                        path,
                        gpu_layers=gpu_layers if on_gpu else 0,
                        use_mmap=on_gpu or header.file_type in _NOT_QUANTIZED,
                    )
                )
                self._context = llama.Context(
                    self.model,
                    n_cells=n_positions,
                    n_batch=self._n_batch,
                    n_micro_batch=self._n_batch,
                    n_threads=n_threads or physical_cores(),
                    # As the engine does it: with it, logits on a CPU depend on the size of the batch.
                    flash_attention="auto" if on_gpu else "off",
                )
                on_failure.pop_all()
        except EngineLoadError as error:
            hint = "Give fewer --gpu-layers (0 is the CPU)." if on_gpu else "Free some memory."
            raise EngineLoadError(error.message, hint) from error
        self.bits_per_weight = self.model.size_bytes * 8 / self.model.n_parameters

    def next_logits(self, ids: Sequence[int], first: int) -> Iterator[NDArray[np.float32]]:
        """What the model says after each of ids[first:], in order and in blocks: (n, vocabulary), float32.

        Raises ModelError when it says no numbers, as a damaged file does.
        """
        self._context.clear()
        self._decode(ids[:first], 0)
        for start in range(first, len(ids), self._n_batch):
            piece = array("i", ids[start : start + self._n_batch])
            self._context.decode(piece, start, 0, all_logits=True)
            block = np.stack([self._context.logits(row) for row in range(len(piece))])
            if not np.isfinite(block).all():
                raise ModelError(
                    f"{self.path} predicts what is not a number: its weights are damaged.",
                    "Make it again from the original.",
                )
            yield block

    def greedy(self, ids: Sequence[int], stop: Stop) -> list[int]:
        """The most probable continuation, up to but without the first token that `stop` ends at."""
        self._context.clear()
        self._decode(ids, 0)
        generated: list[int] = []
        while not stop(generated):
            token = int(self._context.logits().argmax())
            if token in stop.ends:
                break
            self._decode([token], len(ids) + len(generated))
            generated.append(token)
        return generated

    def _decode(self, ids: Sequence[int], position: int) -> None:
        for start in range(0, len(ids), self._n_batch):
            piece = array("i", ids[start : start + self._n_batch])
            self._context.decode(piece, position + start, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        self.model.close()
