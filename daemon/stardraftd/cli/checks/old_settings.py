"""Names of settings from the version before, wherever they stand: each with what to do about it.

What the configuration has read (its file, the environment) it tells itself. A project's file is looked for
above the current folder, as the language server does above a document, and VS Code's settings where VS Code
has them. What cannot be read is left out: that it is wrong is for its own reader to say.
"""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Facts
from stardraftd.config.checking import Given, Origin, Outdated, Source, outdated_name
from stardraftd.config.sources import EDITOR, PROJECT, PROJECT_FILE, snake
from stardraftd.errors import ConfigError, StardraftError
from stardraftd.files import atomic
from stardraftd.paths import tilde

MAX_FILE_BYTES = 1_000_000
_VSCODES = ("Code", "Code - OSS", "VSCodium", "Code - Insiders")


def old_settings(facts: Facts) -> list[Check]:
    found = (*_of_configuration(facts), *_of_projects(), *_of_vscode())
    return [Check("old setting", "warning", one.notice) for one in found]


def _of_configuration(facts: Facts) -> tuple[Outdated, ...]:
    try:
        return facts.config.outdated
    except ConfigError:  # which the check of the configuration tells
        return ()


def _of_projects() -> Iterator[Outdated]:
    for above in _folders():
        file = above / PROJECT_FILE
        try:
            content = tomllib.loads(atomic.text_of(atomic.read(file, MAX_FILE_BYTES)))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError):
            return
        yield from _outdated(content.get("editor"), PROJECT, f"In {tilde(file)},")
        for section in ("language", "folder"):
            for name, values in _entries(content.get(section)):
                yield from _outdated(values, PROJECT, f"In {tilde(file)}, [{section}.{name}],")
        return


def _folders() -> Iterator[Path]:
    """The current folder, and those above it."""
    with suppress(OSError):  # it does not exist any more
        yield from (Path.cwd(), *Path.cwd().parents)


def _of_vscode() -> Iterator[Outdated]:
    from stardraftd.setup.editors import jsonc

    files = [folder / "User" / "settings.json" for folder in _vscode_folders()]
    files += [folder / ".vscode" / "settings.json" for folder in _folders()]
    for file in files:
        try:
            text = atomic.text_of(atomic.read(file, MAX_FILE_BYTES))
            names = jsonc.keys(text, (), file)
            by_language = {name: jsonc.keys(text, (name,), file) for name in names if name.startswith("[")}
        except (OSError, ValueError, StardraftError):
            continue
        place = f"In {tilde(file)},"
        for name in (*names, *(one for inner in by_language.values() for one in inner)):
            if name.startswith("stardraft."):
                yield from _outdated({name.removeprefix("stardraft."): None}, EDITOR, place, "stardraft.")


def _outdated(values: Any, source: Source, place: str, prefix: str = "") -> Iterator[Outdated]:
    origin = Origin(source=source, place=place, prefix=prefix)
    for name, value in _entries(values):
        key = snake(name) if source is EDITOR else name
        given = Given(section="editor", key=key, called=name, value=value, origin=origin)
        if (outdated := outdated_name(given)) is not None:
            yield outdated


def _entries(values: Any) -> Iterator[tuple[str, Any]]:
    yield from values.items() if isinstance(values, Mapping) else ()


def _vscode_folders() -> Iterator[Path]:
    from stardraftd.setup.editors.editor import config_home

    home = Path.home()
    if sys.platform == "darwin":
        top = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        top = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        top = config_home()
    yield from (top / name for name in _VSCODES)
