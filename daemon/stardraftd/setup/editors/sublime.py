"""Sublime Text with its LSP package: a client in LSP.sublime-settings, beside the others."""

import os
import sys
from pathlib import Path

import msgspec

from stardraftd.setup.changes import change, read_text
from stardraftd.setup.editors.editor import Editor, Place, Plan, config_home
from stardraftd.setup.editors.jsonc import insert, keys
from stardraftd.setup.shipped import content


def config_file() -> Path:
    file = Path("Packages") / "User" / "LSP.sublime-settings"
    if os.name == "nt":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Sublime Text" / file
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Sublime Text" / file
    return config_home() / "sublime-text" / file


def _plan(place: Place) -> Plan:
    path = place.path or config_file()
    text = read_text(path) or "{}\n"
    client = msgspec.json.decode(
        content("sublime/LSP.sublime-settings"), type=dict[str, dict[str, dict[str, object]]]
    )["clients"]
    if "stardraft" not in keys(text, ("clients",), path):
        settings = {**client["stardraft"], "command": list(place.command)}
        text = insert(text, ("clients",), "stardraft", settings, path)
    return Plan(
        changes=(change(path, text.encode()),),
        before=('Sublime Text needs its package "LSP": Package Control: Install Package, LSP.',),
        after=(
            "Suggestions are entries of the completion list; it runs beside the other servers of a file.",
        ),
    )


EDITOR = Editor(
    "sublime",
    "Sublime Text",
    ("subl", "sublime_text"),
    _plan,
    "Packages/User/LSP.sublime-settings",
    is_desktop=True,
)
