"""`python -m stardraft_lsp` is `stardraft lsp` without the command line, which a server has no need of."""

import argparse
import sys
from pathlib import Path

from stardraft_lsp.server.program import LEVELS, run


def main() -> int:
    """Runs the server with this process's arguments; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m stardraft_lsp", description=__doc__)
    parser.add_argument("--stdio", action="store_true", help="talk over stdin and stdout: the only way")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--log-file", type=Path)
    parser.add_argument("--log-level", choices=LEVELS, default="warning")
    given = parser.parse_args()
    try:
        return run(given.settings, given.log_file, given.log_level)
    except OSError as error:
        parser.error(f"--log-file: {given.log_file}: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main())
