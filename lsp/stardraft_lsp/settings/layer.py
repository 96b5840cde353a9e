"""One source of settings: values for all documents, for some languages, and for some folders; checked.

Values are those of `[editor]` in the configuration, with the same types and limits, as
`stardraftd.config.checking` finds them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from stardraft_lsp.settings.globs import Glob
from stardraftd.config.checking import Given, Outdated, accepted

MAX_SECTIONS = 200


class Layer(Struct, frozen=True, kw_only=True):
    """base: for all documents. languages: by LSP language id. folders: in the order of the file.

    outdated: the names from the version before that were given.
    """

    base: Mapping[str, Any] = msgspec.field(default_factory=dict)
    languages: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    folders: tuple[tuple[Glob, Mapping[str, Any]], ...] = ()
    outdated: tuple[Outdated, ...] = ()

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


class Section:
    """Collects the values of a source's sections, and what in them is outdated."""

    def __init__(self) -> None:
        self.outdated: list[Outdated] = []

    def values(self, given: Iterable[Given]) -> dict[str, Any]:
        """The values of one section by their present names. Raises ConfigError for the first wrong one."""
        values = {}
        # Of an old name and the new one the new one holds.
        for one in sorted(given, key=lambda one: one.has_present_name):
            checked = accepted(one)
            if checked.setting is not None:
                values[checked.setting.key] = checked.value
            if checked.outdated is not None:
                self.outdated.append(checked.outdated)
        return values
