"""What a model is worth: the loss on held-out examples, and how often it finishes a line exactly.

A checkpoint is run in torch, a GGUF in llama.cpp through the engine's own wrapper: the second is what users
have, quantization and all. Both answer the same two questions, so the numbers can be compared.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stardraft_quant.code.document import Document
from stardraft_quant.code.fim_examples import Encode, Examples, Layout, Task, rest_of_line_tasks
from stardraft_quant.code.lines import Stop
from stardraftd.errors import EngineMissingError
from stardraftd.gguf.fim_tokens import FimTokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LOSS_COLUMNS = 512


class Runner(Protocol):
    """A model that can be asked for logits. Each call begins anew, at position 0."""

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """(n, vocabulary): what follows each of the ids."""

    def greedy(self, ids: Sequence[int], stop: "Stop") -> list[int]:
        """The most probable continuation, up to but without the first token that `stop` ends at."""


class TorchRunner:
    """A checkpoint, in torch on the CPU in f32. Without a KV cache: slow, and simple to trust."""

    def __init__(self, path: Path) -> None:
        from stardraft_quant.train.training import load_model

        self._model = load_model(path)

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            out: NDArray[np.float32] = self._model.logits(self._model(torch.tensor([list(ids)])))[0].numpy()
        return out

    def greedy(self, ids: Sequence[int], stop: Stop) -> list[int]:
        import torch

        generated: list[int] = []
        while not stop(generated):
            with torch.no_grad():
                hidden = self._model(torch.tensor([[*ids, *generated]]))
                token = int(self._model.logits(hidden[0, -1]).argmax())
            if token in stop.ends:
                break
            generated.append(token)
        return generated


class EngineRunner:
    """A GGUF, in llama.cpp on the CPU."""

    def __init__(self, path: Path, *, n_cells: int = 2048, n_threads: int = 1) -> None:
        try:
            from stardraftd.engine.native import backend, llama, sampling
        except ImportError as error:
            raise EngineMissingError(
                f"A GGUF is evaluated with llama.cpp, which is not installed: {error}.",
                "Have it built: stardraft setup engine",
            ) from error
        backend.open_backend()
        self._model = llama.Model(path)
        self._context = llama.Context(self._model, n_cells=n_cells, n_threads=n_threads)
        self._greedy = sampling.Sampler(temperature=0.0, top_k=0, top_p=1.0, seed=0)

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        self._context.clear()
        self._context.decode(array("i", ids), 0, 0, all_logits=True)
        return np.stack([self._context.logits(row) for row in range(len(ids))])

    def greedy(self, ids: Sequence[int], stop: Stop) -> list[int]:
        self._context.clear()
        self._context.decode(array("i", ids), 0, 0)
        generated: list[int] = []
        while not stop(generated):
            token = self._greedy.sample(self._context)
            if token in stop.ends:
                break
            self._context.decode(array("i", [token]), len(ids) + len(generated), 0)
            generated.append(token)
        return generated

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._greedy.close()
        self._context.close()
        self._model.close()


class Result(Struct, frozen=True):
    """Loss in nats per token over the full vocabulary; accuracies and exact matches are shares of 1."""

    n_tokens: int
    loss: float
    next_token_accuracy: float
    n_tasks: int
    exact_psm: float
    exact_spm: float


def evaluate(
    runner: Runner,
    documents: Sequence[Document],
    tokenizer: "Tokenizer",
    tokens: FimTokens,
    *,
    n_items: int = 100,
    seed: int = 0,
) -> Result:
    """Measures on `n_items` lines to be finished, and on a quarter as many rows of 512 tokens of examples.

    `documents` are used as they are: the caller chooses those that the model has not seen.
    """

    examples = Examples(documents, encoder(tokenizer), tokens)
    n_tokens, loss, accuracy = held_out_loss(runner, examples, rows=max(1, n_items // 4), seed=seed)
    tasks = list(rest_of_line_tasks(documents, n_items, seed))
    stop = line_stop(tokenizer, tokens)
    psm, spm = (
        exact_match(runner, examples, tasks, tokenizer, stop, layout=layout) for layout in ("psm", "spm")
    )
    return Result(n_tokens, loss, accuracy, n_items, psm, spm)


def held_out_loss(
    runner: Runner, examples: Examples, *, rows: int, seed: int = 0
) -> tuple[int, float, float]:
    """(tokens, mean loss in nats per token, share of tokens that were the most probable)."""
    total, right, n = 0.0, 0, 0
    for row in examples.batch(seed, 0, rows, LOSS_COLUMNS + 1):
        logits, targets = runner.logits(row[:-1]), np.array(row[1:])
        greatest = logits.max(axis=1)
        sums = np.exp(logits - greatest[:, None]).sum(axis=1, dtype=np.float64)
        total += float((greatest + np.log(sums) - logits[np.arange(len(targets)), targets]).sum())
        right += int((logits.argmax(axis=1) == targets).sum())
        n += len(targets)
    return n, total / n, right / n


def exact_match(
    runner: Runner,
    examples: Examples,
    tasks: Sequence[Task],
    tokenizer: "Tokenizer",
    stop: Stop,
    *,
    layout: Layout,
) -> float:
    """The share of lines whose rest the model writes exactly, white space at the line's end apart."""
    right = 0
    for task in tasks:
        prompt = examples.prompt(layout, f"{task.path}\n", task.cut)
        text = tokenizer.decode(runner.greedy(prompt, stop), skip_special_tokens=False)
        right += text.partition("\n")[0].rstrip() == task.cut.middle.rstrip()
    return right / len(tasks)


def line_stop(tokenizer: "Tokenizer", tokens: FimTokens) -> Stop:
    """Stops at every special token and behind every token that has a line end in it."""
    special = {
        tokens.prefix, tokens.middle, tokens.suffix, tokens.pad,
        tokens.repository, tokens.separator, tokens.end_of_text,
    }  # fmt: skip
    # In byte-level BPE, "\n" is written as U+010A in the vocabulary.
    line_ends = {i for token, i in tokenizer.get_vocab().items() if "\u010a" in token}
    return Stop(frozenset(i for i in special if i is not None), frozenset(line_ends))


def encoder(tokenizer: "Tokenizer") -> Encode:
    """A tokenizer as a plain function from text to ids."""

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode
