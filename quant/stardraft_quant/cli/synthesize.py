"""`stardraft quant synthesize`: a random model of a published shape."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stardraftd.console.printable import tell
from stardraftd.console.prose import counted
from stardraftd.installed import how_to_add

EXAMPLE = "Example: stardraft quant synthesize --like starcoder2-3b --type Q4_K_M speed-test.gguf"


def synthesize(
    out: Annotated[Path, typer.Argument(metavar="FILE.gguf", help="Where to write it.")],
    like: Annotated[
        Literal["starcoder2-3b", "starcoder2-7b", "starcoder2-15b"],
        typer.Option("--like", help="Whose shape it has."),
    ] = "starcoder2-3b",
    file_type: Annotated[
        Literal["Q4_K_M", "Q8_0", "F16"], typer.Option("--type", help="How its weights are stored.")
    ] = "Q4_K_M",
    seed: Annotated[int, typer.Option("--seed", help="The same seed writes the same weights.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.gguf if it is there.")] = False,
) -> None:
    """Write a model with random weights, to see how fast a real one would be.

    It has the true shape, tokenizer and size of a StarCoder2 model, so speed and memory are those of the
    real one; what it predicts is nonsense. Nothing is downloaded.
    """
    from stardraftd.errors import ModelError, RequestError

    if out.exists() and not force:
        raise RequestError(f"{out} is there already.", "Name another file, or give --force to overwrite it.")
    try:
        from stardraft_quant.synthesize import synthesize as write
    except ImportError as error:
        raise ModelError(
            f"Making model files needs more than the base installation: {error}.",
            how_to_add("quant"),
        ) from error
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from stardraft_quant.shared.tokenizer_source import built_in_model
    from stardraftd.models.catalogue import SHAPES

    with Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("writing")
        size_bytes = write(
            SHAPES[like],
            file_type,
            out,
            tokenizer_from=built_in_model(),
            seed=seed,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    tell(f"{out}: {counted(size_bytes, 'byte')}, {like} in {file_type} with random weights.")
    tell(f"To measure with it: stardraft daemon restart --model {out}")
