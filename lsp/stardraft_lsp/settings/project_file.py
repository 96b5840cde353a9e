"""`.stardraft.toml`, a project's own settings: found above a document, read and checked. Files, no policy.

    [editor]                    for all of the project
    languages_off = ["markdown"]
    [language.python]           by LSP language id
    mode = "line"
    [folder."tests/**"]         by a pattern, which begins at this file's folder
    enabled = false

Whoever wrote it may mean harm: it is read only as an ordinary file of limited size, and a setting that is
not the project's to make is refused with the whole file.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stardraft_lsp.settings.globs import Glob, glob
from stardraft_lsp.settings.layer import MAX_SECTIONS, Layer, checked
from stardraft_lsp.settings.policy import PROJECT_RULES
from stardraftd import atomic
from stardraftd.errors import ConfigError

PROJECT_FILE = ".stardraft.toml"
MAX_FILE_BYTES = 64_000
MAX_DEPTH = 64
_SECTIONS = ("editor", "language", "folder")


def folders_above(document: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """The folders from the document's up to the workspace's that holds it; none outside every workspace."""
    holding = [root for root in roots if document.is_relative_to(root)]
    if not holding:
        return
    outermost = min(holding, key=lambda root: len(root.parts))
    for folder in list(document.parents)[:MAX_DEPTH]:
        yield folder
        if folder == outermost:
            return


def load(folder: Path) -> Layer | None:
    """The folder's project file; None when it has none. Raises ConfigError."""
    file = folder / PROJECT_FILE
    text = _read(file)
    if text is None:
        return None
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        where = re.search(r"\(at line \d+, column \d+\)", str(error))
        at = f" {where.group()}" if where else ""
        # Of the reason only the place is told: what stands there may be another file's content.
        raise ConfigError(
            f"{shown(file)} is not TOML{at}.", "The project's settings are as before."
        ) from error
    return _layer(content, file, text)


def shown(file: Path) -> str:
    """The file's name with its folder's, as a person knows it; control characters are left out."""
    name = "".join(char for char in file.parent.name if char.isprintable())
    return f"{name}/{file.name}" if name else file.name


def _layer(content: Mapping[str, Any], file: Path, text: str) -> Layer:
    for section in content:
        if section not in _SECTIONS:
            raise ConfigError(
                f"{_at(file, text, (section,))} there is no section [{section[:80]}] in a project's file.",
                "There are [editor], [language.<id>] and [folder.<pattern>]. Other settings are yours alone, "
                "in the configuration file.",
            )
    languages = _tables(content, "language", file, text)
    folders = _tables(content, "folder", file, text)
    editor = content.get("editor", {})
    if not isinstance(editor, dict):
        raise ConfigError(f"{_at(file, text, ('editor',))} editor must be a section.", "Write [editor].")
    return Layer(
        base=_values(editor, ("editor",), file, text),
        languages={
            name: _values(values, ("language", name), file, text) for name, values in languages.items()
        },
        folders=tuple(
            (_glob(name, file, text), _values(values, ("folder", name), file, text))
            for name, values in folders.items()
        ),
    )


def _tables(
    content: Mapping[str, Any], section: str, file: Path, text: str
) -> Mapping[str, Mapping[str, Any]]:
    found = content.get(section, {})
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise ConfigError(
            f'{_at(file, text, (section,))} {section} needs a name: [{section}."name"].',
            "An example: [language.python]" if section == "language" else 'An example: [folder."tests/**"]',
        )
    if len(found) > MAX_SECTIONS:
        raise ConfigError(f"{shown(file)} has more than {MAX_SECTIONS} sections of {section}.")
    return found


def _values(given: Mapping[str, Any], path: tuple[str, ...], file: Path, text: str) -> dict[str, Any]:
    values = {}
    for key, value in given.items():

        def place(key: str = key) -> str:
            return f"{_at(file, text, (*path, key))} {key[:80]}"

        values[key] = checked(key, value, place)
        if key not in PROJECT_RULES:
            raise ConfigError(
                f"{place()} is not a project's to set.", "It is yours alone, in the configuration file."
            )
    return values


def _glob(pattern: str, file: Path, text: str) -> Glob:
    try:
        return glob(pattern)
    except ValueError as error:
        raise ConfigError(f"{_at(file, text, ('folder', pattern))} {pattern[:80]!r}: {error}.") from error


def _at(file: Path, text: str, path: tuple[str, ...]) -> str:
    """ "project/.stardraft.toml, line 3:", with the line where it can be told."""
    line = _line_of(text, path)
    return f"{shown(file)}, line {line}:" if line else f"{shown(file)}:"


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line of a section, or of a key on a line of its own below its section's header."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        source = line.strip()
        if source.startswith("["):
            table = _path_of(source) or table
            if table[: len(path)] == path:
                return number
        elif "=" in source and (*table, source.partition("=")[0].strip().strip("\"'")) == path:
            return number
    return None


def _path_of(header: str) -> tuple[str, ...] | None:
    try:
        content = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    inner: Any = content
    while isinstance(inner, dict) and len(inner) == 1:
        ((name, inner),) = inner.items()
        path.append(name)
    return tuple(path)


def _read(file: Path) -> str | None:
    """The text; None when there is no such file. Raises ConfigError."""
    try:
        return atomic.text_of(atomic.read(file, MAX_FILE_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{shown(file)} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ConfigError(f"{shown(file)}: {error}.", "Save the file as UTF-8.") from error
