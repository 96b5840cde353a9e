"""Helix: languages.toml, merged. Helix itself is asked which language servers it has for a language.

A `language-servers` list in the user's file takes the place of Helix's own list (only keys and entries of
[[language]] with the same name are merged: helix-loader's merge of languages.toml, three levels deep). So
each list that is written here has all servers that were in force, and stardraft behind them.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from stardraftd.errors import ConfigError, StardraftError
from stardraftd.paths import tilde
from stardraftd.setup.changes import Change, change, read_text
from stardraftd.setup.editors.editor import Editor, Place, Plan, config_home

HEALTH_TIMEOUT_S = 10.0
NAME = "stardraft"
# Its first version with `language-servers`, several for a language.
NEEDED = (23, 10)
# The languages whose syntax stardraft reads, with the servers that Helix 25.07 has for them: used only where
# no Helix is there to be asked.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "bash": ("bash-language-server",),
    "c": ("clangd",),
    "c-sharp": ("roslyn-language-server", "omnisharp", "csharp-ls"),
    "cpp": ("clangd",),
    "go": ("gopls", "golangci-lint-lsp"),
    "java": ("jdtls",),
    "javascript": ("typescript-language-server",),
    "jsx": ("typescript-language-server",),
    "lua": ("lua-language-server",),
    "php": ("intelephense",),
    "python": ("ty", "ruff", "jedi", "pylsp", "zuban"),
    "ruby": ("ruby-lsp", "solargraph"),
    "rust": ("rust-analyzer",),
    "tsx": ("typescript-language-server",),
    "typescript": ("typescript-language-server",),
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def config_file() -> Path:
    if os.name == "nt":
        return (
            Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
            / "helix"
            / "languages.toml"
        )
    return config_home() / "helix" / "languages.toml"


def is_too_old(program: str) -> bool:
    """Whether that Helix knows no more than one language server for a language, and stops at our settings."""
    found = re.match(r"helix (\d+)\.(\d+)", _said(program, "--version"))
    return found is not None and tuple(map(int, found.groups())) < NEEDED


def servers_of(program: str, language: str) -> tuple[str, ...] | None:
    """The servers that are in force for a language, as `hx --health` says; None when it says nothing."""
    said = _said(program, "--health", language)
    lines = _COLOUR.sub("", said).splitlines()
    head = next((n for n, line in enumerate(lines) if line.startswith("Configured language servers:")), None)
    if head is None:
        return None
    found = []
    for line in lines[head + 1 :]:
        entry = re.match(r"\s{1,40}\S{1,40} ([^\s:]{1,200}):", line)
        if entry is None:
            break
        found.append(entry.group(1))
    return tuple(found)


def _said(program: str, *arguments: str) -> str:
    """What the program says; nothing when it cannot be run."""
    try:
        return subprocess.run(
            [program, *arguments],
            capture_output=True,
            timeout=HEALTH_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def merged(text: str, command: tuple[str, ...], program: str | None) -> str:
    """The user's languages.toml with stardraft in it. Raises ParseError when it is no TOML."""
    document = tomlkit.parse(text)
    servers = document.get("language-server")
    if servers is None:
        document["language-server"] = servers = tomlkit.table(is_super_table=True)
    if NAME not in servers:
        table = tomlkit.table()
        table["command"] = command[0]
        table["args"] = list(command[1:])
        table.add(tomlkit.nl())
        servers[NAME] = table
    languages = document.get("language")
    if languages is None:
        document["language"] = languages = tomlkit.aot()
    for language, defaults in DEFAULTS.items():
        _add(languages, language, (servers_of(program, language) if program else None) or defaults)
    return tomlkit.dumps(document)


def _add(languages: Any, language: str, in_force: tuple[str, ...]) -> None:
    entry = next((one for one in languages if one.get("name") == language), None)
    if entry is None:
        entry = tomlkit.table()
        entry["name"] = language
        languages.append(entry)
    listed = entry.get("language-servers")
    if listed is None:
        entry["language-servers"] = [*(name for name in in_force if name != NAME), NAME]
    elif not any((one.get("name") if isinstance(one, dict) else one) == NAME for one in listed):
        listed.append(NAME)


# What some editors on Windows begin a file with.
_MARK = "\ufeff"


def _plan(place: Place) -> Plan:
    if place.program is not None and is_too_old(place.program):
        raise StardraftError(
            f"{place.program} is older than Helix {NEEDED[0]}.{NEEDED[1]}: it knows one server a "
            "language, and would stop at these settings.",
            "Get a newer Helix, then run this again.",
        )
    path = place.path or config_file()
    there = read_text(path)
    mark = _MARK if (there or "").startswith(_MARK) else ""
    try:
        text = mark + merged(
            (there or "").removeprefix(_MARK).replace("\r\n", "\n"), place.command, place.program
        )
    except (ParseError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{tilde(path)} cannot be read, so it is not changed: {error}.",
            "Mend it (`hx --health` says whether it is well), then run this again.",
        ) from error
    if there is not None and "\r\n" in there:
        text = text.replace("\n", "\r\n")
    before = []
    if place.program is None:
        before.append(
            "Without Helix on the PATH its own lists of language servers are taken to be those of 25.07: "
            "look at the ones that are added."
        )
    return Plan(
        changes=(
            change(path, text.encode()) if text != there else Change(path, text.encode(), text.encode()),
        ),
        before=tuple(before),
        after=(
            "Start Helix, open a file and type: the suggestion is an entry of the completion menu.",
            "Ctrl-x asks for it explicitly.",
        ),
    )


EDITOR = Editor("helix", "Helix", ("hx", "helix"), _plan, "~/.config/helix/languages.toml")
