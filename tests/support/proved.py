"""The verdict on the engine that the tests run with: proved once on a computer, then given to every home.

Without it each daemon under test would prove the engine anew before its first load, for seconds.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from stardraftd.errors import EngineMissingError, StardraftError
from stardraftd.proof.identity import HASHES_FILE
from stardraftd.proof.verdict import VERDICTS_FILE, prove


def give_verdict(state: Path) -> None:
    """Puts what is known of the engine into a home's state folder; nothing where there is no engine."""
    known = _proved()
    if known is None:
        return
    (state / "engine").mkdir(parents=True, exist_ok=True)
    for name in (VERDICTS_FILE, HASHES_FILE):
        with suppress(OSError):
            shutil.copyfile(known / "engine" / name, state / "engine" / name)


@lru_cache(maxsize=1)
def _proved() -> Path | None:
    """A state folder with the verdict in it; a lock in it makes several test processes prove once."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    folder = Path(tempfile.gettempdir()) / f"stardraft-tests-{user}"
    before = {name: os.environ.get(name) for name in ("STARDRAFT_STATE_DIR", "LLAMA_CPP_LIB_PATH")}
    os.environ["STARDRAFT_STATE_DIR"] = str(folder)
    os.environ.pop("LLAMA_CPP_LIB_PATH", None)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        verdict = prove()
    except (EngineMissingError, OSError):
        return None
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    if not verdict.ok and not verdict.undecided:
        raise StardraftError(verdict.failure, verdict.hint)
    return folder
