"""Reads the configuration: defaults < file < environment < command line, each value checked where it stands.

An error names the file and line (or the variable, or the argument), the key, what was found and what is
allowed. What settings there are is defined in `stardraftd.config.schema`, how one is checked in
`stardraftd.config.checking`.
"""

import errno
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stardraftd.config import sources
from stardraftd.config.checking import (
    MAX_SHOWN,
    Given,
    Origin,
    Outdated,
    Source,
    accepted,
    closest,
    cut,
)
from stardraftd.config.lines import key_lines
from stardraftd.config.schema import (
    ENVIRONMENT_PREFIX,
    SECTIONS,
    CompletionConfig,
    DaemonConfig,
    EditorConfig,
    EditorMode,
    LogLevel,
    ModelConfig,
    Transport,
    settings,
    toml,
)
from stardraftd.errors import ConfigError
from stardraftd.files import atomic
from stardraftd.paths import config_path, tilde

__all__ = [
    "CompletionConfig",
    "Config",
    "DaemonConfig",
    "EditorConfig",
    "EditorMode",
    "LogLevel",
    "ModelConfig",
    "Transport",
    "load_config",
    "read_text",
]

MAX_FILE_BYTES = 100_000
ON_COMMAND_LINE = "On the command line,"


class Config(Struct, frozen=True, kw_only=True):
    """All settings, checked. `Config()` holds the defaults.

    file:    the configuration file that was read, or would be if it existed.
    origins: where each value that is no default came from, by "section.key": "config.toml line 7",
             "environment variable STARDRAFT_..." or "command line".
    sources:  the kind of place that each of these came from: one of `stardraftd.config.sources`.
    outdated: the names from the version before that were given.
    """

    model: ModelConfig = ModelConfig()
    completion: CompletionConfig = CompletionConfig()
    daemon: DaemonConfig = DaemonConfig()
    editor: EditorConfig = EditorConfig()
    file: Path | None = None
    origins: Mapping[str, str] = msgspec.field(default_factory=dict)
    sources: Mapping[str, Source] = msgspec.field(default_factory=dict)
    outdated: tuple[Outdated, ...] = ()

    def same_settings(self, other: "Config") -> bool:
        """Whether the two have the same effect; where the values came from does not matter."""
        return all(getattr(self, section) == getattr(other, section) for section in SECTIONS)


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str | Given] = (),
) -> Config:
    """The configuration in force now.

    path:      the file; by default that of `paths.config_path()`. A missing or empty one gives the defaults.
    environ:   by default that of this process; STARDRAFT_<SECTION>_<KEY> is read.
    overrides: "section.key=value", the value as in TOML, or as plain text where that fails; or what another
               source has given.

    Raises ConfigError for the first thing that is wrong.
    """
    file = path or config_path()
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    origins: dict[str, Origin] = {}
    outdated: list[Outdated] = []
    for source in (
        settings_of(read_text(file), file),
        _from_environment(os.environ if environ is None else environ),
        (one if isinstance(one, Given) else given_override(one) for one in overrides),
    ):
        # Each source is read to its end even where a stronger one wins: a mistake is told when it is made.
        found = [(given, accepted(given)) for given in source]
        outdated += [checked.outdated for _, checked in found if checked.outdated is not None]
        # Of an old name and the new one in the same source the new one holds.
        for given, checked in sorted(found, key=lambda one: one[0].has_present_name):
            if (setting := checked.setting) is not None:
                values[setting.section][setting.key] = checked.value
                origins[setting.name] = given.origin
    return Config(
        model=ModelConfig(**values["model"]),
        completion=CompletionConfig(**values["completion"]),
        daemon=DaemonConfig(**values["daemon"]),
        editor=EditorConfig(**values["editor"]),
        file=file,
        origins={name: origin.short for name, origin in origins.items()},
        sources={name: origin.source for name, origin in origins.items()},
        outdated=tuple(outdated),
    )


def absolute(override: str, place: str = ON_COMMAND_LINE) -> str:
    """A "section.key=value" text that is right, with a path that means the same in the daemon's folder.

    Raises ConfigError; `place` is the beginning of its sentence.
    """
    checked = accepted(given_override(override, place))
    is_path = checked.setting is not None and checked.setting.name == "model.path"
    return f"model.path={checked.value}" if is_path else override


# --- the file ------------------------------------------------------------------------------------


def settings_of(text: str, file: Path) -> Iterator[Given]:
    """The settings in a configuration file's text. Raises ConfigError."""
    content = _parse(text, file)
    if not content:
        return
    lines = key_lines(text)
    for section, keys in content.items():
        place = f"{tilde(file)}, line {lines[(section,)]}:"
        if section not in SECTIONS:
            raise _unknown_section(section, place)
        if not isinstance(keys, dict):
            raise ConfigError(
                f"{place} {section} is {cut(toml(keys))}; it must be a section.",
                f"Write [{section}] on a line of its own, and the keys of the section below it.",
            )
        for key, value in keys.items():
            line = lines[(section, key)]
            origin = Origin(
                source=sources.FILE,
                place=f"{tilde(file)}, line {line}:",
                short=f"{file.name} line {line}",
                folder=file.parent,
            )
            yield Given(section=section, key=key, called=f"{section}.{key}", value=value, origin=origin)


def read_text(file: Path) -> str:
    """The configuration file as it is, without a byte-order mark; "" if there is none. Raises ConfigError."""
    try:
        return atomic.text_of(atomic.read(file, MAX_FILE_BYTES))
    except FileNotFoundError:
        return ""
    except NotADirectoryError as error:
        raise ConfigError(
            f"{tilde(file)} cannot be read: a part of its path is a file, not a directory.",
            "Set STARDRAFT_CONFIG to the configuration file.",
        ) from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError(
                f"{tilde(file)} is larger than {MAX_FILE_BYTES} bytes: that is not a configuration."
            ) from error
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{tilde(file)} cannot be read: {reason[:1].lower()}{reason[1:]}.",
            "The configuration must be a file that you may read. STARDRAFT_CONFIG can name another one.",
        ) from error
    except ValueError as error:
        where, colon, what = str(error).rpartition(": ")
        raise ConfigError(
            f"{tilde(file)}{', ' if colon else ''}{where}: {what}.", "Save the file as UTF-8."
        ) from error


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{tilde(file)} is nested too deeply: that is not a configuration.") from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, file) from error
    except ValueError as error:  # Python's own limit of int(), 4,300 digits
        raise ConfigError(f"{tilde(file)}: a number in it has too many digits.") from error


def _syntax_error(reason: str, text: str, file: Path) -> ConfigError:
    place = tilde(file)
    if where := re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", reason):
        reason = reason[: where.start()]
        line = where[1] or text.rstrip().count("\n") + 1
        place += f", line {line}" + (f", column {where[2]}" if where[2] else "")
    return ConfigError(
        f"{place}: this is not TOML: {reason[:1].lower()}{reason[1:]}.",
        'A line is a [section], or key = value, where text stands in "quotes".',
    )


# --- the environment and the command line ----------------------------------------------------------


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    for variable, text in environ.items():
        if (found := _named_by(variable)) is not None:
            origin = Origin(
                source=sources.ENVIRONMENT,
                place="The environment variable",
                short=f"environment variable {variable}",
            )
            section, key = found
            key = key.lower() if key == key.upper() else key  # a name in small letters is another one
            yield Given(section=section, key=key, called=variable, value=text, origin=origin)


def _named_by(variable: str) -> tuple[str, str] | None:
    """Section and key of a variable that is meant as a setting, be its section spelled wrong or left out.

    None of others: STARDRAFT_CONFIG, STARDRAFT_MODELS_DIR and the like are not settings.
    """
    if not variable.startswith(ENVIRONMENT_PREFIX):
        return None
    name = variable.removeprefix(ENVIRONMENT_PREFIX)
    for section in SECTIONS:
        if name.startswith(f"{section}_".upper()):
            return section, name[len(section) + 1 :]
    for setting in settings().values():
        section, is_its_key, after = f"_{name}".rpartition(f"_{setting.key.upper()}")
        section = section.lstrip("_").lower()
        if is_its_key and not after and (not section or closest(section[:MAX_SHOWN], SECTIONS)):
            return section, setting.key
    return None


def given_override(override: str, place: str = ON_COMMAND_LINE) -> Given:
    """What a "section.key=value" text gives. Raises ConfigError; `place` is the beginning of its sentence."""
    name, equals, text = override.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(
            f"{place} {cut(toml(override))} does not say section.key=value.",
            "An example: model.gpu_layers=0",
        )
    if section not in SECTIONS:
        raise _unknown_section(section, place)
    origin = Origin(source=sources.COMMAND_LINE, place=place, short="command line")
    return Given(section=section, key=key, called=f"{section}.{key}", value=text, origin=origin)


def _unknown_section(section: str, place: str) -> ConfigError:
    # Most often a setting above the first section, or with the wrong name before it.
    elsewhere = [setting.name for setting in settings().values() if setting.key == section]
    meant = elsewhere[0] if elsewhere else closest(section[:MAX_SHOWN], SECTIONS)
    return ConfigError(
        f"{place} there is no section [{cut(section)}]{f'; did you mean {meant}?' if meant else '.'}",
        f"The sections are: {', '.join(SECTIONS)}.",
    )
