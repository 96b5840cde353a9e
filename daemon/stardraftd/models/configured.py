"""Errors of the configured model: who has typed no file's name is told which setting has it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from stardraftd.errors import ModelError, StardraftError
from stardraftd.paths import builtin_model_path


@contextlib.contextmanager
def naming_its_setting(path: Path) -> Iterator[None]:
    """Within it every ModelError about `path`, the configured model, says that model.path names the file."""
    try:
        yield
    except ModelError as error:
        if not _is_built_in(path):
            setting = "The setting model.path names this file; where it is empty the built-in model runs."
            error.hint = f"{error.hint} {setting}".strip()
        raise


def _is_built_in(path: Path) -> bool:
    with contextlib.suppress(StardraftError):
        return path == builtin_model_path()
    return False
