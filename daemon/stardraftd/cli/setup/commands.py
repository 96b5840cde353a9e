"""`stardraft setup ...`: an editor set up for stardraft, or the daemon as a service, and taken back."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stardraftd.cli.help_page import Group
from stardraftd.cli.options import examples
from stardraftd.cli.setup import engine as setup_engine
from stardraftd.cli.setup import service as setup_service
from stardraftd.cli.setup.asking import Manner, Print, Undo, Yes, agreed, carry_out, take_back
from stardraftd.cli.setup.plugin import set_up_plugin, take_plugin_back
from stardraftd.console.printable import tell
from stardraftd.errors import RequestError, StardraftError

if TYPE_CHECKING:
    from stardraftd.setup.editors import Editor, Place, Plan

TITLES = {
    "nvim": "Neovim: a file for 0.12 or newer, or the plugin.",
    "vscode": "VS Code: installs the extension from its file.",
    "helix": "Helix: languages.toml, beside the servers that you have.",
    "emacs": "Emacs: lsp-mode and eglot.",
    "zed": "Zed: the sources of an extension, which Zed builds.",
    "kate": "Kate: its LSP client, for languages without another server.",
    "sublime": "Sublime Text: a client of its package LSP.",
    "jetbrains": "JetBrains' editors: a template for the plugin LSP4IJ.",
}
EXAMPLES = examples(
    "stardraft setup helix              shows what would change, and asks",
    "stardraft setup helix --print      only shows it",
    "stardraft setup helix --undo       takes back exactly what was written",
    "stardraft setup nvim --plugin      Neovim's plugin, for 0.10 or newer",
    "stardraft setup service            systemd or launchd starts the daemon",
    "stardraft setup engine             builds llama.cpp for this computer",
)

File = Annotated[
    Path | None,
    typer.Option("--path", metavar="FILE", help="Use this file, not the usual one.", show_default=False),
]
Plugin = Annotated[
    bool,
    typer.Option("--plugin", help="The plugin, for 0.10 or newer: suggestions grow as they are written."),
]
WITHOUT_PLUGIN = (
    "Without --plugin, Neovim 0.12 or newer gets one file. With it, Neovim 0.10 or newer gets the plugin, as "
    "a package in its data folder: suggestions that grow while the model writes them, taken whole, by the "
    "word or by the line, and `:Stardraft` commands. It is one or the other."
)


class Names(Group):
    """The group, which answers an editor that it does not know with those that it does."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            from stardraftd.setup.editors import editor

            args = [editor(args[0]).name, *args[1:]]
        return super().resolve_command(ctx, args)


def commands() -> typer.Typer:
    """The group."""
    app = typer.Typer(cls=Names, rich_markup_mode=None, pretty_exceptions_enable=False, epilog=EXAMPLES)
    app.callback(invoke_without_command=True)(_setup)
    for name, title in TITLES.items():
        made = _neovim if name == "nvim" else _command(name)
        app.command(name, help=_help(name, title), epilog=_examples(name))(made)
    app.command("service", epilog=setup_service.EXAMPLES)(setup_service.service)
    app.command("engine", epilog=setup_engine.EXAMPLES)(setup_engine.engine)
    return app


def _setup(context: typer.Context) -> None:
    """Set up an editor, the daemon as a service, or the engine.

    What would change is shown as a diff first, and you are asked. A file that is there is added to, never
    overwritten; as it was it is kept, and --undo brings it back.
    """
    if context.invoked_subcommand is None:
        tell(context.get_help())


def _help(name: str, title: str) -> str:
    if name == "nvim":
        title = f"{title}\n\n{WITHOUT_PLUGIN}"
    if name == "vscode":
        return (
            f"{title}\n\nVS Code's own command `code` installs it; what would be run is shown, and you are "
            "asked. A newer extension takes the place of an older one; `stardraft setup vscode --undo` takes "
            "it out again."
        )
    return (
        f"{title}\n\nWhat would change is shown as a diff, and you are asked. The file as it was is kept; "
        f"`stardraft setup {name} --undo` brings it back."
    )


def _examples(name: str) -> str:
    if name == "vscode":
        return examples("stardraft setup vscode --path stardraft.vsix", "stardraft setup vscode --undo")
    options = ("", " --print", " --undo", *((" --plugin", " --plugin --undo") if name == "nvim" else ()))
    return examples(*(f"stardraft setup {name}{option}" for option in options))


def _command(name: str) -> Any:
    def command(print_only: Print = False, yes: Yes = False, undo: Undo = False, path: File = None) -> None:
        from stardraftd.setup.editors import editor

        manner = Manner(print_only, yes)
        asked = path.expanduser().absolute() if path is not None else None
        if undo:
            _undo(editor(name), manner, asked)
        else:
            _set_up(editor(name), manner, asked)

    return command


def _neovim(
    plugin: Plugin = False, print_only: Print = False, yes: Yes = False, undo: Undo = False, path: File = None
) -> None:
    from stardraftd.setup import record
    from stardraftd.setup.editors.neovim_plugin import NAME

    manner = Manner(print_only, yes)
    if not plugin and not (undo and path is None and NAME in record.names()):
        _command("nvim")(print_only, yes, undo, path)
        return
    if path is not None:
        raise RequestError(
            "--path is for the file without the plugin.",
            "The plugin goes where Neovim looks for it: XDG_DATA_HOME and NVIM_APPNAME count, as for Neovim.",
        )
    if not undo:
        set_up_plugin(manner)
    elif not take_plugin_back(manner):
        tell("Neovim's plugin was not set up by this command: there is nothing to take back.")
    if undo and not plugin and "nvim" in record.names():
        _command("nvim")(print_only, yes, undo, None)


def _set_up(editor: "Editor", manner: Manner, path: Path | None) -> None:
    place = _place(editor, path)
    if place.program is None and editor.undo_run is None:  # else the program itself is what sets up
        where = f"{editor.title} was not found ({' or '.join(editor.programs[:3])} on the PATH)"
        tell(f"{where}; it can be set up all the same.", to_stderr=True)
    plan = editor.plan(place)
    if plan.already:
        tell(f"{editor.title} is already set up: {plan.already}.")
    elif not plan.run and not any(one.is_needed for one in plan.changes):
        tell(f"{editor.title} is already set up.")
    else:
        _carry_out(editor, place, plan, manner)


def _carry_out(editor: "Editor", place: "Place", plan: "Plan", manner: Manner) -> None:
    from stardraftd.setup import record

    for remark in plan.before:
        tell(remark, to_stderr=True)
    if plan.run:
        tell(f"This runs: {shlex.join(plan.run)}")
        if not agreed(manner, "Run it?"):
            return
        _run(plan.run)
        record.apply(editor.name, [], [plan.done])
    elif not carry_out(editor.name, plan.changes, manner):
        return
    tell()
    for line in plan.after:
        tell(line)
    tell(f"To take it back: {_undo_command(editor, place)}")


def take_back_editor(name: str, manner: Manner) -> None:
    """Takes back all that was set up in the editor of that name. Raises a StardraftError."""
    from stardraftd.setup.editors import editor
    from stardraftd.setup.editors.neovim_plugin import NAME

    if name == NAME:
        take_plugin_back(manner)
    else:
        _undo(editor(name), manner, None)


def _undo(editor: "Editor", manner: Manner, path: Path | None) -> None:
    from stardraftd.setup import record

    known = record.load(editor.name)
    if not known.done and not [one for one in known.entries if path is None or Path(one.path) == path]:
        where = f" in {path}" if path is not None else ""
        tell(f"{editor.title} was not set up by this command{where}: there is nothing to take back.")
        return
    if editor.undo_run is not None:
        for done in known.done:
            run = editor.undo_run(_place(editor, path), done)
            tell(f"This runs: {shlex.join(run)}")
            if not agreed(manner, "Run it?"):
                return
            _run(run)
        record.forget(editor.name)
    elif not take_back(editor.name, manner, path):
        return
    tell(f"{editor.title} is as it was.")


def _place(editor: "Editor", path: Path | None) -> "Place":
    from stardraftd.setup.editors import Place, find_command, find_program

    return Place(find_program(editor), find_command(is_desktop=editor.is_desktop), path, editor.name)


def _undo_command(editor: "Editor", place: "Place") -> str:
    words = ["stardraft", "setup", editor.name, "--undo"]
    return shlex.join([*words, "--path", str(place.path)] if place.path and not editor.undo_run else words)


def _run(command: tuple[str, ...]) -> None:
    """Runs an editor's own command, with its words on this terminal. Raises StardraftError."""
    import subprocess

    try:
        code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    except OSError as error:
        raise StardraftError(f"{command[0]} cannot be run: {error.strerror or error}.") from error
    if code:
        raise StardraftError(
            f"{shlex.join(command)} failed ({code}).", "What it said stands above. Nothing was remembered."
        )
