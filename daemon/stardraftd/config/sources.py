"""The kinds of places where settings are given, each with its spelling of names and its own words."""

import re

from msgspec.structs import replace

from stardraftd.config.checking import Source
from stardraftd.config.schema import Setting

# A project's own settings, which come with a repository.
PROJECT_FILE = ".stardraft.toml"
_CAPITAL = re.compile(r"(?<=[a-z])([A-Z])")
_EDITOR_SECTION = ("editor",)

FILE = Source(
    spelled=lambda setting: setting.name,
    unknown="{place} there is no setting {name}",
    names="The settings of [{section}] are: {names}.",
    correct="Correct the line, or remove it to get the default, {default}.",
)
COMMAND_LINE = replace(FILE, correct="Leave it out to get the default, {default}.", is_text=True)
ENVIRONMENT = Source(
    spelled=lambda setting: setting.variable,
    unknown="There is no setting of the environment variable {name}",
    names="Correct its name, or unset it. The names are: {names}.",
    correct="Correct {name}, or unset it.",
    is_text=True,
)
PROJECT = Source(
    spelled=lambda setting: setting.key,
    unknown="{place} {name}: there is no such setting",
    names="The settings are: {names}.",
    correct="Correct or remove it.",
    sections=_EDITOR_SECTION,
)


def camel(setting: Setting) -> str:
    """A setting's name in an editor: "debounceMs"."""
    first, *rest = setting.key.split("_")
    return "".join((first, *map(str.capitalize, rest)))


def snake(key: str) -> str:
    """A key in camelCase as the configuration has it."""
    return _CAPITAL.sub(r"_\1", key).lower()


# An editor's settings, and its initializationOptions.
EDITOR = replace(PROJECT, spelled=camel)
