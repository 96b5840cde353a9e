"""Makes the self-test's data file: python -m tests.make_selftest_reference (needs the extra `reference`).

What the reference implementation, transformers' Starcoder2, computes from the same weights: of the built-in
model for a text of 513 tokens, and of each of the random models with weights of one type.
"""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stardraftd.engine import selftest
from stardraftd.engine.selftest_kernels import KERNEL_COLUMNS, WEIGHT_TYPES, kernel_tokens, write_kernel_model
from tests.support.prompts import load_cases
from tests.support.reference_tokenizer import ReferenceTokenizer
from tests.support.tiny_models import BUILT_IN, reference_model

N_TOKENS = max(selftest.BATCHES) + 1
N_COLUMNS = 12
# Of so many places, the ones where the reference is surest, the best one is taken.
N_TRIED = 12
N_READ = range(32, 192)
CLEAR = 2 * selftest.MARGIN
TARGET = Path(selftest.__file__).with_name(selftest.REFERENCE_FILE)


def main() -> None:
    torch.set_num_threads(1)  # threads that spin while they wait are slow on a busy computer
    data = built_in()
    with tempfile.TemporaryDirectory() as folder:
        for kind in WEIGHT_TYPES:
            model = reference_model(write_kernel_model(Path(folder) / "model.gguf", kind))
            ids = kernel_tokens()[: max(selftest.KERNEL_BATCHES)]
            data |= part(kind.name, logits_of(model, ids), range(len(ids)), KERNEL_COLUMNS)
    write(TARGET, data)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes, {len(WEIGHT_TYPES)} types of weights")


def built_in() -> dict[str, NDArray[Any]]:
    text, ids = text_of(N_TOKENS)
    model = reference_model(BUILT_IN)
    logits = logits_of(model, ids)
    n_read, greedy, margins = clearest(model, ids, logits)
    often = np.unique(logits.argmax(axis=1), return_counts=True)
    columns = sorted(
        {
            *often[0][np.argsort(-often[1])][:N_COLUMNS].tolist(),
            *np.linspace(0, logits.shape[1] - 1, N_COLUMNS).astype(int).tolist(),
        }
    )
    near = selftest.N_CACHED + sum(sorted(selftest.BATCHES)[:-1])
    positions = sorted({*range(33), *range(selftest.N_CACHED, near), *range(0, N_TOKENS, 8), N_TOKENS - 2})
    return {
        "text": np.frombuffer(text, np.uint8),
        "ids": np.array(ids, np.int32),
        "n_read": np.array(n_read, np.int32),
        "greedy": np.array(greedy, np.int32),
        "margins": np.array(margins, np.float32),
        **part("built_in", logits, positions, columns),
    }


def part(name: str, logits: NDArray[np.float32], positions: Any, columns: Any) -> dict[str, NDArray[Any]]:
    rows = np.array(list(positions), np.int64)
    return {
        f"{name}.positions": rows,
        f"{name}.columns": np.array(list(columns), np.int64),
        f"{name}.logits": logits[np.ix_(rows, list(columns))].astype(np.float16),
        f"{name}.spread": logits[rows].std(axis=1),
    }


def text_of(n_tokens: int) -> tuple[bytes, list[int]]:
    """The tests' prompts, cut after a whole number of tokens."""
    tokenizer = ReferenceTokenizer()
    text = "\n".join(case.prefix + case.suffix for case in load_cases()) * 3
    ids = tokenizer.encode(text)[:n_tokens]
    assert len(ids) == n_tokens
    return tokenizer.decode(ids).encode(), list(ids)


def logits_of(model: Any, ids: list[int]) -> NDArray[np.float32]:
    with torch.no_grad():
        logits: NDArray[np.float32] = model(torch.tensor([ids])).logits[0].numpy()
    return logits


def clearest(model: Any, ids: list[int], logits: NDArray[np.float32]) -> tuple[int, list[int], list[float]]:
    """Where in the text a continuation begins whose choices are all clear, or as many of them as there
    are.
    """
    best_two = np.sort(logits, axis=1)[:, -2:]
    within = best_two[: N_READ.stop]
    surest = np.argsort(within[:, 0] - within[:, 1])[:N_TRIED]
    best: tuple[int, list[int], list[float]] = (0, [], [])
    most = -1
    for n_read in sorted(int(at) + 1 for at in surest if at + 1 in N_READ):
        greedy, margins = continued(model, ids[:n_read])
        n_clear = next((i for i, margin in enumerate(margins) if margin < CLEAR), len(margins))
        if n_clear > most:
            best, most = (n_read, greedy, margins), n_clear
        if n_clear == selftest.N_GREEDY:
            break
    return best


def continued(model: Any, ids: list[int]) -> tuple[list[int], list[float]]:
    """The greedy continuation, and by how much each token was ahead of the second."""
    answer: list[int] = []
    margins: list[float] = []
    for _ in range(selftest.N_GREEDY):
        best = torch.from_numpy(logits_of(model, [*ids, *answer])[-1]).topk(2)
        answer.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return answer, margins


def write(path: Path, data: dict[str, NDArray[Any]]) -> None:
    """As np.savez_compressed, but the same bytes for the same arrays: no time of day in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, values in data.items():
            content = io.BytesIO()
            np.save(content, values)
            file.writestr(zipfile.ZipInfo(f"{name}.npy", (2000, 1, 1, 0, 0, 0)), content.getvalue())


if __name__ == "__main__":
    main()
