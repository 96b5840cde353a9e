"""`stardraft quant ...`: making model files. What needs numpy, gguf or llama.cpp is imported when it runs."""

import typer

from stardraft_quant.cli import convert, imatrix, quantize, synthesize, verify
from stardraftd.console.printable import tell
from stardraftd.interruption import ended_like_ctrl_c

quant = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make model files.",
)


@quant.callback(invoke_without_command=True)
def _quant(context: typer.Context) -> None:
    """Make model files.

    Needs what the extra `quant` installs: the documentation of the installation has the command.
    """
    context.with_resource(ended_like_ctrl_c())
    if context.invoked_subcommand is None:
        tell(context.get_help())


quant.command(epilog=convert.EXAMPLE)(convert.convert)
quant.command(epilog=synthesize.EXAMPLE)(synthesize.synthesize)
quant.command(epilog=verify.EXAMPLE)(verify.verify)
quant.command(epilog=quantize.EXAMPLE)(quantize.quantize)
quant.command(epilog=imatrix.EXAMPLE)(imatrix.imatrix)
