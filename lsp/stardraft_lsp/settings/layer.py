"""One source of settings: values for all documents, for some languages, and for some folders; checked.

Values are those of `[editor]` in the configuration, under the same names, with the same types and limits.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stardraft_lsp.settings.globs import Glob
from stardraftd.config import EditorConfig, load_config
from stardraftd.errors import ConfigError

FIELDS: Mapping[str, msgspec.structs.FieldInfo] = {
    field.name: field for field in msgspec.structs.fields(EditorConfig)
}
MAX_SECTIONS = 200


class Layer(Struct, frozen=True, kw_only=True):
    """base: for all documents. languages: by LSP language id. folders: in the order of the file."""

    base: Mapping[str, Any] = msgspec.field(default_factory=dict)
    languages: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    folders: tuple[tuple[Glob, Mapping[str, Any]], ...] = ()

    def steps(self, language: str, path: str) -> tuple[Mapping[str, Any], ...]:
        """Its sections that hold for a document, the weakest first: all, its language, folders above it."""
        matching = (values for pattern, values in self.folders if pattern.matches(path))
        return (self.base, self.languages.get(language, {}), *matching)

    def values(self, language: str, path: str) -> dict[str, Any]:
        """What it says about a document."""
        said: dict[str, Any] = {}
        for step in self.steps(language, path):
            said |= step
        return said


EMPTY = Layer()


def checked(key: str, value: Any, subject: Callable[[], str]) -> Any:
    """A value as the configuration takes it. Raises ConfigError; `subject()` begins its sentence."""
    field = FIELDS.get(key)
    if field is not None:
        try:
            return msgspec.convert(value, field.type)
        except (msgspec.ValidationError, OverflowError):
            pass
    raise _error(key, value, subject())


def _error(key: str, value: Any, subject: str) -> ConfigError:
    """The configuration's own words for what is wrong."""
    shown = as_toml(value)
    try:
        load_config(Path(os.devnull), environ={}, overrides=[f"editor.{key}={shown}"])
    except ConfigError as error:
        known = key in FIELDS
        _, must, allowed = error.message.rpartition("; it must be ")
        if known and must:
            return ConfigError(f"{subject} is {_cut(shown)}; it must be {allowed}", "Correct or remove it.")
        _, meant, name = error.message.partition("; did you mean editor.")
        return ConfigError(
            f"{subject}: there is no such setting{f'; did you mean {name}' if meant else '.'}",
            f"The settings are: {', '.join(FIELDS)}.",
        )
    return ConfigError(f"{subject} is {_cut(shown)}, which is none of its values.", "Correct or remove it.")


def as_toml(value: Any) -> str:
    """A value as it stands in a file, for a person to read and for the configuration to check."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return msgspec.json.encode(value.encode("utf-8", "replace").decode()).decode()
    return str(value)


def _cut(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
