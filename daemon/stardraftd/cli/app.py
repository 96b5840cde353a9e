"""The commands put together: the built-in ones, and those that other packages announce.

A package announces a command as an entry point of the group `stardraft.commands`: a function or a Typer.
It is loaded when it is called or listed, so that one that is slow or broken harms no other command.
"""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from stardraftd import __version__
from stardraftd.cli import doctor
from stardraftd.cli.complete import command as complete
from stardraftd.cli.daemon import commands as daemon
from stardraftd.cli.daemon import status
from stardraftd.cli.help_page import Command, Group, with_pages
from stardraftd.cli.model import commands as model
from stardraftd.cli.options import examples
from stardraftd.cli.setup import commands as setup
from stardraftd.cli.setup import uninstall
from stardraftd.console.printable import tell
from stardraftd.errors import RequestError, StardraftError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "stardraft.commands"

# A parsed command. The parser's own class is nowhere public: its module moves between versions of typer.
Parsed = Any


class Commands(Group):
    """The top-level group: its own commands first, then the announced ones, each loaded when it is needed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the group's own signature
        return [*self.commands, *(name for name in _announced() if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - likewise
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        entry = _announced().get(cmd_name)
        return _loaded(entry) if entry is not None else None


class CompleteCommand(Command):
    """Takes `-:12:5` as a location, which the parser alone would take as an option, and tells programs, too,
    what is wrong with what was typed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" not in args:
            places = [arg for arg in args if arg.startswith("-:")]
            args = [*(arg for arg in args if arg not in places), *(["--"] if places else []), *places]
        with complete.told(as_json="--json" in args):
            return super().parse_args(ctx, args)


@cache
def command() -> Parsed:
    """The whole command line."""
    app = typer.Typer(
        name="stardraft",
        cls=Commands,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=examples(
            "stardraft complete src/app.py:12:5     a completion, here in the terminal",
            "stardraft model pull starcoder2-3b     get the real model",
            "stardraft setup nvim                   set up an editor; nothing is overwritten",
            "stardraft doctor                       is everything set up, and what to do if not",
            "stardraft daemon logs -f               what the daemon is doing",
        ),
    )
    app.callback(invoke_without_command=True)(_stardraft)
    app.command("complete", cls=CompleteCommand, epilog=complete.EXAMPLES)(complete.complete)
    app.command("status", epilog=status.EXAMPLES)(status.status)
    app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
    app.add_typer(model.commands(), name="model")
    app.add_typer(daemon.commands(), name="daemon")
    app.add_typer(setup.commands(), name="setup")
    app.command("uninstall", epilog=uninstall.EXAMPLES)(uninstall.uninstall)
    return get_command(with_pages(app))


def _show_version(value: bool) -> None:
    if value:
        tell(f"stardraft {__version__}")
        raise typer.Exit


def _stardraft(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The configuration file for this command, and for a daemon that it starts.",
            show_default=False,
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Private code completion on your own computer.

    A small daemon in the background keeps a code model warm; your editor asks it for suggestions through
    `stardraft lsp`, and this command line does the same in the terminal. Nothing leaves this computer.

    The daemon starts by itself when it is needed.
    """
    if config is not None:
        # A missing file is no configuration yet; one that was named is a slip of the pen.
        path = config.expanduser().absolute()
        if not path.exists():
            from stardraftd.paths import tilde

            raise RequestError(f"There is no configuration file {tilde(path)}.", "Check what --config names.")
        os.environ["STARDRAFT_CONFIG"] = str(path)
    if context.invoked_subcommand is None:
        tell(context.get_help())


@cache
def _announced() -> "dict[str, EntryPoint]":
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: "EntryPoint") -> Parsed:
    try:
        found = entry.load()
    except Exception as error:  # noqa: BLE001 - another package's code: whatever it does, the others work
        found = _broken(entry, f"{type(error).__name__}: {error}")
    if isinstance(found, typer.Typer):
        return get_command(with_pages(found))
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    if not callable(found):
        found = _broken(entry, f"{entry.value} is not a command")
    app.command(entry.name)(found)
    return get_command(with_pages(app))


def _broken(entry: "EntryPoint", reason: str) -> Any:
    package = entry.dist.name if entry.dist is not None else entry.value

    def broken() -> None:
        raise StardraftError(
            f"The command {entry.name} of the package {package} cannot be loaded: {reason}.",
            f"Install it again: python -m pip install --force-reinstall --no-deps {package}",
        )

    broken.__doc__ = f"(cannot be loaded: {reason})"
    return broken
