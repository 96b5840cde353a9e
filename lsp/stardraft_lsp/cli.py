"""`stardraft lsp`: the command. The server itself is imported only when it runs."""

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
    import logging
    import os
    import sys

    levels = {
        "debug": logging.DEBUG,
        "info": logging.INFO,
        "warning": logging.WARNING,
        "error": logging.ERROR,
    }
    if log_level not in levels:
        raise typer.BadParameter(f"{log_level!r} is none of {', '.join(levels)}", param_hint="--log-level")
    try:
        handler = (
            logging.FileHandler(log_file, encoding="utf-8") if log_file else logging.StreamHandler(sys.stderr)
        )
    except OSError as error:
        raise typer.BadParameter(f"{log_file}: {error.strerror}", param_hint="--log-file") from error
    logging.basicConfig(
        handlers=[handler],
        level=levels[log_level],
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        force=True,
    )
    # pygls logs every message with its text at info: somebody's source, which is for no log.
    for library in ("pygls", "httpx"):
        logging.getLogger(library).setLevel(max(levels[log_level], logging.WARNING))
    from stardraft_lsp.handlers import build_server

    # The protocol has stdout for itself: whatever else prints there goes to stderr, and breaks nothing.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        server = build_server(settings or ())
        server.start_io(stdout=out)
    # LSP: an exit that no shutdown request came before is an error.
    raise typer.Exit(0 if server.was_shut_down else 1)
