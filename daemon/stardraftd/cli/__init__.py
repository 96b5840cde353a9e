"""`stardraft`: what a user types, and what they read.

`app` puts the commands together, `edge` shows every error once and turns it into an exit code; each group of
commands has a module of its own, and `checks` are those of `stardraft doctor`. Nothing here imports what a
command does not need: `stardraft --version` is quick.
"""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """The console script: runs the command line of this process, and ends it."""
    from stardraftd.cli.edge import run

    sys.exit(run())
