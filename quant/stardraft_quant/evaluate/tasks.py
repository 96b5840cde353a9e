"""What is asked, what was answered: the plain data of an evaluation. Nothing is computed here."""

from typing import Literal

from msgspec import Struct

from stardraftd.protocol.completion import (
    ContextChunk,
    FinishReason,
    Layout,
    LayoutChoice,
    Mode,
    ModelInfo,
    Token,
)

Context = Literal["none", "path", "repo"]
DatasetKind = Literal["santacoder-fim", "humaneval-infilling", "safim"]
TaskKind = Literal["rest-of-line", "whole-line", "santacoder-fim", "humaneval-infilling", "safim"]


class Program(Struct, frozen=True, kw_only=True):
    """How a task's answer is tried out: in Python, by `check(entry_point)` of `test`."""

    entry_point: str
    test: str


class Task(Struct, frozen=True, kw_only=True):
    """A hole, and what stood in it.

    number:     its place among the tasks, from 0.
    name:       what the set calls it; `path:line:column` (from 1) for a hole of one's own.
    language:   as `code_files` or the set names it.
    path, repository, chunks: what a model may be shown beside the file; "" and () where a set has none.
    prefix, suffix, expected: text with LF line ends; a hole's last line end belongs to the suffix.
    """

    number: int
    name: str
    kind: TaskKind
    language: str
    prefix: str
    suffix: str
    expected: str
    path: str = ""
    repository: str = ""
    chunks: tuple[ContextChunk, ...] = ()
    program: Program | None = None


class Arm(Struct, frozen=True, order=True):
    """One way to ask: what a model is shown beside the file, and in which layout."""

    context: Context
    layout: LayoutChoice

    @property
    def name(self) -> str:
        return f"{LAYOUT_NAMES[self.layout]}, {CONTEXT_NAMES[self.context]}"


LAYOUT_NAMES = {"auto": "auto", "psm": "PSM", "spm": "SPM v2"}
CONTEXT_NAMES = {"none": "file only", "path": "path", "repo": "path and repository"}


class Answer(Struct, frozen=True, kw_only=True):
    """What a model wrote into a hole.

    text:     what the editor would have shown.
    tokens:   all that were generated, those that a stop cut too, with their natural log-probabilities at
              temperature 1.
    layout:   the one that was used ("auto" chooses).
    ended:    the engine's reason.
    n_prompt, n_context: tokens of the prompt, and those of them from other files.
    """

    text: str
    tokens: tuple[Token, ...]
    layout: Layout
    ended: FinishReason
    n_prompt: int
    n_context: int
    total_ms: float

    @property
    def mean_logprob(self) -> float:
        return sum(token.logprob for token in self.tokens) / len(self.tokens) if self.tokens else 0.0


class Verdict(Struct, frozen=True):
    """Whether a program passed its test, and if not, why: "AssertionError", "took longer than 10 s"."""

    passed: bool
    reason: str = ""


class Item(Struct, frozen=True, kw_only=True):
    """One answer, scored. Shares are of 1.

    exact:       the whole answer is the expected text, white space at both ends apart.
    exact_line:  the same of the first line with something on it.
    prefix:      characters of the expected first line that the answer begins with, as a share of it.
    similarity:  1 - edits / length of the longer, of the first lines.
    first_line:  whether a program with only the answer's first line passed; `whole` with all of it.
    """

    task: int
    name: str
    kind: TaskKind
    language: str
    context: Context
    layout: LayoutChoice
    used_layout: Layout
    expected: str
    text: str
    ended: FinishReason
    exact: bool
    exact_line: bool
    prefix: float
    similarity: float
    n_prompt: int
    n_context: int
    n_tokens: int
    total_ms: float
    mean_logprob: float
    tokens: tuple[Token, ...]
    first_line: Verdict | None = None
    whole: Verdict | None = None

    @property
    def arm(self) -> Arm:
        return Arm(self.context, self.layout)


class Run(Struct, frozen=True, kw_only=True):
    """An evaluation, as far as it went.

    source:      the folders or the file that the tasks are from.
    tasks_in_all: how many there were to choose from.
    notes:       what a reader must know: arms that were left out, lines that were skipped.
    """

    version: str
    source: str
    model: ModelInfo
    mode: Mode
    window: int
    max_tokens: int
    seed: int
    arms: tuple[Arm, ...]
    n_tasks: int
    tasks_in_all: int
    interrupted: bool
    notes: tuple[str, ...]
    items: tuple[Item, ...]
