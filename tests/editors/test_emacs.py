"""The whole way in a real Emacs that `stardraft setup` set up: eglot's completion, and lsp-mode's ghost text.

Emacs runs in batch mode: no frame, but its own buffers, overlays and commands, which tests/editors/emacs.el
uses as a user's keys would.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import stardraft
from tests.support.home import write_config
from tests.support.processes import run_to_end

SCRIPT = Path(__file__).parent / "emacs.el"
SHELF = Path(__file__).parents[1] / "data" / "demo" / "shelf.py"
BEGUN = " [item for item in self"
TIMEOUT_S = 120.0


def find_emacs(library: str) -> str:
    """The command that STARDRAFT_EMACS names, else `emacs` of the PATH; one that has `library`.

    Skips the test where there is none.
    """
    named = os.environ.get("STARDRAFT_EMACS")
    binary = named or shutil.which("emacs")
    if not binary:
        pytest.skip("no Emacs: neither STARDRAFT_EMACS nor an emacs on the PATH")
    has = f'(kill-emacs (if (and (>= emacs-major-version 29) (locate-library "{library}")) 0 1))'
    if subprocess.run([binary, "-Q", "--batch", "--eval", has], capture_output=True, check=False).returncode:
        reason = f"{binary} is older than 29, or has no {library}"
        # Whoever names one wants this tested.
        pytest.fail(reason) if named else pytest.skip(reason)
    return binary


def seen_in_emacs(binary: str, test: str, home: dict[str, str], folder: Path) -> dict[str, Any]:
    """Sets Emacs up, runs one of the script's tests in a project, and returns what it saw."""
    write_config(home, "[editor]\nconfidence = false\n")
    environment = dict(home, HOME=str(folder), XDG_CONFIG_HOME=str(folder / "config"))
    set_up = stardraft(environment, "setup", "emacs", "--yes")
    assert set_up.returncode == 0, set_up.stderr
    (folder / "project" / ".git").mkdir(parents=True)
    file = folder / "project" / "shelf.py"
    file.write_bytes(SHELF.read_bytes())
    init = folder / ".emacs.d" / "init.el"
    done = run_to_end(
        [binary, "-Q", "--batch", "-l", str(SCRIPT), "--", test, str(init), str(file), BEGUN],
        env=environment | {"SEEN": str(folder / "seen.json")},
        cwd=folder,
        idle_s=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-5000:]
    seen: dict[str, Any] = json.loads((folder / "seen.json").read_bytes())
    return seen


def test_eglot_completes_at_point_with_what_the_list_shows(
    shared_home: dict[str, str], tmp_path: Path
) -> None:
    seen = seen_in_emacs(find_emacs("eglot"), "test-eglot", shared_home, tmp_path)
    assert len(seen["shown"]) == 1
    assert seen["shown"][0].startswith("self")
    assert len(seen["shown"][0]) > len("self")
    assert seen["line"] == f"        return{BEGUN.removesuffix('self')}{seen['shown'][0].removesuffix('…')}"


def test_lsp_mode_shows_ghost_text_and_takes_what_it_shows(
    shared_home: dict[str, str], tmp_path: Path
) -> None:
    seen = seen_in_emacs(find_emacs("lsp-inline-completion"), "test-lsp-mode", shared_home, tmp_path)
    assert seen["shown"]
    assert seen["line"] == f"        return{BEGUN}{seen['shown'].splitlines()[0]}"
    assert seen["list"] is False  # the completion list does not show it a second time
