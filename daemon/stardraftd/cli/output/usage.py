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
    hint = _before_the_command(error) or f"{command} --help says what there is."
    return RequestError(message if message.endswith((".", "?")) else f"{message}.", hint)


def _before_the_command(error: typer.BadParameter) -> str:
    """Where an option of stardraft itself belongs that was typed behind a command; "" for any other."""
    option = getattr(error, "option_name", "")
    if error.ctx is None or (root := error.ctx.find_root()) is error.ctx:
        return ""
    if not any(option in one.opts for one in root.command.params):
        return ""
    rest = error.ctx.command_path.removeprefix(f"{root.command_path} ")
    return f"It belongs right after `{root.command_path}`, before `{rest}`."
