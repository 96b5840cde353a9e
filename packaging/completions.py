"""Writes the shell completions in packaging/completions, as the command line itself gives them out.

    python packaging/completions.py             write them
    python packaging/completions.py --check     say which ones are old, and change nothing

Each is a few lines that ask `stardraft` what may stand at the cursor, so they hold for every later version of
the commands. Packages put them where the shells look; whoever has no package has `--install-completion`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "completions"

# The shell as the parser calls it, and the file's name as that shell looks for it.
FILES = {
    "bash": "stardraft.bash",
    "zsh": "_stardraft",
    "fish": "stardraft.fish",
    "powershell": "stardraft.ps1",
}


def script(shell: str) -> str:
    """The completion of one shell. Raises CalledProcessError when the command line does not give it."""
    environment = dict(os.environ, _STARDRAFT_COMPLETE=f"source_{shell}")
    asked = subprocess.run(
        [sys.executable, "-m", "stardraftd"], env=environment, capture_output=True, text=True, check=True
    )
    return FITTED.get(shell, str)(asked.stdout.strip()) + "\n"


def autoloaded(text: str) -> str:
    """zsh reads the file at the first Tab, as the body of a function: then that Tab is a question already."""
    return f"""{text}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _stardraft_completion "$@"
fi"""


def own_keys_only(text: str) -> str:
    """Without the lines that would change what Tab does in all of PowerShell."""
    return "\n".join(line for line in text.splitlines() if "PSReadLine" not in line)


# What a file that a package installs does otherwise than one that a user asked for.
FITTED = {"zsh": autoloaded, "powershell": own_keys_only}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = {name: script(shell) for shell, name in FILES.items()}
    if check:
        differ = [name for name, text in wanted.items() if _present(name) != text]
        if differ:
            sys.exit(f"Not as the program says: {', '.join(differ)}. Type: python packaging/completions.py")
        return
    FOLDER.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} completions in {FOLDER}")


def _present(name: str) -> str:
    try:
        return (FOLDER / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    main()
