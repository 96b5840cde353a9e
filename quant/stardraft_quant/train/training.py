"""The loop: batches in, gradients, steps, a checkpoint now and then.

The same corpus, settings and number of threads give the same weights bit for bit on a CPU, in one go or
resumed: a batch depends on the seed and the step alone (examples.py), and so do the sampled negatives.
"""

import contextlib
import hashlib
import json
import math
import os
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from msgspec import Struct
from torch import Tensor
from torch.nn import functional

from stardraft_quant.code.document import Document
from stardraft_quant.code.fim_examples import Encode, Examples
from stardraft_quant.train.model import TINY, Starcoder2
from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, RequestError
from stardraftd.gguf.fim_tokens import FimTokens
from stardraftd.models.catalogue import Shape

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16", "f32"]
N_ALWAYS = 1000  # the lowest ids: sentinels, single bytes and the most frequent merges
HELD_OUT_BATCHES = 6
CHECKPOINT = "checkpoint.pt"
_PARTS = {"settings", "corpus", "step", "model", "optimizer"}


class Settings(Struct, frozen=True):
    """All that decides a run. `steps` of `rows` x `columns` tokens; `learning_rate` is the greatest."""

    shape: Shape = TINY
    steps: int = 3700
    rows: int = 16
    columns: int = 512
    learning_rate: float = 2e-3
    warm_up: int = 100
    decay_from: float = 0.45  # the share of the steps after which the learning rate falls to 2%
    weight_decay: float = 0.1
    negatives: int = 6144  # 0: the softmax over the full vocabulary
    seed: int = 1
    device: Device = "auto"
    precision: Precision = "auto"


class Progress(Struct, frozen=True):
    """A line of the log. Losses are nats per token; `held_out_loss` is over the full vocabulary."""

    step: int
    loss: float
    learning_rate: float
    tokens_per_second: float
    held_out_loss: float | None = None


def choose_device(wanted: Device) -> torch.device:
    """CUDA, else MPS, else the CPU. Raises RequestError when the one that was asked for is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[wanted]:
        raise RequestError(
            f"torch {torch.__version__} has no {wanted} device here.", "Use --device cpu, or leave it away."
        )
    return torch.device(wanted)


def learning_rate(settings: Settings, step: int) -> float:
    """Warm-up in a line, a plateau, then in a line down to 2%."""
    warm = min(1.0, (step + 1) / max(1, settings.warm_up))
    done = step / settings.steps
    left = 1.0 if done < settings.decay_from else (1 - done) / (1 - settings.decay_from)
    return settings.learning_rate * warm * max(0.02, left)


class Training:
    """A run in progress. Invariant: `model` and `optimizer` have seen exactly the batches below `step`."""

    def __init__(
        self,
        settings: Settings,
        documents: Sequence[Document],
        encode: Encode,
        tokens: FimTokens,
        n_vocab: int,
    ) -> None:
        learnt = [document for document in documents if not document.held_out]
        held_out = [document for document in documents if document.held_out]
        if not learnt or not held_out:
            raise RequestError(
                f"The corpus has {counted(len(learnt), 'file')} to learn from and {len(held_out)} held out; "
                "it takes some of each.",
                "Make a larger corpus.",
            )
        self.settings = settings
        self.step = 0
        self.corpus = _fingerprint(documents)
        self.device = choose_device(settings.device)
        use_bf16 = settings.precision == "bf16" or (
            settings.precision == "auto" and self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        )
        self._autocast = (
            (lambda: torch.autocast(self.device.type, torch.bfloat16)) if use_bf16 else contextlib.nullcontext
        )
        self._examples = Examples(learnt, encode, tokens)
        held_out_examples = Examples(held_out, encode, tokens)
        self._held_out = [
            held_out_examples.batch(0, number, settings.rows, settings.columns + 1)
            for number in range(HELD_OUT_BATCHES)
        ]
        torch.manual_seed(settings.seed)
        self.model = Starcoder2(settings.shape, n_vocab)
        self.model.initialise()
        self.model.to(self.device)
        matrices = [p for n, p in self.model.named_parameters() if p.dim() > 1 and n != "token_embd.weight"]
        others = [p for n, p in self.model.named_parameters() if p.dim() == 1 or n == "token_embd.weight"]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.95),
        )

    def run(
        self,
        until: int,
        *,
        folder: Path | None = None,
        save_every: int = 500,
        log_every: int = 50,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        """Trains up to step `until`; saves into `folder` every `save_every` steps and at the end.

        Interrupted, a run goes on from what was saved last: what is in memory may be half a step.
        """
        self.model.train()
        average: float | None = None
        since, since_step = time.perf_counter(), self.step
        while self.step < until:
            loss = self._one_step()
            average = loss if average is None else 0.98 * average + 0.02 * loss
            save = self.step % save_every == 0 or self.step == until
            if save or self.step % log_every == 0:
                seconds = time.perf_counter() - since
                n_tokens = (self.step - since_step) * self.settings.rows * self.settings.columns
                line = Progress(
                    step=self.step,
                    loss=round(average, 4),
                    learning_rate=learning_rate(self.settings, self.step - 1),
                    tokens_per_second=round(n_tokens / seconds, 1),
                    held_out_loss=round(self.held_out_loss(), 4) if save else None,
                )
                if folder is not None:
                    _append(folder / "log.jsonl", line)
                on_progress(line)
                since, since_step = time.perf_counter(), self.step
            if save and folder is not None:
                self.save(folder / CHECKPOINT)

    def _one_step(self) -> float:
        settings = self.settings
        rows = self._examples.batch(settings.seed, self.step, settings.rows, settings.columns + 1)
        batch = torch.tensor(rows, device=self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.step)
        with self._autocast():
            loss = self._loss(self.model(batch[:, :-1]), batch[:, 1:])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        value: float = loss.item()
        if not math.isfinite(value):
            raise RequestError(
                f"The loss is {value} at step {self.step}.", "Lower --learning-rate, or use --precision f32."
            )
        return value

    def _loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy in nats per token, over all tokens or over a sample of the vocabulary.

        In a model this small, nearly all the work is the product with 49,152 rows of the output matrix. So it
        is made with some rows only: the batch's own targets and the most frequent tokens, which always take
        part, and a uniform sample of the others. Each of these stands for n_others / n_sampled tokens like
        itself, which is what adding the logarithm of that to its logit says: the sum under the fraction is
        then an unbiased estimate of the full one (importance sampling; Bengio and Senecal 2003). Rows that
        are not in the sample get no gradient in this step.
        """
        hidden, targets = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)
        table = self.model.token_embd.weight
        if not self.settings.negatives:
            return functional.cross_entropy((hidden @ table.t()).float(), targets)
        always = torch.arange(min(N_ALWAYS, len(table)), device=self.device)
        certain = torch.unique(torch.cat((targets, always)))  # sorted
        is_other = torch.ones(len(table), dtype=torch.bool)
        is_other[certain.cpu()] = False
        others = is_other.nonzero()[:, 0]
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        sampled = others[torch.randperm(len(others), generator=generator)[: self.settings.negatives]]
        rows = torch.cat((certain, sampled.to(self.device)))
        logits = (hidden @ table[rows].t()).float()
        weights = torch.zeros(len(rows), device=self.device)
        if len(sampled):
            weights[len(certain) :] = math.log(len(others) / len(sampled))
        return functional.cross_entropy(logits + weights, torch.searchsorted(certain, targets))

    def held_out_loss(self) -> float:
        """The mean loss over the held-out batches, over the full vocabulary."""
        total = 0.0
        self.model.eval()
        with torch.no_grad(), self._autocast():
            for rows in self._held_out:
                batch = torch.tensor(rows, device=self.device)
                for row in batch:  # one by one: the logits of a whole batch are 1.6 GB
                    logits = self.model.logits(self.model(row[None, :-1]))[0].float()
                    total += float(functional.cross_entropy(logits, row[1:])) / len(batch)
        self.model.train()
        return total / len(self._held_out)

    def save(self, path: Path) -> None:
        """Writes the whole state, all or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            torch.save(
                {
                    "settings": msgspec.to_builtins(self.settings),
                    "corpus": self.corpus,
                    "step": self.step,
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                },
                temporary,
            )
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint of the same run. Raises RequestError for one of another run."""
        state = read_checkpoint(path)
        if state["settings"] != msgspec.to_builtins(self.settings):
            theirs = state["settings"]
            differing = sorted(
                name
                for name, value in msgspec.to_builtins(self.settings).items()
                if theirs.get(name) != value
            )
            raise RequestError(
                f"{path} was made with other settings: {', '.join(differing)}.",
                "Give the same options, or begin a new run in another folder.",
            )
        if state["corpus"] != self.corpus:
            raise RequestError(f"{path} was made with another corpus.", "Give the corpus that it began with.")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `Training.save` wrote, on the CPU. Raises ModelFormatError when the file is something else."""
    try:
        # weights_only: a checkpoint is data; it may not bring code with it.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise _not_a_checkpoint(path, str(error).partition("\n")[0] or type(error).__name__) from error
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise _not_a_checkpoint(path, "parts are missing")
    return state


def _not_a_checkpoint(path: Path, why: str) -> ModelFormatError:
    return ModelFormatError(
        f"{path} is not a checkpoint of this program: {why}.",
        "Name the checkpoint.pt in the folder of a training run.",
    )


def load_model(path: Path) -> Starcoder2:
    """The model in a checkpoint, on the CPU in f32, ready to be evaluated."""
    state = read_checkpoint(path)
    settings = msgspec.convert(state["settings"], Settings)
    model = Starcoder2(settings.shape, len(state["model"]["token_embd.weight"]))
    model.load_state_dict(state["model"])
    model.eval()
    return model


def _fingerprint(documents: Sequence[Document]) -> str:
    return hashlib.sha256("".join(document.sha256 for document in documents).encode()).hexdigest()


def _append(path: Path, line: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(msgspec.to_builtins(line)) + "\n")
