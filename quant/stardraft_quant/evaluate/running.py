"""One evaluation from its tasks to its items: every task in every arm, its program run where wanted."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from stardraft_quant.evaluate.generate import Answerer
from stardraft_quant.evaluate.sandbox import Sandbox
from stardraft_quant.evaluate.scores import score
from stardraft_quant.evaluate.tasks import Answer, Arm, Context, Item, Program, Task, Verdict
from stardraftd.errors import RequestError
from stardraftd.protocol.completion import LayoutChoice, Mode

LAYOUTS: dict[str, tuple[LayoutChoice, ...]] = {
    "auto": ("auto",),
    "psm": ("psm",),
    "spm": ("spm",),
    "both": ("psm", "spm"),
}
CONTEXTS: dict[str, tuple[Context, ...]] = {
    "none": ("none",),
    "path": ("path",),
    "repo": ("repo",),
    "all": ("none", "path", "repo"),
}


class Measured(Struct, frozen=True):
    items: tuple[Item, ...]
    interrupted: bool


def arms(layout: str, context: str) -> list[Arm]:
    """The arms that two options name, those that are compared with each other side by side."""
    return [Arm(one, other) for one in CONTEXTS[context] for other in LAYOUTS[layout]]


def measure(
    tasks: Sequence[Task],
    wanted: Sequence[Arm],
    answerer: Answerer,
    *,
    mode: Mode,
    max_tokens: int,
    sandbox: Sandbox | None = None,
    on_item: Callable[[int], None] = lambda _n_done: None,
) -> Measured:
    """Answers and scores. All arms of a task come one after the other, so what was measured until a Ctrl-C
    can be compared; a task of which not all arms were answered is dropped then.

    Raises EngineError, RequestError for a broken set.
    """
    items: list[Item] = []
    try:
        for task in tasks:
            group: list[Item] = []
            for arm in wanted:
                answer = answerer.answer(task, arm, mode=mode, max_tokens=max_tokens)
                line, whole = _tried(task, answer, sandbox)
                group.append(score(task, arm, answer, line=line, whole=whole))
                on_item(len(items) + len(group))
            items += group
    except KeyboardInterrupt:
        return Measured(tuple(items), True)
    return Measured(tuple(items), False)


def with_sound_tests(tasks: Sequence[Task], sandbox: Sandbox) -> tuple[list[Task], list[str]]:
    """The tasks, less the tests that the set's own solution does not pass here; and why they do not count."""
    sound: dict[tuple[str, str], str] = {}
    kept, problems = [], []
    for task in tasks:
        if task.program is not None:
            own = task.prefix + task.expected + task.suffix
            known = (own, task.program.test)
            if known not in sound:
                sound[known] = _problem_of(own, task.program, sandbox)
            if sound[known]:
                problems.append(f"{task.name}: {sound[known]}")
                task = msgspec.structs.replace(task, program=None)  # noqa: PLW2901 - the same task, less its test
        kept.append(task)
    return kept, problems


def _problem_of(own: str, program: Program, sandbox: Sandbox) -> str:
    """Why a set's own solution does not pass its test; "" if it does."""
    try:
        return sandbox.run(own, solution=own, test=program.test, entry_point=program.entry_point).reason
    except RequestError as error:
        return error.message


def _tried(task: Task, answer: Answer, sandbox: Sandbox | None) -> tuple[Verdict | None, Verdict | None]:
    """What the task's test says of the answer's first line, and of all of it."""
    program = task.program
    if sandbox is None or program is None:
        return None, None

    def run(text: str) -> Verdict:
        return sandbox.run(
            task.prefix + text + task.suffix,
            solution=task.prefix + task.expected + task.suffix,
            test=program.test,
            entry_point=program.entry_point,
        )

    whole = run(answer.text)
    if "\n" in task.expected.strip():
        return None, whole  # one line can never be enough
    line = up_to_first_line(answer.text)
    return (whole if line == answer.text else run(line)), whole


def up_to_first_line(text: str) -> str:
    """The beginning of `text` that ends with its first visible line, as the mode "line" ends it."""
    lines = text.split("\n")
    n = next((i for i, line in enumerate(lines) if line.strip()), len(lines) - 1)
    return "\n".join(lines[: n + 1])
