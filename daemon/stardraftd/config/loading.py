"""Reads the configuration: defaults < file < environment < command line, each value checked where it stands.

An error names the file and line (or the variable, or the argument), the key, what was found and what is
allowed. What settings there are is defined in `stardraftd.config.schema`.
"""

import difflib
import errno
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stardraftd import atomic
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
    Setting,
    Transport,
    settings,
    toml,
)
from stardraftd.errors import ConfigError
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
# The origin of a value that was given as an override.
COMMAND_LINE = "command line"


class Config(Struct, frozen=True, kw_only=True):
    """All settings, checked. `Config()` holds the defaults.

    file:    the configuration file that was read, or would be if it existed.
    origins: where each value that is no default came from, by "section.key": "config.toml line 7",
             "environment variable STARDRAFT_..." or "command line".
    """

    model: ModelConfig = ModelConfig()
    completion: CompletionConfig = CompletionConfig()
    daemon: DaemonConfig = DaemonConfig()
    editor: EditorConfig = EditorConfig()
    file: Path | None = None
    origins: Mapping[str, str] = msgspec.field(default_factory=dict)

    def same_settings(self, other: "Config") -> bool:
        """Whether the two have the same effect; where the values came from does not matter."""
        return all(getattr(self, section) == getattr(other, section) for section in SECTIONS)


class _Given(Struct, frozen=True):
    """A value that a source gives for a setting.

    shown:   the value as the person wrote it.
    subject: where it is and what it is called, as the beginning of an error.
    origin:  the same for `Config.origins`.
    folder:  where a relative path starts.
    """

    setting: Setting
    value: Any
    shown: str
    subject: str
    origin: str
    folder: Path


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
) -> Config:
    """The configuration in force now.

    path:      the file; by default that of `paths.config_path()`. A missing or empty one gives the defaults.
    environ:   by default that of this process; STARDRAFT_<SECTION>_<KEY> is read.
    overrides: "section.key=value", the value as in TOML, or as plain text where that fails.

    Raises ConfigError for the first thing that is wrong.
    """
    file = path or config_path()
    given: dict[str, _Given] = {}
    for source in (
        _from_file(file),
        _from_environment(os.environ if environ is None else environ),
        _from_overrides(overrides),
    ):
        # Each source is read to its end even where a stronger one wins: a mistake is told when it is made.
        given |= {value.setting.name: value for value in source}
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for value in given.values():
        values[value.setting.section][value.setting.key] = value.value
    return Config(
        model=ModelConfig(**values["model"]),
        completion=CompletionConfig(**values["completion"]),
        daemon=DaemonConfig(**values["daemon"]),
        editor=EditorConfig(**values["editor"]),
        file=file,
        origins={name: value.origin for name, value in given.items()},
    )


# --- the file ------------------------------------------------------------------------------------


def _from_file(file: Path) -> Iterator[_Given]:
    text = read_text(file)
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
                f"{place} {section} is {_cut(toml(keys))}; it must be a section.",
                f"Write [{section}] on a line of its own, and the keys of the section below it.",
            )
        for key, value in keys.items():
            line = lines[(section, key)]
            place = f"{tilde(file)}, line {line}:"
            setting = _setting(section, key, place)
            yield _checked(
                _Given(
                    setting=setting,
                    value=value,
                    shown=toml(value),
                    subject=f"{place} {setting.name}",
                    origin=f"{file.name} line {line}",
                    folder=file.parent,
                ),
                f"Correct the line, or remove it to get the default, {setting.default_shown}.",
            )


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


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    # STARDRAFT_CONFIG, STARDRAFT_MODELS_DIR and the like are no settings: their first word is no section.
    sections = tuple(f"{ENVIRONMENT_PREFIX}{section}_".upper() for section in SECTIONS)
    known = {setting.variable: setting for setting in settings().values()}
    for variable, text in environ.items():
        if not variable.startswith(sections):
            continue
        setting = known.get(variable)
        if setting is None:
            section = next(section for section in sections if variable.startswith(section))
            names = [name for name in known if name.startswith(section)]
            raise ConfigError(
                f"There is no setting of the environment variable {variable}"
                f"{_did_you_mean(variable, names, section)}",
                f"Correct its name, or unset it. The names are: {', '.join(names)}.",
            )
        yield _checked(
            _Given(
                setting=setting,
                value=_value(text, setting),
                shown=toml(text),
                subject=f"The environment variable {variable}",
                origin=f"environment variable {variable}",
                folder=Path(),
            ),
            f"Correct {variable}, or unset it.",
        )


def _from_overrides(overrides: Iterable[str]) -> Iterator[_Given]:
    place = "On the command line,"
    for override in overrides:
        name, equals, text = override.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and section and key):
            raise ConfigError(
                f"{place} {_cut(toml(override))} does not say section.key=value.",
                "An example: model.gpu_layers=0",
            )
        if section not in SECTIONS:
            raise _unknown_section(section, place)
        setting = _setting(section, key, place)
        yield _checked(
            _Given(
                setting=setting,
                value=_value(text, setting),
                shown=toml(text),
                subject=f"{place} {setting.name}",
                origin=COMMAND_LINE,
                folder=Path(),
            ),
            f"Leave it out to get the default, {setting.default_shown}.",
        )


def _value(text: str, setting: Setting) -> Any:
    """A value that was given as text: TOML where it is TOML, else the text itself."""
    text = text.strip()
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    value = parsed["value"] if len(parsed) == 1 else text  # not one: a line break smuggled in another key
    if setting.is_text:
        # a file may be named `1` or `true`
        return value if isinstance(value, str) else text
    if isinstance(setting.default, tuple) and isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


# --- checks --------------------------------------------------------------------------------------


def _checked(given: _Given, hint: str) -> _Given:
    """`given` with the value as it goes into the configuration. Raises ConfigError."""
    try:
        value = msgspec.convert(given.value, given.setting.type)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ConfigError(
            f"{given.subject} is {_cut(given.shown)}; it must be {given.setting.allowed}.", hint
        ) from error
    if given.setting.name == "model.path" and value:
        value = _model_path(value, given, hint)
    return msgspec.structs.replace(given, value=value)


def _model_path(value: str, given: _Given, hint: str) -> str:
    try:
        return str((given.folder / Path(value).expanduser()).absolute())
    except (RuntimeError, ValueError, OSError) as error:  # no such user's home, no current folder
        raise ConfigError(
            f"{given.subject} is {_cut(given.shown)}, which is not a path: {error}.", hint
        ) from error


def _setting(section: str, key: str, place: str) -> Setting:
    if found := settings().get(f"{section}.{key}"):
        return found
    name = f"{section}.{key}"
    names = [setting.name for setting in settings().values() if setting.section == section]
    elsewhere = [setting.name for setting in settings().values() if setting.key == key]
    meant = f"; did you mean {elsewhere[0]}?" if elsewhere else _did_you_mean(name, names, f"{section}.")
    raise ConfigError(
        f"{place} there is no setting {name}{meant}",
        f"The settings of [{section}] are: {', '.join(name.partition('.')[2] for name in names)}.",
    )


def _unknown_section(section: str, place: str) -> ConfigError:
    # Most often a setting above the first section, or with the wrong name before it.
    elsewhere = [setting.name for setting in settings().values() if setting.key == section]
    meant = f"; did you mean {elsewhere[0]}?" if elsewhere else _did_you_mean(section, SECTIONS)
    return ConfigError(
        f"{place} there is no section [{section}]{meant}",
        f"The sections are: {', '.join(SECTIONS)}.",
    )


def _did_you_mean(word: str, known: Iterable[str], shared: str = "") -> str:
    """The end of a sentence about an unknown word, with the known one that is most like it, if any is."""
    # What all of them begin with, such as "model.", makes no word more like one of them.
    rests = [name.removeprefix(shared) for name in known]
    close = difflib.get_close_matches(word.removeprefix(shared), rests, n=1)
    return f"; did you mean {shared}{close[0]}?" if close else "."


def _cut(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
