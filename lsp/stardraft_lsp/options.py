"""`initializationOptions`: what an editor sets for its own session, structured once, at the door.

The keys are those of `[editor]` in the configuration, in camelCase; `settings` holds "section.key=value"
texts for all the others. They stand above the configuration file and the environment.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, UnsetType

from stardraftd.errors import ConfigError


class InitializationOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """Every field may be left out; then the configuration decides."""

    enabled: bool | UnsetType = msgspec.UNSET
    languages_off: tuple[str, ...] | UnsetType = msgspec.UNSET
    mode: Literal["auto", "line", "block"] | UnsetType = msgspec.UNSET
    debounce_ms: int | UnsetType = msgspec.UNSET
    max_prefix_bytes: int | UnsetType = msgspec.UNSET
    max_suffix_bytes: int | UnsetType = msgspec.UNSET
    streaming: bool | UnsetType = msgspec.UNSET
    settings: tuple[str, ...] = ()


def overrides(options: object) -> tuple[str, ...]:
    """The options as "section.key=value" texts. Raises ConfigError that names the wrong one."""
    if options is None:
        return ()
    try:
        found = msgspec.convert(options, InitializationOptions)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"initializationOptions of your editor's configuration: {error}.",
            "The keys are enabled, languagesOff, mode, debounceMs, maxPrefixBytes, maxSuffixBytes, streaming "
            "and settings.",
        ) from error
    given: dict[str, Any] = {
        name: value
        for name in found.__struct_fields__
        if name != "settings" and (value := getattr(found, name)) is not msgspec.UNSET
    }
    return (*found.settings, *(f"editor.{name}={_toml(value)}" for name, value in given.items()))


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(msgspec.json.encode(text).decode() for text in value) + "]"
    return msgspec.json.encode(value).decode()
