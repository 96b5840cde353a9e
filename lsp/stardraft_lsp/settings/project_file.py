"""`.stardraft.toml`, a project's own settings: found above a document, read and checked. Files, no policy.

    [editor]                    for all of the project
    disabled_languages = ["markdown"]
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
from stardraft_lsp.settings.layer import MAX_SECTIONS, Layer, Section
from stardraft_lsp.settings.policy import PROJECT_RULES
from stardraftd.config.checking import Given, Origin, cut
from stardraftd.config.sources import PROJECT, PROJECT_FILE
from stardraftd.errors import ConfigError
from stardraftd.files import atomic

MAX_FILE_BYTES = 64_000
MAX_DEPTH = 64
_SECTIONS = ("editor", "language", "folder")
_DEPTH = 3  # language, its id, a key


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
    return _layer(content, _File(file, text))


def shown(file: Path) -> str:
    """The file's name with its folder's, as a user knows it; control characters are left out."""
    name = "".join(char for char in file.parent.name if char.isprintable())
    return f"{name}/{file.name}" if name else file.name


class _File:
    """A project file's name and the lines of its settings, for sentences."""

    def __init__(self, file: Path, text: str) -> None:
        self._name = shown(file)
        self._lines = dict(_lines(text))

    def at(self, path: tuple[str, ...]) -> str:
        """ "project/.stardraft.toml, line 3:", with the line where it can be told."""
        line = self._lines.get(path)
        return f"{self._name}, line {line}:" if line else f"{self._name}:"

    def values(self, found: Section, given: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """The values of one section. Raises ConfigError, also for a setting that is not a project's."""
        values = found.values(
            Given(
                section="editor",
                key=key,
                called=key,
                value=value,
                origin=Origin(source=PROJECT, place=self.at((*path, key))),
            )
            for key, value in given.items()
        )
        for key in values:
            if key not in PROJECT_RULES:
                raise ConfigError(
                    f"{self.at((*path, key))} {key} is not a project's to set.",
                    "It is yours alone, in the configuration file.",
                )
        return values


def _layer(content: Mapping[str, Any], file: _File) -> Layer:
    for section in content:
        if section not in _SECTIONS:
            raise ConfigError(
                f"{file.at((section,))} there is no section [{cut(section)}] in a project's file.",
                "There are [editor], [language.<id>] and [folder.<pattern>]. Other settings are yours alone, "
                "in the configuration file.",
            )
    languages = _tables(content, "language", file)
    folders = _tables(content, "folder", file)
    editor = content.get("editor", {})
    if not isinstance(editor, dict):
        raise ConfigError(f"{file.at(('editor',))} editor must be a section.", "Write [editor].")
    found = Section()
    return Layer(
        base=file.values(found, editor, ("editor",)),
        languages={
            name: file.values(found, values, ("language", name)) for name, values in languages.items()
        },
        folders=tuple(
            (_glob(name, file), file.values(found, values, ("folder", name)))
            for name, values in folders.items()
        ),
        outdated=tuple(found.outdated),
    )


def _tables(content: Mapping[str, Any], section: str, file: _File) -> Mapping[str, Mapping[str, Any]]:
    found = content.get(section, {})
    place = file.at((section,))
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise ConfigError(
            f'{place} {section} needs a name: [{section}."name"].',
            "An example: [language.python]" if section == "language" else 'An example: [folder."tests/**"]',
        )
    if len(found) > MAX_SECTIONS:
        raise ConfigError(f"{place} there are more than {MAX_SECTIONS} sections of {section}.")
    return found


def _glob(pattern: str, file: _File) -> Glob:
    try:
        return glob(pattern)
    except ValueError as error:
        raise ConfigError(f"{file.at(('folder', pattern))} {cut(pattern)!r}: {error}.") from error


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The first line of each section, and of each key on a line of its own below its section's header.

    In one pass, whatever the text: `config.lines` finds more, and takes longer.
    """
    seen: set[tuple[str, ...]] = set()
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        source = line.strip()
        path = table
        if source.startswith("["):
            path = table = _path_of(source) or table
        elif "=" in source:
            path = (*table, source.partition("=")[0].strip().strip("\"'"))
        for length in range(1, min(len(path), _DEPTH) + 1):
            if path[:length] not in seen:
                seen.add(path[:length])
                yield path[:length], number


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
