"""The edge: runs a command line, shows every error once, and turns it into an exit code."""

import errno
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from stardraftd.cli.output.errors import FAILED, INTERRUPTED, WRONG_INPUT, say, show
from stardraftd.cli.output.terminal import prepare_streams, silence_stdout
from stardraftd.cli.output.usage import UsageError, wrong_usage
from stardraftd.console.printable import visible_line
from stardraftd.errors import (
    ModelFormatError,
    ModelNotFoundError,
    ModelUnsupportedError,
    PathError,
    RequestError,
    StardraftError,
)

# How writing to a stream fails: a full disk or quota, a limit of size, a device, a closed descriptor.
_OUTPUT_ERRORS = {
    errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, errno.ENXIO, getattr(errno, "EDQUOT", errno.ENOSPC),
}  # fmt: skip

# What was typed is wrong: itself, or the model's file that it names.
_TYPED = (RequestError, ModelNotFoundError, ModelFormatError, ModelUnsupportedError)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (by default this process's) and returns the exit code."""
    prepare_streams()
    try:
        code = _invoke(sys.argv[1:] if arguments is None else list(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return FAILED
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a user reads one sentence
        return _shown(error)
    return code


def _invoke(arguments: list[str]) -> int:
    from stardraftd.cli.app import command

    result = command().main(args=arguments, prog_name="stardraft", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _shown(error: Exception) -> int:
    """Shows an error; the exit code."""
    if isinstance(error, StardraftError):
        show(error)
        return _code(error)
    if isinstance(error, UsageError):
        show(wrong_usage(error))
        return WRONG_INPUT
    if os.environ.get("STARDRAFT_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, OSError):
        show(_refused(error))
        silence_stdout()
    else:
        _show_unexpected(error)
    return FAILED


def _code(error: StardraftError) -> int:
    """2 for what was typed, also for a model that is not there or not to be used, for whichever reason; the
    daemon speaks of what is configured.
    """
    if error.is_remote:
        return FAILED
    return WRONG_INPUT if isinstance(error, _TYPED) else FAILED


def _refused(error: OSError) -> StardraftError:
    """What the operating system does not let happen, which is nobody's mistake here."""
    reason = error.strerror or str(error)
    if error.errno in _OUTPUT_ERRORS and error.filename is None:
        return PathError(
            f"What was to be printed could not be written: {reason}.", "Look where the output was sent."
        )
    if not _has_folder():
        return PathError(
            "The current folder does not exist any more.", "Change to another one, for example: cd"
        )
    where = f"{visible_line(os.fsdecode(error.filename))}: " if error.filename else ""
    return PathError(
        f"The system refused: {where}{reason}.",
        "With STARDRAFT_DEBUG=1 before the command the place in the program is shown, too.",
    )


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _show_unexpected(error: Exception) -> None:
    name = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    again = f"STARDRAFT_DEBUG=1 stardraft {shlex.join(sys.argv[1:])}".rstrip()
    say(
        f"stardraft: something went wrong that should not have: {name}.",
        f"This is a mistake in stardraft. Please report it, with what this prints:\n{again}\n{_log()}",
    )


def _log() -> str:
    from stardraftd import paths

    try:
        return f"The daemon's log may say more: {paths.log_path()}"
    except PathError:
        return "The daemon's log may say more: stardraft daemon logs"
