"""Which model runs: `model.path` of the configuration file, changed with everything else in the file kept.

Comments, order and spelling of the file stay as the user wrote them. A running daemon notices the change by
itself, as it notices a change by hand.
"""

import codecs
from contextlib import suppress
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from stardraftd.config.checking import accepted
from stardraftd.config.loading import read_text, settings_of
from stardraftd.errors import ConfigError
from stardraftd.files import atomic
from stardraftd.files.atomic import write_whole
from stardraftd.paths import config_path, tilde


def choose(model: Path | None) -> Path | None:
    """Sets `model.path` in the configuration file, or takes it out (None: the built-in model).

    Returns the file if it was changed. Raises ConfigError when it cannot be read as it is or be written, or
    when a setting in it is wrong.
    """
    file = config_path()
    real = _real(file)  # of a link into a collection of dotfiles, the file itself is changed
    # A byte-order mark and the ends of lines stay as the user's editor wrote them.
    text = read_text(real)
    mark = _mark(real)
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError(
            f"{tilde(file)} is not valid TOML: {error}.", "Mend it first: it is not overwritten."
        ) from error
    section = document.get("model")
    if section is None:
        if model is None:
            return None
        document["model"] = tomlkit.table()
        section = document["model"]
    if not hasattr(section, "keys"):
        raise ConfigError(f"In {tilde(file)}, model is not a section.", "Mend it first: write [model].")
    if model is None:
        section.pop("path", None)
    else:
        section["path"] = str(model)
    new = tomlkit.dumps(document)
    if new == text:
        return None
    for given in settings_of(new, file):
        accepted(given)
    try:
        write_whole(real, mark + new.encode())
    except OSError as error:
        raise ConfigError(
            f"{tilde(real)} cannot be written: {error.strerror}.",
            "Make it writable, or set model.path in it yourself.",
        ) from error
    return file


def _real(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"{tilde(file)} is a symbolic link that leads to itself.", "Correct the link, or remove it."
        ) from error


def _mark(file: Path) -> bytes:
    """The byte-order mark that a file begins with; b"" without one."""
    with suppress(OSError):
        return codecs.BOM_UTF8 if atomic.read(file).startswith(codecs.BOM_UTF8) else b""
    return b""
