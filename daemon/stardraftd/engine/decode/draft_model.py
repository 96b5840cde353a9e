"""A small model that guesses for a large one with the same tokens."""

import logging
import time
from array import array
from pathlib import Path

from stardraftd.engine.cache.sequences import common_prefix
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
FIRST_READ_MS, MANY = 0.2, 32  # a token of the prompt, of so many at once
# Reading the prompt serves all guesses of a completion: about so many decodes.
DECODES_OF_COMPLETION = 8
SAMPLE_STEP = 61
# What is assumed of its guesses (the share of tokens which commits added that are the built-in model's first
# choice), as how many of them that counts, what is left of older ones at each new one, and of all of them at
# each token that was not guessed: a thousand tokens later it is tried again.
FIRST_RATE, FIRST_WEIGHT, MEMORY = 0.4, 4.0, 0.92
MEMORY_AT_REST = 1 - 1 / 1024


class RecentRate:
    """How often a guessed token was right, given that those before it were.

    Recent guesses count more; while nothing is guessed, all of them fade into what is assumed of any.
    """

    def __init__(self) -> None:
        self._tried = FIRST_WEIGHT
        self._right = FIRST_WEIGHT * FIRST_RATE

    @property
    def rate(self) -> float:
        return self._right / self._tried

    def note(self, n_accepted: int, n_drafted: int) -> None:
        """`n_drafted` guesses were verified, the first `n_accepted` of them were right."""
        n_tried = min(n_accepted + 1, n_drafted)  # what follows the first wrong one was not tried
        self._right = self._right * MEMORY**n_tried + n_accepted
        self._tried = self._tried * MEMORY**n_tried + n_tried

    def rested(self, n_tokens: int) -> None:
        """So many tokens were written without a guess."""
        kept = MEMORY_AT_REST**n_tokens
        self._tried = FIRST_WEIGHT + (self._tried - FIRST_WEIGHT) * kept
        self._right = FIRST_WEIGHT * FIRST_RATE + (self._right - FIRST_WEIGHT * FIRST_RATE) * kept


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
        self._accepted = RecentRate()
        self._failed = False
        self._read_ms = FIRST_READ_MS
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
        """The probability that a guess of it is right, given that those before it are."""
        return 0.0 if self._failed else self._accepted.rate

    def note(self, n_accepted: int, n_drafted: int) -> None:
        """`n_drafted` of its guesses were verified, the first `n_accepted` of them were right."""
        self._accepted.note(n_accepted, n_drafted)

    def rested(self, n_tokens: int) -> None:
        """So many tokens were written without a guess of it."""
        self._accepted.rested(n_tokens)

    def opening_ms(self, ids: "array[int]") -> float:
        """What reading `ids` costs each of the decodes that it then guesses for."""
        window = self._window(ids)
        return (len(window) - common_prefix(self._tokens, window)) * self._read_ms / DECODES_OF_COMPLETION

    def draft(self, ids: "array[int]", n_most: int) -> "array[int]":
        """Its own greedy choice of the next `n_most` tokens after `ids`; none where it cannot be run."""
        context = self._open()
        if context is None:
            return array("i")
        window = self._window(ids)
        n_held = min(common_prefix(self._tokens, window), len(window) - 1)
        context.remove(0, n_held)
        self._tokens = window[:n_held]
        try:
            began = time.perf_counter()
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
        if len(window) - n_held >= MANY:
            read_ms = (started - began) * 1000 / (len(window) - n_held)
            self._read_ms += (read_ms - self._read_ms) * 0.3
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
