"""The user's settings in their editor: `workspace/configuration` for the section "stardraft", or what
`didChangeConfiguration` brings.

Keys are those of `[editor]` in camelCase, as in initializationOptions, or as the file has them; null is "not
set". Besides them `languages` has settings by language id, and `folders` by pattern:

    {"debounceMs": 50, "languages": {"markdown": {"enabled": false}}, "folders": {"vendor/**": {...}}}

This is the user's own word: everything may be set, for any document.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stardraft_lsp.settings.globs import Glob, glob
from stardraft_lsp.settings.layer import EMPTY, MAX_SECTIONS, Layer, Section
from stardraftd.config.checking import Given, Origin
from stardraftd.config.sources import EDITOR, snake
from stardraftd.errors import ConfigError

SECTION = "stardraft"
_PLACE = "In your editor's settings,"
# What an extension keeps for itself under the same name, and what only counts at its start.
_NOT_OURS = frozenset({"trace", "path", "command", "server", "settings"})


def read_editor_settings(raw: Any) -> Layer:
    """The editor's settings. Raises ConfigError for the first thing that is wrong.

    raw: an answer's item, or a notification's `settings`, with the section's name around it or without.
    """
    if raw is None:
        return EMPTY
    if isinstance(raw, dict) and isinstance(raw.get(SECTION), dict):
        raw = raw[SECTION]
    if not isinstance(raw, dict):
        raise ConfigError(f"{_PLACE} {SECTION} is not an object.", 'An example: {"debounceMs": 50}')
    inner = raw.get("editor")
    given = {**inner, **raw} if isinstance(inner, dict) else dict(raw)
    given.pop("editor", None)
    languages = _object(given.pop("languages", None), "languages")
    folders = _object(given.pop("folders", None), "folders")
    ours = {key: value for key, value in given.items() if snake(str(key)) not in _NOT_OURS}
    section = Section()
    return Layer(
        base=section.values(_given(ours, SECTION)),
        languages={
            language: section.values(_below(values, f"languages.{language}"))
            for language, values in languages.items()
        },
        folders=tuple(
            (_glob(pattern), section.values(_below(values, f"folders.{pattern}")))
            for pattern, values in folders.items()
        ),
        outdated=tuple(section.outdated),
    )


def _below(raw: Any, name: str) -> Iterator[Given]:
    return _given(_object(raw, name), f"{SECTION}.{name}")


def _given(values: Mapping[str, Any], below: str) -> Iterator[Given]:
    origin = Origin(source=EDITOR, place=_PLACE, prefix=f"{below}.")
    for key, value in values.items():
        if value is not None:
            called = str(key)
            yield Given(section="editor", key=snake(called), called=called, value=value, origin=origin)


def _object(raw: Any, name: str) -> Mapping[str, Any]:
    if raw is None or raw == []:  # an empty Lua table
        return {}
    if not isinstance(raw, dict) or len(raw) > MAX_SECTIONS:
        raise ConfigError(f"{_PLACE} {SECTION}.{name} is not an object of at most {MAX_SECTIONS} settings.")
    return raw


def _glob(pattern: str) -> Glob:
    try:
        return glob(pattern)
    except ValueError as error:
        raise ConfigError(f"{_PLACE} {SECTION}.folders has {pattern[:80]!r}: {error}.") from error
