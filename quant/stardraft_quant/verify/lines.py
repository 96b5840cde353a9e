"""The other measure of what a model lost: how many lines it still finishes exactly. A model, and tasks."""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from stardraft_quant.code.document import Document
from stardraft_quant.code.fim_examples import Examples, Layout, rest_of_line_tasks
from stardraft_quant.code.lines import MAX_LINE_TOKENS, Stop
from stardraft_quant.verify.measure import Estimate, estimate
from stardraft_quant.verify.rows import PsmExamples
from stardraft_quant.verify.running import LoadedModel
from stardraftd.engine.native import llama
from stardraftd.gguf.fim_tokens import FimTokens

# A prompt has up to 1,800 characters and a path; almost always these are some 600 tokens.
N_POSITIONS = 4096


class Line(Struct, frozen=True):
    """A line to be finished: the prompt that leads to it, by layout, and what is to be written."""

    prompts: dict[Layout, list[int]]
    rest: str


class Lines(Struct, frozen=True):
    """Lines that every model finishes greedily, as stardraft_quant.train.evaluate has them finished."""

    lines: tuple[Line, ...]
    tokens: FimTokens
    layouts: tuple[Layout, ...]

    @classmethod
    def of(
        cls, documents: Sequence[Document], examples: Examples, tokens: FimTokens, *, n: int, seed: int
    ) -> "Lines":
        """At most `n`: a prompt that is too long, as in a script of many bytes, is left out.

        They are in token ids from here on: no tokenizer is asked again.
        """
        layouts: tuple[Layout, ...] = ("psm",) if isinstance(examples, PsmExamples) else ("psm", "spm")
        lines = []
        for task in rest_of_line_tasks(documents, n, seed):
            head = f"{task.path}\n"
            prompts = {layout: examples.prompt(layout, head, task.cut) for layout in layouts}
            if max(map(len, prompts.values())) + MAX_LINE_TOKENS <= N_POSITIONS:
                lines.append(Line(prompts, task.cut.middle.rstrip()))
        return cls(tuple(lines), tokens, layouts)

    @property
    def n_generations(self) -> int:
        """How many lines one model writes."""
        return len(self.lines) * len(self.layouts)

    def shares(self, loaded: LoadedModel, on_line: Callable[[], None]) -> dict[Layout, Estimate]:
        """The share of lines that a model finishes exactly (white space at the end apart), by layout."""
        stop = _line_stop(loaded.model, self.tokens)
        right: dict[Layout, list[bool]] = {layout: [] for layout in self.layouts}
        for line in self.lines:
            for layout, prompt in line.prompts.items():
                text = b"".join(map(loaded.model.piece, loaded.greedy(prompt, stop))).decode(
                    "utf-8", "replace"
                )
                right[layout].append(text.partition("\n")[0].rstrip() == line.rest)
                on_line()
        return {layout: estimate(np.array(found, np.float64)) for layout, found in right.items() if found}


def _line_stop(model: llama.Model, tokens: FimTokens) -> Stop:
    """Ends a line at every special token, and behind every token with a line end in it."""
    special = {
        tokens.prefix, tokens.middle, tokens.suffix, tokens.pad,
        tokens.repository, tokens.separator, tokens.end_of_text,
    }  # fmt: skip
    line_ends = frozenset(token for token in range(model.n_vocab) if b"\n" in model.piece(token))
    return Stop(frozenset(token for token in special if token is not None), line_ends)
