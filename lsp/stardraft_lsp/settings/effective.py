"""The settings in force for a document, put together from all layers, and why there may be no suggestions."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from stardraft_lsp.settings import project_file
from stardraft_lsp.settings.editor_settings import read_editor_settings
from stardraft_lsp.settings.layer import EMPTY, Layer
from stardraft_lsp.settings.policy import PROJECT_RULES, narrowed
from stardraft_lsp.text.folders import Folders
from stardraft_lsp.text.uris import local_path
from stardraftd.config import EditorConfig
from stardraftd.config.checking import Outdated
from stardraftd.config.schema import EchoMode
from stardraftd.config.sources import PROJECT_FILE
from stardraftd.errors import ConfigError

OffReason = Literal["", "disabled", "editor_off", "snoozed", "language_off", "folder_off", "project_off"]

OFF_TEXTS: Mapping[OffReason, str] = {
    "": "",
    "disabled": "Suggestions are switched off in the configuration (editor.enabled).",
    "editor_off": "Suggestions are switched off in this editor.",
    "snoozed": "Suggestions are switched off for a while.",
    "language_off": "Suggestions are switched off for this language.",
    "folder_off": "Suggestions are switched off for this folder.",
    "project_off": f"Suggestions are switched off by this project ({PROJECT_FILE}).",
}
MAX_CACHED = 1024


class Effective(Struct, frozen=True):
    """config: what holds for the document. off: why there are no suggestions in it; "" when there are.

    until_s: when that ends by itself, in the time that `for_document` gets.
    """

    config: EditorConfig
    off: OffReason = ""
    until_s: float = math.inf

    @property
    def why(self) -> str:
        """The reason, as a sentence."""
        return OFF_TEXTS[self.off]

    @property
    def is_off_everywhere(self) -> bool:
        """Whether it is off altogether until somebody says otherwise, not for a while or in some places."""
        return self.off in ("disabled", "editor_off")


class Settings:
    """All layers of one editor. `for_document` reads no file; what it found is kept until a layer changes.

    All is called from one thread but `load_projects`, which reads files and may run in another.
    Invariant: `_cache` was made from the layers as they are; a change takes a new one.
    """

    def __init__(self, config: EditorConfig, folders: Folders) -> None:
        self._config = config
        self._folders = folders
        self._editor = EMPTY
        self._projects: dict[Path, Layer] = {}
        self._is_on = True
        self._snoozed_until_s = float("-inf")
        self._cache: dict[tuple[str, str], Effective] = {}

    @property
    def config(self) -> EditorConfig:
        """The configuration's own `[editor]`, below the other layers."""
        return self._config

    @config.setter
    def config(self, config: EditorConfig) -> None:
        self._config = config
        self.forget()

    @property
    def echo(self) -> EchoMode:
        """Whether own code is suggested, where no language or folder says otherwise."""
        return self.for_document("", "", -math.inf).config.echo

    def take_editor(self, raw: Any) -> None:
        """The editor's settings changed. Raises ConfigError, and then the old ones stay."""
        self._editor = read_editor_settings(raw)
        self.forget()

    @property
    def outdated(self) -> tuple[Outdated, ...]:
        """The names from the version before in the editor's settings and the projects' files."""
        layers = (self._editor, *self._projects.values())
        return tuple(one for layer in layers for one in layer.outdated)

    def switch(self, is_on: bool) -> None:
        """Suggestions on or off in this editor, until it says otherwise."""
        self._is_on = is_on

    def snooze(self, until_s: float) -> None:
        """No suggestions until then, in the time that `for_document` gets."""
        self._snoozed_until_s = until_s

    def wake(self) -> None:
        self._snoozed_until_s = float("-inf")

    def forget(self) -> None:
        """Something that settings depend on changed, such as the workspace's folders."""
        self._cache = {}

    def load_projects(self, uri: str, roots: tuple[Path, ...]) -> dict[Path, ConfigError | None]:
        """Reads the project files above a document anew. `roots`: the workspace's folders.

        Each folder that was looked into comes with what is wrong in its file, None when nothing is. What a
        wrong file said before stays in force.
        """
        errors: dict[Path, ConfigError | None] = {}
        path = local_path(uri)
        if not path:
            return errors
        document = Path(path)
        projects = dict(self._projects)
        for folder in project_file.folders_above(document, roots):
            try:
                layer = project_file.load(folder)
            except ConfigError as error:
                errors[folder] = error
                continue
            errors[folder] = None
            if layer is None:
                projects.pop(folder, None)
            else:
                projects[folder] = layer
        if projects != self._projects:
            self._projects = projects
            self.forget()
        return errors

    def for_document(self, uri: str, language: str, now_s: float) -> Effective:
        """The settings of a document. Costs a look-up, unless something changed."""
        cache = self._cache  # one that a change takes away may still be filled: nobody reads it any more
        found = cache.get((uri, language))
        if found is None:
            found = self._made(uri, language)
            if len(cache) >= MAX_CACHED:
                cache.clear()
            cache[uri, language] = found
        if found.off:
            return found
        if not self._is_on:
            return Effective(found.config, "editor_off")
        if now_s < self._snoozed_until_s:
            return Effective(found.config, "snoozed", self._snoozed_until_s)
        return found

    def _made(self, uri: str, language: str) -> Effective:
        values = msgspec.structs.asdict(self._config)
        off: OffReason = "" if values["enabled"] else "disabled"
        reasons: tuple[OffReason, ...] = ("editor_off", "language_off")
        for number, step in enumerate(self._editor.steps(language, self._folders.place(uri).path)):
            values |= step
            if "enabled" in step:
                off = "" if step["enabled"] else reasons[number] if number < len(reasons) else "folder_off"
        if not off and language in values["disabled_languages"]:
            off = "language_off"
        for key, value in self._project(uri, language).items():
            values[key] = narrowed(key, values[key], value)
        if not off and (not values["enabled"] or language in values["disabled_languages"]):
            off = "project_off"
        return Effective(EditorConfig(**values), off)

    def _project(self, uri: str, language: str) -> dict[str, Any]:
        """What the nearest project file says about a document; of one outside its workspace, nothing."""
        path = local_path(uri) if self._projects else ""
        document = Path(path)
        for folder in document.parents if path else ():
            layer = self._projects.get(folder)
            if layer is not None:
                said = layer.values(language, document.relative_to(folder).as_posix())
                return {key: value for key, value in said.items() if key in PROJECT_RULES}
        return {}
