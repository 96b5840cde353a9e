"""A small model that guesses for a large one with the same tokens."""

import logging
import time
from array import array
from pathlib import Path

from stardraftd.engine.cache.sequences import common_prefix
from stardraftd.engine.decode.speculation import Acceptance
from stardraftd.engine.native import llama
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.errors import StardraftError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header

log = logging.getLogger(__name__)

# A draft model pays only if it is so much smaller.
MIN_TIMES_SMALLER = 10
# How much of the prompt's end it reads; its beginning moves in steps, so that the rest stays cached.
N_WINDOW, STEP = 384, 192
N_CELLS = 1024
# Until it was run: what a token of the built-in model costs on two cores.
FIRST_TOKEN_MS = 1.5
SAMPLE_STEP = 61


class DraftModel:
    """A draft model, loaded when its first guess is asked for.

    Invariant: `_tokens` is what stands in its own KV cache.
    """

    def __init__(self, path: Path, main: llama.Model, first_id: int) -> None:
        self._path = path
        self._main = main
        self._first_id = first_id
        self._model: llama.Model | None = None
        self._context: llama.Context | None = None
        self._tokens = array("i")
        self._acceptance = Acceptance()
        self._failed = False
        self.token_ms = FIRST_TOKEN_MS

    @classmethod
    def beside(cls, loaded: LoadedModel, path: str) -> "DraftModel | None":
        """A draft model for a loaded one; None when it is not much smaller, or its sentinels are others."""
        try:
            header = read_header(Path(path))
            same = fim_tokens(header) == loaded.sentinels
        except StardraftError as error:
            log.warning("no draft model: %s", error)
            return None
        if header.is_recurrent:  # wrong guesses could not be taken back from its cache
            return None
        if not same or header.vocabulary_size != loaded.model.n_vocab:
            return None
        if header.file_size_bytes * MIN_TIMES_SMALLER > loaded.info.size_bytes:
            return None
        return cls(Path(path), loaded.model, loaded.sentinels.prefix)

    @property
    def acceptance(self) -> float:
        return 0.0 if self._failed else self._acceptance.rate

    def note(self, n_accepted: int, n_drafted: int) -> None:
        self._acceptance.note(n_accepted, n_drafted)

    def draft(self, ids: "array[int]", n_most: int) -> "array[int]":
        """The small model's own greedy choice of the next `n_most` tokens."""
        context = self._open()
        if context is None:
            return array("i")
        window = self._window(ids)
        n_held = min(common_prefix(self._tokens, window), len(window) - 1)
        context.remove(0, n_held)
        self._tokens = window[:n_held]
        try:
            self._evaluate(context, window[n_held:])
            drafted = array("i", (int(context.logits().argmax()),))
            started = time.perf_counter()
            while len(drafted) < n_most:
                self._evaluate(context, drafted[-1:])
                drafted.append(int(context.logits().argmax()))
        except llama.DecodeError as error:
            log.warning("the draft model is given up: %s", error)
            self._failed = True
            return array("i")
        if n_most > 1:
            took_ms = (time.perf_counter() - started) * 1000 / (n_most - 1)
            self.token_ms += (took_ms - self.token_ms) * 0.1
        return drafted

    def _window(self, ids: "array[int]") -> "array[int]":
        """The prompt's end, under a sentinel as it stands at the beginning of every prompt."""
        if len(ids) <= N_WINDOW:
            return ids
        start = -(-(len(ids) - N_WINDOW) // STEP) * STEP
        return array("i", (self._first_id,)) + ids[start:]

    def _evaluate(self, context: llama.Context, tokens: "array[int]") -> None:
        context.decode(tokens, len(self._tokens), 0)
        self._tokens += tokens

    def _open(self) -> llama.Context | None:
        if self._context is None and not self._failed:
            try:
                self._model = llama.Model(self._path, use_mmap=False)
                self._failed = not _same_pieces(self._model, self._main)
                if not self._failed:
                    self._context = llama.Context(
                        self._model,
                        n_cells=N_CELLS,
                        n_batch=N_CELLS,
                        n_micro_batch=128,
                        flash_attention="off",
                    )
            except StardraftError as error:
                log.warning("no draft model: %s", error)
                self._failed = True
        return self._context


def _same_pieces(small: llama.Model, large: llama.Model) -> bool:
    """Whether ids mean the same text in both; some hundreds of them are compared."""
    return all(small.piece(i) == large.piece(i) for i in range(0, large.n_vocab, SAMPLE_STEP))
