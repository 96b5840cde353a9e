"""`python -m stardraft_lsp` is `stardraft lsp`."""

import typer

from stardraft_lsp.cli import lsp

if __name__ == "__main__":
    typer.run(lsp)
