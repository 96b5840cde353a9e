"""JetBrains' editors with the plugin LSP4IJ: a template of a language server, which its dialog imports."""

import shlex
from pathlib import Path

import platformdirs

from stardraftd.paths import tilde
from stardraftd.setup.changes import change
from stardraftd.setup.editors.editor import Editor, Place, Plan, quoted, with_command
from stardraftd.setup.shipped import content

FILES = ("template.json", "README.md")


def folder() -> Path:
    """Where the template goes; LSP4IJ reads it once, from any place."""
    return Path(platformdirs.user_data_path("stardraft", appauthor=False)) / "lsp4ij"


def _plan(place: Place) -> Plan:
    target = place.path or folder()
    texts = {name: content(f"jetbrains/stardraft/{name}") for name in FILES}
    command = quoted([shlex.join(place.command)])
    texts["template.json"] = with_command(texts["template.json"], '"stardraft lsp"', command)
    return Plan(
        changes=tuple(change(target / name, text.encode()) for name, text in texts.items()),
        before=("JetBrains' editors need the plugin LSP4IJ (Settings, Plugins, Marketplace).",),
        after=(
            "In the editor: Settings, Languages & Frameworks, Language Servers, +, Template,",
            f'"Import from custom template...", and choose the folder {tilde(target)}',
            "Suggestions appear in gray, and Tab takes them (LSP4IJ has inline completion since 2025).",
        ),
    )


EDITOR = Editor(
    "jetbrains",
    "A JetBrains editor",
    ("idea", "pycharm", "webstorm", "goland", "clion", "rider", "phpstorm", "rubymine", "rustrover"),
    _plan,
    "the folder of the template",
    is_desktop=True,
)
