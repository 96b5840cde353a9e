"""`stardraft status`: the daemon at this moment, for a user or a program."""

from collections.abc import Sequence
from typing import Annotated

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.output.errors import FAILED, NOT_RUNNING
from stardraftd.console.printable import tell
from stardraftd.errors import ConfigError, DaemonHungError

EXAMPLES = examples(
    "stardraft status",
    "stardraft status --json | jq .model.device",
    "stardraft status > /dev/null || echo not running",
)


def status(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show whether the daemon runs, and what it is doing.

    The model and the device it runs on, memory, the requests so far and how much of their prompts came from
    the cache, everything that should be fixed, and why an editor got no suggestion the last time. It starts
    no daemon.

    The exit code is 0 when a daemon runs and 3 when none does; with --json the object then has "running":
    false, and of the rest at most "last_silence". It is 1 when a daemon is there and does not answer: which
    process that is, and the way out, are told (with --json as "problem" and "hint", beside "running": true).
    """
    import asyncio

    from stardraftd.cli.running import running_status

    try:
        found = asyncio.run(running_status())
    except DaemonHungError as error:
        if json:
            _write({"running": True, "problem": error.message, "hint": error.hint})
            raise typer.Exit(FAILED) from None
        raise
    _warn_of_the_configuration(found.problems if found is not None else ())
    if json:
        _print_json(found)
    elif found is None:
        tell(
            "The daemon is not running.\n"
            "It starts when an editor or `stardraft complete` needs it, or now with: stardraft daemon start"
        )
        from stardraftd.cli.daemon.status_table import show_last_silence

        show_last_silence()
    else:
        from stardraftd.cli.daemon.status_table import show

        show(found)
    if found is None:
        raise typer.Exit(NOT_RUNNING)


def _warn_of_the_configuration(told: Sequence[str]) -> None:
    """A mistake in the configuration, or in this command's environment; told: what the daemon says itself."""
    from stardraftd.cli.output.errors import show_warning
    from stardraftd.config import load_config

    try:
        load_config()
    except ConfigError as error:
        if not any(error.message in problem for problem in told):
            show_warning(error.message, error.hint)


def _print_json(found: object) -> None:
    import msgspec

    from stardraftd.logs.last_silence import last

    status = {"running": False} if found is None else {"running": True, **msgspec.to_builtins(found)}
    silence = last()
    _write(status if silence is None else {**status, "last_silence": msgspec.to_builtins(silence)})


def _write(answer: dict[str, object]) -> None:
    import msgspec

    from stardraftd.cli.output.terminal import raw_out

    raw_out().write(msgspec.json.encode(answer) + b"\n")
