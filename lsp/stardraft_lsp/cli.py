"""`stardraft lsp`: the command. The server itself is `program`, imported only when it runs."""

from pathlib import Path
from typing import Annotated

import typer


def lsp(
    _stdio: Annotated[
        bool,
        typer.Option("--stdio", help="Talk over stdin and stdout. This is the only way, and the default."),
    ] = True,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SECTION.KEY=VALUE", help="A setting above the configuration file; repeatable."
        ),
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option("--log-file", help="Write the server's log there instead of to stderr.")
    ] = None,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")] = "warning",
) -> None:
    """Run the language server, as an editor does.

    It speaks LSP on stdin and stdout, so it is for editors to start, not for people. Suggestions come
    from the daemon, which it starts when there is none.

    Example, Neovim 0.12: vim.lsp.config("stardraft", {cmd = {"stardraft", "lsp"}})
    """
    from stardraft_lsp.server.program import LEVELS, run

    if log_level not in LEVELS:
        raise typer.BadParameter(f"{log_level!r} is none of {', '.join(LEVELS)}", param_hint="--log-level")
    try:
        if log_file is not None:
            _try_to_write(log_file)
        _become_the_server(settings or [], log_file, log_level)
        code = run(settings or (), log_file, log_level)
    except OSError as error:
        raise typer.BadParameter(f"{log_file}: {error.strerror}", param_hint="--log-file") from error
    raise typer.Exit(code)


def _try_to_write(file: Path) -> None:
    """Raises OSError, also for a pipe that nobody reads, at which logging would wait forever."""
    import os

    os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600))


def _become_the_server(settings: list[str], log_file: Path | None, log_level: str) -> None:
    """Puts the server alone in this process's place: without the command line it takes 20 MB less.

    Returns where that cannot be done: on Windows, whose `exec` is another process, and where Python is part
    of the program.
    """
    import os
    import sys

    if sys.platform == "win32" or getattr(sys, "frozen", False) or not sys.executable:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    arguments = ["--log-level", log_level]
    for setting in settings:
        arguments += [f"--set={setting}"]
    if log_file is not None:
        arguments += [f"--log-file={log_file}"]
    # -P: the folder that the editor happens to stand in is no place to import from.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "stardraft_lsp", *arguments])  # noqa: S606 - ours
