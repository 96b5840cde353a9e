"""What is said on stderr, and the exit codes: one error or warning at a time, a sentence and what to do.

0    done
1    it failed, and stderr says why; the user was asked, and said no; or whoever read the output went away
2    what was typed is wrong, or a question could not be asked (console/asking.py)
3    there is no daemon (`stardraft status`)
130  Ctrl-C
"""

import sys
from contextlib import suppress

from stardraftd.console.printable import visible
from stardraftd.console.prose import columns, fitted
from stardraftd.errors import StardraftError

FAILED = 1
WRONG_INPUT = 2
NOT_RUNNING = 3
INTERRUPTED = 130


def show(error: StardraftError) -> None:
    """One error on stderr: `stardraft: what happened`, and below it what to do."""
    say(f"stardraft: {error.message}", error.hint)


def show_warning(message: str, hint: str = "") -> None:
    """Something to know that did not stop the command, on stderr."""
    say(f"stardraft: warning: {message}", hint)


def say(message: str, hint: str) -> None:
    from stardraftd.paths import with_tildes  # which needs more than the help does

    lines = with_tildes("\n".join([message, *(f"  {line}" for line in hint.splitlines())]))
    with suppress(OSError):  # stderr is closed or full: there is nowhere left to say it
        sys.stderr.write(fitted(visible(lines), columns(sys.stderr), hang=2) + "\n")
        sys.stderr.flush()
