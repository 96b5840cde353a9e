"""What a shell completes beside commands and options: names of models and of settings.

A folder that cannot be read completes nothing: a shell at Tab is no place for errors.
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from stardraftd.models import BUILT_IN


def models_here(incomplete: str) -> list[str]:
    """The built-in model, and the files of the folder of models. They are not opened."""
    return [name for name in (BUILT_IN, *_files()) if name.startswith(incomplete)]


def removable_models(incomplete: str) -> list[str]:
    """The files of the folder of models."""
    return [name for name in _files() if name.startswith(incomplete)]


def published_models(incomplete: str) -> list[str]:
    """The models that can be had by name."""
    from stardraftd.models.catalogue import KNOWN

    return [name for name in KNOWN if name.startswith(incomplete)]


def settings(incomplete: str) -> list[tuple[str, str]]:
    """`section.key=` with what it is for; and after the equals sign the values, where they can be counted."""
    from stardraftd.config.schema import settings as every_setting

    name, equals, _ = incomplete.partition("=")
    found: list[tuple[str, str]] = []
    for setting in every_setting().values():
        if equals and setting.name == name:
            found = [(f"{name}={value}", "") for value in _values(setting.type)]
        elif not equals:
            found.append((f"{setting.name}=", setting.description.partition(". ")[0]))
    return [one for one in found if one[0].startswith(incomplete)]


def _files() -> Iterator[str]:
    from stardraftd.errors import StardraftError
    from stardraftd.models.store import Store

    try:
        yield from sorted(
            file.stem for file in Store().folder.glob("*.gguf") if not file.name.startswith(".")
        )
    except (OSError, StardraftError):
        return


def _values(kind: Any) -> Iterator[str]:
    if kind is bool:
        yield from ("true", "false")
    elif get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    else:
        for one in get_args(kind):
            yield from _values(one)
