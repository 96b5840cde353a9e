"""`stardraft quant ...`: making model files. What needs numpy, gguf or llama.cpp is imported when it runs."""

import typer

from stardraft_quant.cli import synthesize

quant = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make model files.",
)


@quant.callback()
def _quant() -> None:
    """Make model files.

    Needs `pip install "stardraft[quant]"`.
    """


quant.command(epilog=synthesize.EXAMPLE)(synthesize.synthesize)
