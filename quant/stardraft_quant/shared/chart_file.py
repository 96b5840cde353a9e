"""A chart's way into its file: known to be possible before minutes of measuring, written whole or not at all.

What is drawn is the business of `bench`, `evaluate` and `verify`, each in its own `chart`. Needs matplotlib.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from stardraft_quant.shared.unfinished import write_whole
from stardraftd.errors import RequestError, StardraftError
from stardraftd.installed import how_to_add

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png")


def check_chart(file: Path) -> None:
    """Raises StardraftError if `save` could not write `file`."""
    if file.suffix.lower() not in SUFFIXES:
        raise RequestError(
            f"A chart cannot be written as {file.name}.", f"Its name ends in {' or '.join(SUFFIXES)}."
        )
    if not file.absolute().parent.is_dir():
        raise RequestError(f"There is no folder {file.absolute().parent}.", "Name another one in --chart.")
    try:
        import matplotlib  # noqa: F401 - whether it is there
    except ImportError as error:
        raise StardraftError(
            f"A chart needs matplotlib, which is not installed: {error}.",
            how_to_add("bench"),
        ) from error


def save(figure: "Figure", file: Path) -> None:
    """Writes the picture, as SVG or PNG by the file's suffix: the same figures make the same file.

    Raises PathError.
    """
    import matplotlib as mpl

    kind = file.suffix.lower().removeprefix(".")
    picture = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "stardraft"}):
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_whole(file, picture.getvalue())
