"""The one place where a command asks a user for consent, and what it means when that is not given.

yes                       the caller goes on
no                        nothing is done, exit code 1
Ctrl-C, or end of input   nothing is done, exit code 130
nobody can be asked       nothing is done, exit code 2, and the option that stands for yes is named
"""

import sys

import typer

from stardraftd.console.printable import tell
from stardraftd.console.prose import columns, fitted
from stardraftd.errors import RequestError

DECLINED = 1
_ANSWERED = ": y"  # what stands behind the question, once there is an answer


def unasked(why: str, *, otherwise: str, option: str) -> RequestError:
    """The error of a command that would ask, and cannot."""
    return RequestError(f"{otherwise}: {why}.", f"To have it done: {option}")


def confirm(question: str, *, otherwise: str = "Nothing was changed", option: str = "--yes") -> None:
    """Returns if the user agrees. otherwise: what holds if not, without a full stop.

    option: what says yes on the command line, with what a user should know of it.
    Raises RequestError where stdin is no terminal, typer.Exit or typer.Abort when the answer is no.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise unasked("this is not a terminal, so nobody can be asked", otherwise=otherwise, option=option)
    try:
        # A question that went into a file or pipe with the rest would be waited at without being seen.
        is_piped = not sys.stdout.isatty()
        width = columns(sys.stderr if is_piped else sys.stdout)
        asked = fitted(f"{question} [y/N]", None if width is None else width - len(_ANSWERED))
        agreed = typer.confirm(asked, show_default=False, err=is_piped)  # noqa: TID251 - the one place
    except typer.Abort:
        tell(f"\n{otherwise}.", to_stderr=True)
        raise
    if not agreed:
        tell(f"{otherwise}.", to_stderr=True)
        raise typer.Exit(DECLINED)
