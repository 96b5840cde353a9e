"""How the built-in model likes each layout: places in the middle of the standard library's lines, as a table.

    python -m tests.measure_layouts [--places 500]

The line's true rest is scored, token by token, behind the prompt of each layout, with 1,500 characters before
the cursor and 500 from the line's end on.
"""

import argparse
import random
import sysconfig
from array import array
from collections.abc import Iterator
from pathlib import Path

from stardraftd.engine.native.loading import LoadedModel
from stardraftd.engine.native.sampling import LogProbability
from stardraftd.engine.plan.line_tokenizer import LineTokenizer
from stardraftd.engine.plan.prompt import PromptBuilder
from tests.support.engines import loaded_model

SEED = 1
N_BEFORE, N_BEHIND = 1500, 500
MIN_REST = 6


def places(n: int) -> Iterator[tuple[str, str, str, str]]:
    """Path, prefix from a line start, the rest of the line, suffix; fewer than `n`, as many are no good."""
    choose = random.Random(SEED)
    folder = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(folder.glob("*.py")) if 3000 < file.stat().st_size < 60_000]
    for _ in range(n):
        file = choose.choice(files)
        text = file.read_text("utf-8", "ignore")
        cursor = choose.randrange(500, len(text) - 500)
        end = text.find("\n", cursor)
        line_start = text.rfind("\n", 0, cursor) + 1
        if end - cursor >= MIN_REST and text[cursor:end].strip() and text[line_start:cursor].strip():
            prefix = text[max(0, cursor - N_BEFORE) : cursor].partition("\n")[2]
            yield file.name, prefix, text[cursor:end], text[end : end + N_BEHIND]


def prompts(
    builder: PromptBuilder, path: str, prefix: str, suffix: str
) -> Iterator[tuple[str, "array[int]"]]:
    nothing, text = array("i"), builder.text
    lines = prefix.splitlines(keepends=True)
    line, three_above = "".join(lines[-1:]), "".join(lines[-4:])

    def anchored(typed: str, suffix: str) -> "array[int]":
        return builder.psm(nothing, text(prefix.removesuffix(typed), path), text(suffix), text(typed))

    yield "SPM v2", builder.spm(nothing, text(suffix), text(prefix, path))
    yield "PSM", anchored("", suffix)
    yield "anchored PSM, at the line's start", anchored(line, suffix)
    yield "anchored PSM, three lines above", anchored(three_above, suffix)
    yield "anchored PSM, 60 characters of suffix", anchored(line, suffix[:60])


def score(loaded: LoadedModel, prompt: "array[int]", rest: "array[int]") -> tuple[float, bool]:
    """Mean log-probability of a token of `rest`, and whether the model would have ended at once."""
    context, logprob = loaded.context, LogProbability(loaded.model.n_vocab)
    context.clear()
    for start in range(0, len(prompt) - 1, context.n_batch):
        context.decode(prompt[start : min(start + context.n_batch, len(prompt) - 1)], start, 0)
    context.decode(prompt[-1:] + rest, len(prompt) - 1, 0, all_logits=True)
    ends = {loaded.sentinels.end_of_text, loaded.sentinels.separator}
    ends_at_once = int(context.logits(0).argmax()) in ends
    return sum(logprob(context.logits(i), token) for i, token in enumerate(rest)) / len(rest), ends_at_once


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--places", type=int, default=500)
    given = arguments.parse_args()
    scores: dict[str, list[tuple[float, bool]]] = {}
    with loaded_model(n_cells=2048, n_batch=512) as loaded:
        builder = PromptBuilder(LineTokenizer(loaded.model, loaded.pre_tokenizer), loaded.sentinels)
        for path, prefix, rest, suffix in places(given.places):
            for name, prompt in prompts(builder, path, prefix, suffix):
                scores.setdefault(name, []).append(score(loaded, prompt, builder.text(rest)))
    print(f"{'layout':40}{'places':>7}{'log-probability a token':>25}{'ends at once':>14}")
    for name, found in scores.items():
        mean = sum(value for value, _ in found) / len(found)
        print(f"{name:40}{len(found):>7}{mean:>25.2f}{sum(end for _, end in found) / len(found):>14.0%}")


if __name__ == "__main__":
    main()
