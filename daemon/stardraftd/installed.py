"""How this stardraft was installed, and so which command adds llama.cpp to it or builds that again.

Whoever installed it with `uv tool` or pipx cannot use a bare `pip install`: it would go into another
environment. What is looked at are the traces that installers leave: uv's receipt and pipx's metadata in the
environment, Homebrew's Cellar, the Debian package's folder, and PEP 610's direct_url.json beside the package.
Nothing is run here, and nothing imported but the standard library: a missing engine is told with this.
"""

import json
import os
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGE = "stardraft"
ENGINE_PACKAGE = "llama-cpp-python"
# Adds llama.cpp to any installation, or builds it again.
ENGINE_COMMAND = "stardraft setup engine"
# Where the Debian package puts its environment; packaging/debian_package.py has it, too.
DEBIAN_PREFIX = "/opt/stardraft"

Installer = Literal["uv tool", "pipx", "Homebrew", "Debian package", "uv pip", "pip"]


@dataclass(frozen=True)
class Installation:
    """`source` is what an installer is given: a name, a path, or `NAME @ git+URL`; the extra is in it."""

    installer: Installer
    python: str
    source: str
    editable: bool = False

    def command_for_engine(self) -> str:
        """What a person types to add llama.cpp to this installation."""
        return self._install("")

    def command_for_rebuild(self, cmake_arguments: str = "") -> str:
        """What a person types to have llama.cpp built again here, with CMake's `-D...` arguments."""
        variable = _assignment("CMAKE_ARGS", cmake_arguments) if cmake_arguments else ""
        anew = "--force-reinstall --no-cache-dir --no-deps"
        match self.installer:
            case "uv tool":
                return f"{variable}{self._install(f'--no-cache --reinstall-package {ENGINE_PACKAGE} ')}"
            case "pipx":
                return f"{variable}pipx runpip {PACKAGE} install {anew} {ENGINE_PACKAGE}"
            case "Homebrew":
                return f"brew reinstall --build-from-source {PACKAGE}"
            case "Debian package":
                given = f' CMAKE_ARGS="{cmake_arguments}"' if cmake_arguments else ""
                return f"make deb{given}    # in stardraft's source; then install the package that it makes"
            case "uv pip":
                given = f"--python {self.python} --no-cache --reinstall-package"
                return f"{variable}uv pip install {given} {ENGINE_PACKAGE} {ENGINE_PACKAGE}"
            case _:
                return f"{variable}{self.python} -m pip install {anew} {ENGINE_PACKAGE}"

    def _install(self, options: str) -> str:
        source = f'{"-e " if self.editable else ""}"{self.source}"'
        match self.installer:
            case "uv tool":
                return f"uv tool install --force {options}{source}"
            case "pipx":
                return f"pipx install --force {options}{source}"
            case "Homebrew":
                return f"brew reinstall {PACKAGE}"
            case "Debian package":
                return "sudo dpkg --verify stardraft; its files are not all there: install the package again"
            case "uv pip":
                return f"uv pip install --python {self.python} {options}{source}"
            case _:
                return f"{self.python} -m pip install {options}{source}"


def installation() -> Installation:
    """This process's own installation."""
    prefix = Path(sys.prefix)
    try:
        found = distribution(PACKAGE)
        record, installed_by = found.read_text("direct_url.json"), found.read_text("INSTALLER")
    except (PackageNotFoundError, OSError):
        record, installed_by = None, None
    source, editable = source_of(record)
    return Installation(
        installer_of(prefix, (installed_by or "").strip()), _shown(sys.executable), source, editable
    )


def how_to_add(extra: str) -> str:
    """What to do where a package is missing that an extra of stardraft's installs: for an error's hint.

    `extra` as in pyproject.toml, and several with commas between. No package index has stardraft: an
    installer is given what this one was installed from, or the folder of the source.
    """
    if extra == "engine":
        return f"Build it for this computer: {ENGINE_COMMAND}"
    found = installation()
    if found.source.startswith(f"{PACKAGE}["):
        there = replace(found, source=f".[{extra}]")
        return f"Type in the folder of stardraft's source: {there.command_for_engine()}"
    there = replace(found, source=found.source.replace("[engine]", f"[{extra}]", 1))
    return f"Type: {there.command_for_engine()}"


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


def source_of(direct_url: str | None) -> tuple[str, bool]:
    """What to give an installer for the same package with its engine, and whether it is installed editable.

    `direct_url` is the text of PEP 610's file; None where the package came from an index.
    """
    from_index = f"{PACKAGE}[engine]", False
    try:
        told: dict[str, Any] = json.loads(direct_url or "{}")
        url = str(told.get("url", ""))
    except (ValueError, AttributeError):
        return from_index
    if "vcs_info" in told:
        version = told["vcs_info"].get("requested_revision") or told["vcs_info"].get("commit_id", "")
        return f"{PACKAGE}[engine] @ {told['vcs_info'].get('vcs', 'git')}+{url}@{version}", False
    if not url.startswith("file:"):
        return from_index
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        return from_index
    return f"{path}[engine]", bool(told.get("dir_info", {}).get("editable"))


def _shown(path: str) -> str:
    return f'"{path}"' if " " in path else path


def _assignment(name: str, value: str) -> str:
    """How a shell gives one command a variable."""
    if os.name == "nt":
        return f'$env:{name}="{value}"; '
    return f'{name}="{value}" ' if " " in value else f"{name}={value} "
