"""Whether a build works here, on this processor: asked of the engine's self-test, in the installation
that is to use it.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stardraftd.errors import EngineBuildError

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
