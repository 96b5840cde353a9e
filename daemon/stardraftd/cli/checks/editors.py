"""Checks of the editors on PATH: which there are, and whether they know of stardraft.

An editor without stardraft is nothing wrong: the check says how to set it up.
"""

import re
import shutil
import subprocess
from pathlib import Path

from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Facts
from stardraftd.setup.editors.vscode import BUILD

VERSION_TIMEOUT_S = 10.0
VSCODE_EXTENSIONS = (".vscode/extensions", ".vscode-server/extensions", ".vscode-oss/extensions")


def neovim(_facts: Facts) -> list[Check]:
    found = version_of("nvim")
    if found is None:
        return []
    from stardraftd.setup.editors.neovim import (
        NEEDED,
        NEEDED_BY_PLUGIN,
        config_folder,
        data_folder,
        speaking_of,
    )

    version = version_numbers(found)
    if version < NEEDED_BY_PLUGIN:
        message = f"{found}: too old to show suggestions in gray"
        hint = "Update Neovim: from 0.10 on there is a plugin for it, from 0.12 on it needs none."
    elif speaking_of(b"stardraft"):
        message, hint = f"{found}: {config_folder()} mentions stardraft", ""
    elif there := sorted(data_folder().glob("site/pack/*/start/stardraft*")):  # `:help packages`
        message, hint = f"{found}: the plugin is in {there[0]}", ""
    elif version < NEEDED:
        message = f"{found}: has no inline completion of its own"
        hint = "Type: stardraft setup nvim --plugin"
    else:
        message, hint = f"{found}: not set up for stardraft yet", "Type: stardraft setup nvim"
    return [Check("editor", "ok", message, hint)]


def vscode(_facts: Facts) -> list[Check]:
    found = version_of("code")
    folders = [Path.home() / folder for folder in VSCODE_EXTENSIONS]
    extension = next((match for folder in folders for match in sorted(folder.glob("*stardraft*"))), None)
    if found is None and extension is None:
        return []
    name = f"VS Code {found or ''}".strip()
    if extension is None:
        return [
            Check(
                "editor",
                "ok",
                f"{name}: no stardraft extension in {_listed(folders)}",
                BUILD,
            )
        ]
    return [Check("editor", "ok", f"{name}: the extension {extension.name} is installed")]


def others(_facts: Facts) -> list[Check]:
    """Editors that show suggestions in their completion menu, with any language server."""
    found = [version for program in ("hx", "emacs") if (version := version_of(program)) is not None]
    return [
        Check("editor", "ok", f"{version}: can use the language server `stardraft lsp`") for version in found
    ]


def version_of(program: str) -> str | None:
    """The first line that the program says of its version; None when it is not on PATH."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        result = subprocess.run(
            [path, "--version"],
            capture_output=True,
            timeout=VERSION_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return program
    lines = result.stdout.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else program


def version_numbers(text: str) -> tuple[int, ...]:
    """The first version in a line such as "NVIM v0.12.4"; () when there is none."""
    match = re.search(r"\d{1,9}(?:\.\d{1,9}){1,9}", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _listed(folders: list[Path]) -> str:
    from stardraftd.paths import tilde

    present = [tilde(folder) for folder in folders if folder.is_dir()]
    return " or ".join(present or [tilde(folders[0])])
