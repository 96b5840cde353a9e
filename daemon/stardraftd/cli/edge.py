"""The edge: runs a command line, shows every error once, and turns it into an exit code."""

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import cast

import typer

from stardraftd.cli.telling import FAILED, INTERRUPTED, WRONG_INPUT, say, show
from stardraftd.cli.terminal import prepare_streams, silence_stdout
from stardraftd.errors import PathError, RequestError, StardraftError

# Which module holds the parser's errors differs between versions of typer; their family does not.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (by default this process's) and returns the exit code."""
    prepare_streams()
    try:
        code = _invoke(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return FAILED
    except StardraftError as error:
        show(error)
        return WRONG_INPUT if isinstance(error, RequestError) else FAILED
    except _UsageError as error:
        show(_usage(error))
        return WRONG_INPUT
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a person reads one sentence
        _show_unexpected(error)
        return FAILED
    return code


def _invoke(arguments: list[str]) -> int:
    from stardraftd.cli.app import command

    result = command().main(args=arguments, prog_name="stardraft", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _usage(error: typer.BadParameter) -> RequestError:
    context = error.ctx
    command = context.command_path if context is not None else "stardraft"
    message = error.format_message()
    return RequestError(
        message if message.endswith((".", "?")) else f"{message}.", f"{command} --help says what there is."
    )


def _show_unexpected(error: Exception) -> None:
    if os.environ.get("STARDRAFT_DEBUG"):
        traceback.print_exception(error)
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
