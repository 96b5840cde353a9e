"""The files for editors, which are written once, in packaging/: a checkout has them there.

The wheel carries them in `stardraftd/setup/files`; pyproject.toml names them, under `force-include`.
"""

from importlib import resources
from pathlib import Path

from stardraftd import setup
from stardraftd.errors import StardraftError
from stardraftd.paths import tilde


def shipped(name: str, title: str = "") -> Path:
    """A file by its path in packaging/. Raises StardraftError where this installation lacks it.

    title: what is lacking then, if it is more than the file.
    """
    installed = Path(str(resources.files("stardraftd.setup").joinpath("files")))
    checkout = Path(setup.__file__).resolve().parents[3] / "packaging"
    for folder in (installed, checkout):
        if (folder / name).exists():
            return folder / name
    raise StardraftError(
        f"This stardraft was installed without {title or f'its file {name}'}: it is not in "
        f"{tilde(installed)}.",
        f"Install stardraft again. Or use packaging/{name} of its source.",
    )


def content(name: str) -> str:
    """The text of a file: what is written, or what is put into the user's file. Raises StardraftError."""
    return shipped(name).read_text("utf-8")
