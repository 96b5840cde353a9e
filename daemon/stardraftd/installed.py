"""How this stardraft was installed, and so which command removes it or adds an extra to it.

What is looked at are the traces that installers leave: uv's receipt and pipx's metadata in the environment,
Homebrew's Cellar, the Debian package's folder, and the INSTALLER file beside the package's metadata.
Nothing is run here, and nothing imported but the standard library. llama.cpp is built in the same way for
all of them: `stardraft setup engine`.
"""

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

PACKAGE = "stardraft"
# Where the Debian package puts its environment; packaging/debian_package.py has it, too.
DEBIAN_PREFIX = "/opt/stardraft"

Installer = Literal["uv tool", "pipx", "Homebrew", "Debian package", "uv pip", "pip"]


@dataclass(frozen=True)
class Installation:
    """`python` is the interpreter that stardraft is installed for, as a shell takes it."""

    installer: Installer
    python: str


def installation() -> Installation:
    """This process's own installation."""
    prefix = Path(sys.prefix)
    try:
        installed_by = distribution(PACKAGE).read_text("INSTALLER")
    except (PackageNotFoundError, OSError):
        installed_by = None
    return Installation(installer_of(prefix, (installed_by or "").strip()), _shown(sys.executable))


def how_to_add(extra: str) -> str:
    """What to do where a package is missing that an extra of stardraft's installs: for an error's hint.

    `extra` as in pyproject.toml. No package index has stardraft: an installer is given the source's folder.
    """
    found = installation()
    command = {"uv tool": "uv tool install --force", "pipx": "pipx install --force"}.get(
        found.installer, f"{found.python} -m pip install"
    )
    if found.installer == "uv pip":
        command = f"uv pip install --python {found.python}"
    return f'Type in the folder of stardraft\'s source: {command} ".[{extra}]"'


def installer_of(prefix: Path, installed_by: str) -> Installer:
    """Who made the environment at `prefix`; `installed_by` is what the package's INSTALLER file says."""
    if (prefix / "uv-receipt.toml").exists():
        return "uv tool"
    if (prefix / "pipx_metadata.json").exists():
        return "pipx"
    if "Cellar" in prefix.parts:
        return "Homebrew"
    if prefix == Path(DEBIAN_PREFIX):
        return "Debian package"
    return "uv pip" if installed_by == "uv" else "pip"


def _shown(path: str) -> str:
    return f'"{path}"' if " " in path else path
