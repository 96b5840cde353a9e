"""From logits to a token: the choice of the next one, and what probability a token had."""

import math
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from stardraftd.engine.native.llama import Context, Native


class Sampler(Native):
    """Chooses tokens: the likeliest one, or one drawn by a chain of llama.cpp's samplers."""

    def __init__(self, *, temperature: float, top_k: int, top_p: float, seed: int) -> None:
        self._chain: Any = None
        if temperature <= 0:
            return  # the greatest logit: numpy finds it in 3 us, llama.cpp's greedy chain takes 50
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())

        def add(sampler: Any) -> None:
            llama_cpp.llama_sampler_chain_add(self._chain, sampler)

        if top_k:
            add(llama_cpp.llama_sampler_init_top_k(top_k))
        if top_p < 1:
            add(llama_cpp.llama_sampler_init_top_p(top_p, 1))
        add(llama_cpp.llama_sampler_init_temp(temperature))
        add(llama_cpp.llama_sampler_init_dist(seed))

    def sample(self, context: Context, row: int = -1) -> int:
        """The next token after the last decode's `row`."""
        if self._chain is None:
            return int(context.logits(row).argmax())
        return int(llama_cpp.llama_sampler_sample(self._chain, context.handle, row))

    def close(self) -> None:
        if self._chain:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


class LogProbability:
    """Natural logarithms of token probabilities, without a copy of the logits into Python objects."""

    def __init__(self, n_vocab: int) -> None:
        self._scratch = np.empty(n_vocab, np.float32)

    def __call__(self, logits: NDArray[np.float32], token: int) -> float:
        greatest = logits.max()
        np.subtract(logits, greatest, out=self._scratch)
        np.exp(self._scratch, out=self._scratch)
        return float(logits[token] - greatest) - math.log(float(self._scratch.sum()))
