"""Kate: the user's settings of its LSP client, one server for a language.

Kate (its `lspclientservermanager.cpp`) keeps one server for each language of a project. Where another one
is installed for a language, stardraft would push it out; such languages are left alone, and named.
"""

import os
import shutil
from pathlib import Path

import msgspec

from stardraftd.setup.changes import change, read_text
from stardraftd.setup.editors.editor import Editor, Place, Plan, config_home
from stardraftd.setup.editors.jsonc import insert, keys
from stardraftd.setup.shipped import content

# The servers that Kate itself starts for a language, when they are on the PATH.
OTHERS: dict[str, tuple[str, ...]] = {
    "bash": ("bash-language-server",),
    "c": ("clangd", "ccls"),
    "cpp": ("clangd", "ccls"),
    "go": ("gopls",),
    "java": ("jdtls",),
    "javascript": ("typescript-language-server",),
    "lua": ("lua-language-server",),
    "php": ("intelephense",),
    "python": ("pylsp", "pyright-langserver", "ruff"),
    "ruby": ("solargraph", "ruby-lsp"),
    "rust": ("rust-analyzer",),
    "typescript": ("typescript-language-server",),
}


def config_file() -> Path:
    if os.name == "nt":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
            / "kate/lspclient/settings.json"
        )
    return config_home() / "kate" / "lspclient" / "settings.json"


def _plan(place: Place) -> Plan:
    path = place.path or config_file()
    text = read_text(path) or "{}\n"
    servers = msgspec.json.decode(
        content("kate/settings.json"), type=dict[str, dict[str, dict[str, object]]]
    )["servers"]
    taken = []
    there = keys(text, ("servers",), path)
    for language, server in servers.items():
        other = next((name for name in OTHERS[language] if shutil.which(name)), None)
        if language in there:
            continue  # the user's own choice, or ours from an earlier time
        if other is not None:
            taken.append(f"{language} ({other})")
            continue
        text = insert(text, ("servers",), language, {**server, "command": list(place.command)}, path)
    before = ["Kate has one language server for a language: stardraft is set for those that have no other."]
    if taken:
        before.append(f"These have one, and are left alone: {', '.join(taken)}.")
    return Plan(
        changes=(change(path, text.encode()),),
        before=tuple(before),
        after=(
            'In Kate: Settings, Configure Kate, Plugins: tick "LSP Client".',
            "Kate asks once whether the server may be started.",
            "Suggestions are entries of the completion list.",
        ),
    )


EDITOR = Editor("kate", "Kate", ("kate",), _plan, "~/.config/kate/lspclient/settings.json", is_desktop=True)
