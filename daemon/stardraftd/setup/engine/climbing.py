"""The ladder gone down: a step is built, put in place, proved; where it does not work here, the next one
is tried.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stardraftd.errors import EngineBuildError
from stardraftd.setup.engine import building, keys
from stardraftd.setup.engine.building import CompilationError, OnProgress, Say
from stardraftd.setup.engine.ladder import Ladder, Step
from stardraftd.setup.engine.proof import Proof


@dataclass(frozen=True)
class Reached:
    """The step whose build works here, and its wheel."""

    step: Step
    wheel: Path


def first_that_works(
    ladders: Sequence[Ladder],
    cache: Path,
    try_out: Callable[[Step, Path], Proof],
    *,
    say: Say,
    on_progress: OnProgress,
    environment: Mapping[str, str] = os.environ,
) -> Reached:
    """Goes down the ladders. `try_out` puts a wheel in its place and has it proved.

    Each step says in a line what it does and why, and why it did not do. Raises EngineBuildError when none
    works, or when what is missing would be missing at every step.
    """
    environment = keys.build_environment(environment)
    steps = [(ladder, step) for ladder in ladders for step in ladder.steps]
    for note in dict.fromkeys(note for ladder in ladders for note in ladder.notes):
        say(note)
    failed: list[str] = []
    for number, (ladder, step) in enumerate(steps, start=1):
        is_last = number == len(steps)
        is_built = building.find_wheel(step, ladder, cache, environment) is not None
        say(f"{'Taking a build of llama.cpp that is here' if is_built else 'Building llama.cpp'}: {step.why}")
        try:
            wheel = building.build(step, ladder, cache, environment, say=say, on_progress=on_progress)
        except CompilationError as error:
            if is_last:
                raise
            say(f"It does not compile ({first_line(error.message)}); one step down.")
            failed.append(f"{step.name}: it does not compile")
            continue
        proof = try_out(step, wheel)
        if proof.works:
            return Reached(step, wheel)
        failed.append(f"{step.name}: {proof.summary}")
        say(f"It does not work here: {proof.summary}{'' if is_last else ' One step down.'}")
    listed = "\n".join(f"  {line}" for line in failed)
    raise EngineBuildError(
        f"No build of llama.cpp works on this computer:\n{listed}",
        "Another compiler may make one that does: CXX=/path/to/c++ CC=/path/to/cc in front of the command.",
    )


def first_line(text: str) -> str:
    """The telling line of an error's message."""
    lines = [line for line in text.splitlines()[1:] if "error" in line.lower()] or text.splitlines()
    return lines[0].strip()[:200]
