"""A JSON file that somebody else wrote: its size and its form are checked before anything is read from it."""

import json
from pathlib import Path
from typing import Any

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelNotFoundError

DOWNLOAD_AGAIN = "Download the checkpoint again: the file is damaged or incomplete."


def read_object(path: Path, max_bytes: int) -> dict[str, Any]:
    """The object in the file at `path`.

    Raises ModelNotFoundError when it cannot be read, and ModelFormatError when it is larger than `max_bytes`,
    not JSON, or something other than an object.
    """
    text = read_text(path, max_bytes)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path} is not JSON: {error}.", DOWNLOAD_AGAIN) from error
    if not isinstance(value, dict):
        raise ModelFormatError(f"{path} has to hold a JSON object.", DOWNLOAD_AGAIN)
    return value


def read_text(path: Path, max_bytes: int) -> str:
    """The text of the file at `path`; errors as `read_object`'s."""
    try:
        if not path.is_file():
            raise ModelNotFoundError(
                f"There is no {path.name} in {path.parent}.",
                "Name the folder of a whole Hugging Face checkpoint, with config.json and the tokenizer.",
            )
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ModelNotFoundError(
            f"{path} could not be read: {error.strerror or error}.", "Check that you may read it."
        ) from error
    if len(content) > max_bytes:
        raise ModelFormatError(
            f"{path} is larger than {counted(max_bytes, 'byte')}, more than any such file has.",
            DOWNLOAD_AGAIN,
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{path} is not UTF-8 text: {error.reason}.", DOWNLOAD_AGAIN) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
