"""The language server as a program: its log, its streams, its exit code. What parses its options is `cli`.

It lives as long as the editor does, beside it, so it is kept lean: nothing of the command line is imported
here or below, and what was imported for good is not looked through by the garbage collector any more.
"""

import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stardraft_lsp.server.log_lines import FewAlike, OneLine, log_uncaught

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def run(settings: Sequence[str], log_file: Path | None, log_level: str) -> int:
    """Serves the editor on stdin and stdout until it leaves; the exit code. Raises OSError (the log's file).

    settings: as `SECTION.KEY=VALUE`. log_file: None is stderr. log_level: one of LEVELS.
    """
    handler = (
        logging.FileHandler(log_file, encoding="utf-8") if log_file else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(FewAlike())
    logging.basicConfig(handlers=[handler], level=LEVELS[log_level], force=True)
    log_uncaught()
    # pygls logs what it sends with its text at info: somebody's source, which is for no log.
    logging.getLogger("pygls").setLevel(max(LEVELS[log_level], logging.WARNING))
    # An observer that is being stopped, and sees one file change more, calls that an error.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    from stardraft_lsp.server.handlers import build_server
    from stardraft_lsp.server.stdio import serve

    # The protocol has stdout for itself: whatever else prints there goes to stderr, and breaks nothing.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        server = build_server(settings)
        gc.collect()
        gc.freeze()  # a full collection of all that was imported would hold up a key for 30 ms
        try:
            serve(server, sys.stdin.buffer, out)
        finally:
            if server.editor is not None:  # some editors leave without waiting for the answer to `shutdown`
                server.editor.recorder.close()
    # LSP: an exit that no shutdown request came before is an error.
    return 0 if server.was_shut_down else 1
