"""`stardraft quant ...`: making model files. What needs numpy, gguf or llama.cpp is imported when it runs."""

import typer

from stardraft_quant.cli import convert, imatrix, quantize, synthesize, verify
from stardraft_quant.interruption import ended_like_ctrl_c

quant = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make model files.",
)


@quant.callback()
def _quant(context: typer.Context) -> None:
    """Make model files.

    Needs `pip install "stardraft[quant]"`.
    """
    context.with_resource(ended_like_ctrl_c())


quant.command(epilog=convert.EXAMPLE)(convert.convert)
quant.command(epilog=synthesize.EXAMPLE)(synthesize.synthesize)
quant.command(epilog=verify.EXAMPLE)(verify.verify)
quant.command(epilog=quantize.EXAMPLE)(quantize.quantize)
quant.command(epilog=imatrix.EXAMPLE)(imatrix.imatrix)
