"""What two models' logits for the same tokens say about each other: the formulas, and no model.

The statistics, and how their errors are estimated, are those of llama.cpp's `llama-perplexity
--kl-divergence` (ggml-org/llama.cpp, tools/perplexity): a token's value is taken as independent of its
neighbour's, so over running text the errors are rather too small than too large. What differs is the
precision: the reference's logits are whole here; there they are rounded to 16 bits and cut off far below the
greatest, so that a token's divergence can be negative.
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
_BLOCK_ROWS = 32  # 32 rows of 49,152 numbers of 8 bytes are 13 MB: a few such arrays live at a time


class TokenScores(Struct, frozen=True):
    """Both models at each of n tokens; all arrays are (n,).

    kl:             KL divergence of the model from the reference over the whole vocabulary, in nats.
    loss:           -ln of the true token's probability by the model; `reference_loss` by the reference.
    same_top:       whether both hold the same token for the likeliest.
    """

    kl: Floats
    loss: Floats
    reference_loss: Floats
    same_top: NDArray[np.bool_]


class Estimate(Struct, frozen=True):
    """A mean, and the standard error of that mean."""

    value: float
    error: float


class Divergence(Struct, frozen=True, kw_only=True):
    """A model against its reference.

    kl:                  mean KL divergence in nats per token; 0 is the same model.
    kl_quantiles:        the KL divergence that a share of the tokens stays below, by that share; 1.0 is the
                         greatest of all.
    same_top:            the share of tokens where both models' likeliest token is the same.
    perplexity_ratio:    the model's perplexity over the reference's; above 1 is worse.
    probability_change:  mean of the true token's probability by the model less that by the reference;
                         `probability_change_rms` its root mean square.
    """

    n_tokens: int
    kl: Estimate
    kl_quantiles: dict[float, float]
    same_top: Estimate
    perplexity: Estimate
    reference_perplexity: Estimate
    perplexity_ratio: Estimate
    probability_change: Estimate
    probability_change_rms: Estimate


def compare(
    reference: NDArray[np.float32], logits: NDArray[np.float32], targets: Sequence[int] | NDArray[np.int64]
) -> TokenScores:
    """Scores n tokens: `reference` and `logits` are (n, vocabulary), `targets` (n,) the tokens that followed.

    In 64 bits, where the sum of p (ln p - ln q) cannot fall below 0 by more than 1e-12.
    """
    wanted = np.asarray(targets, np.int64)
    blocks = [
        _compare_block(
            reference[i : i + _BLOCK_ROWS], logits[i : i + _BLOCK_ROWS], wanted[i : i + _BLOCK_ROWS]
        )
        for i in range(0, len(wanted), _BLOCK_ROWS)
    ]
    return join(blocks)


def join(parts: Sequence[TokenScores]) -> TokenScores:
    """The scores of several stretches of tokens as one, in their order."""
    return TokenScores(
        kl=np.concatenate([part.kl for part in parts]),
        loss=np.concatenate([part.loss for part in parts]),
        reference_loss=np.concatenate([part.reference_loss for part in parts]),
        same_top=np.concatenate([part.same_top for part in parts]),
    )


def _compare_block(
    reference: NDArray[np.float32], logits: NDArray[np.float32], targets: NDArray[np.int64]
) -> TokenScores:
    ours, theirs = log_softmax(logits), log_softmax(reference)
    rows = np.arange(len(targets))
    loss, reference_loss = -ours[rows, targets], -theirs[rows, targets]
    np.subtract(theirs, ours, out=ours)
    probabilities = np.exp(theirs, out=theirs)
    kl = np.einsum("ij,ij->i", probabilities, ours)
    return TokenScores(kl, loss, reference_loss, logits.argmax(axis=1) == reference.argmax(axis=1))


def log_softmax(logits: NDArray[np.float32]) -> Floats:
    """Natural logarithms of the probabilities, (n, vocabulary), in 64 bits."""
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
    return values


def summarise(scores: TokenScores) -> Divergence:
    """The figures over all tokens, of which there must be one at least."""
    loss, reference_loss = estimate(scores.loss), estimate(scores.reference_loss)
    # The two losses vary together, token by token: so the error is that of their difference.
    log_ratio = estimate(scores.loss - scores.reference_loss)
    change = np.exp(-scores.loss) - np.exp(-scores.reference_loss)
    return Divergence(
        n_tokens=len(scores.kl),
        kl=estimate(scores.kl),
        kl_quantiles=dict(zip(QUANTILES, map(float, np.quantile(scores.kl, QUANTILES)), strict=True)),
        same_top=estimate(scores.same_top.astype(np.float64)),
        perplexity=_exponential(loss),
        reference_perplexity=_exponential(reference_loss),
        perplexity_ratio=_exponential(log_ratio),
        probability_change=estimate(change),
        probability_change_rms=_root(estimate(change**2)),
    )


def estimate(values: Floats) -> Estimate:
    """The mean of independent values, and its standard error: 0 for a single one."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0)


def _exponential(logarithm: Estimate) -> Estimate:
    value = math.exp(logarithm.value)
    return Estimate(value, value * logarithm.error)


def _root(square: Estimate) -> Estimate:
    value = math.sqrt(square.value)
    return Estimate(value, 0.5 * square.error / value if value else 0.0)
