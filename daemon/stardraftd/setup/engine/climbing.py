"""The ladder gone down: a step is built, put in place, proved; where it does not work here, the next one
is tried.

Whether a build works here is asked of the engine's self-test, in the installation that is to use it.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stardraftd.errors import EngineBuildError
from stardraftd.setup.engine import building, keys
from stardraftd.setup.engine.building import CompilationError, OnProgress, Say
from stardraftd.setup.engine.ladder import Ladder, Step

MODULE = "stardraftd.proof.verdict"
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Proof:
    """summary: a sentence. hint: what to do, "" where there is nothing."""

    works: bool
    summary: str
    hint: str = ""


def prove(python: Path, environment: Mapping[str, str] = os.environ) -> Proof:
    """Has `python`'s stardraft test its engine. STARDRAFT_ENGINE_BUILD in `environment` names another build.

    Raises EngineBuildError when the test itself could not be carried out.
    """
    command = [str(python), "-P", "-m", MODULE, "--again", "--json"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Proof(False, f"Its self-test did not end within {TIMEOUT_S / 60:.0f} minutes.")
    except OSError as error:
        raise EngineBuildError(f"{python} cannot be run: {error.strerror or error}.") from error
    return read_proof(done.stdout, done.stderr, done.returncode)


def read_proof(stdout: bytes, stderr: bytes, status: int) -> Proof:
    """What the self-test answered. Raises EngineBuildError when it answered nothing, or has no verdict."""
    lines = stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        told = json.loads(lines[-1])
        works, failure, hint = bool(told["ok"]), str(told.get("failure", "")), str(told.get("hint", ""))
        is_undecided = bool(told.get("undecided"))
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        said = stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise EngineBuildError(
            f"The engine's self-test could not be carried out: it ended with status {status} and "
            f"said: {said[0]}",
            "stardraft itself may not be whole: install it again.",
        ) from None
    if is_undecided:  # memory ran out, or somebody ended it: another build would fare no better
        raise EngineBuildError(failure, hint)
    return Proof(works, failure or "It passed its self-test.", hint)


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
