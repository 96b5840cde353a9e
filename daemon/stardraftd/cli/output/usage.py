"""What the parser of the command line has to say about what was typed, as an error of ours."""

import re
from typing import cast

import typer

from stardraftd.errors import RequestError

# Which module holds the parser's errors differs between versions of typer; their family does not.
UsageError = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])

# The parser's validator begins its own reasons so, and says twice what is wrong with a number.
_VALIDATORS_WORDS = re.compile(r": (?:Value error|Assertion failed), ")
_SHOULD_BE = re.compile(r": Input should be ([^,]+)(?:, .*)?$")


def wrong_usage(error: typer.BadParameter) -> RequestError:
    """The parser's error, with the command whose help says more."""
    context = error.ctx
    command = context.command_path if context is not None else "stardraft"
    message = _VALIDATORS_WORDS.sub(": ", error.format_message())
    message = _SHOULD_BE.sub(r": it must be \1", message)
    return RequestError(
        message if message.endswith((".", "?")) else f"{message}.", f"{command} --help says what there is."
    )
