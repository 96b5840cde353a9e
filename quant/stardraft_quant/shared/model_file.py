"""Which model a command of this package measures."""

from pathlib import Path
from typing import Annotated

import typer

from stardraftd.models import BUILT_IN

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help=f'A model of `stardraft model list`, the path of a GGUF, or "{BUILT_IN}" for the small one that '
        "comes with stardraft.",
        show_default=False,
    ),
]


def model_path(model: str | None) -> Path:
    """The file of `--model`; absolute, for it is loaded in other processes. Raises ModelError."""
    from stardraftd.errors import ModelNotFoundError
    from stardraftd.gguf.reading import read_header
    from stardraftd.models.store import Store

    path = Store().file_of(BUILT_IN if model is None else model)
    if not path.is_file():
        raise ModelNotFoundError(
            f"There is no model file at {path}.",
            f"Give a model's name, the path of a GGUF file, or {BUILT_IN}.",
        )
    read_header(path)  # what is wrong with it is what was typed, not how the measuring went
    return path
