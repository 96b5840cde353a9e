"""Settings that do not come from the configuration file: the editor's, and the command line's.

`initializationOptions` are what an editor sets for its own session, structured once, at the door. The keys
are those of `[editor]` in the configuration, in camelCase; `settings` holds "section.key=value" texts for all
the others. They stand above the configuration file and the environment.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UnsetType

from stardraftd.config import Config, EditorConfig, load_config
from stardraftd.errors import ConfigError

_EDITOR_FIELDS = msgspec.structs.fields(EditorConfig)

# Made from the configuration's own fields, so that types and limits are the same in both.
InitializationOptions = msgspec.defstruct(
    "InitializationOptions",
    [
        *((field.name, field.type | UnsetType, msgspec.UNSET) for field in _EDITOR_FIELDS),
        ("settings", tuple[str, ...], ()),
    ],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="camel",
)
_PLACE = "initializationOptions of your editor's configuration"


def overrides(options: object) -> tuple[str, ...]:
    """The options as "section.key=value" texts. Raises ConfigError that names the wrong one."""
    if options is None:
        return ()
    try:
        found: Any = msgspec.convert(options, InitializationOptions)
    except msgspec.ValidationError as error:
        keys = [field.encode_name for field in msgspec.structs.fields(InitializationOptions)]
        raise ConfigError(f"{_PLACE}: {error}.", f"The keys are: {', '.join(keys)}.") from error
    given: dict[str, Any] = {
        field.name: value
        for field in _EDITOR_FIELDS
        if (value := getattr(found, field.name)) is not msgspec.UNSET
    }
    return (
        *checked(found.settings, f"{_PLACE}: in settings,"),
        *(f"editor.{name}={_toml(value)}" for name, value in given.items()),
    )


def checked(settings: Sequence[str], place: str = "On the command line,") -> tuple[str, ...]:
    """ "section.key=value" texts that are right, with paths that mean the same in the daemon's folder.

    Raises ConfigError; `place` is the beginning of its sentence.
    """
    return tuple(_checked(setting, place) for setting in settings)


def _checked(setting: str, place: str) -> str:
    try:
        alone: Config = load_config(Path(os.devnull), environ={}, overrides=[setting])
    except ConfigError as error:
        raise ConfigError(error.message.replace("On the command line,", place, 1), error.hint) from error
    if setting.partition("=")[0].strip() == "model.path":
        return f"model.path={alone.model.path}"
    return setting


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(msgspec.json.encode(text).decode() for text in value) + "]"
    return msgspec.json.encode(value).decode()
