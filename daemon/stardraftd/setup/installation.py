"""This installation: the command that starts it, from wherever it is run, and the one that removes it.

How it was installed is found out in stardraftd/installed.py.
"""

import shutil
import sys
import sysconfig
from pathlib import Path

from stardraftd.installed import PACKAGE, installation


def command() -> tuple[str, ...]:
    """The words that run `stardraft` of this very installation, with an absolute path.

    Where the PATH leads to it by another name (Homebrew's bin, /usr/bin), that name is taken: it outlives an
    upgrade that moves what is behind it.
    """
    own = _own_script()
    if own is None:
        return (sys.executable, "-P", "-m", "stardraftd")
    found = shutil.which(PACKAGE)
    if found is not None and Path(found).is_absolute() and Path(found).samefile(own):
        return (found,)
    return (str(own),)


def is_here(words: tuple[str, ...]) -> bool:
    """Whether a command line of `command` still leads to this installation."""
    own = command()
    if words == own:
        return True
    try:
        return words[1:] == own[1:] and Path(words[0]).samefile(own[0])
    except (OSError, IndexError):
        return False


def removal() -> str:
    """What a user types to remove the package, by how it was installed."""
    found = installation()
    match found.installer:
        case "uv tool":
            return f"uv tool uninstall {PACKAGE}"
        case "pipx":
            return f"pipx uninstall {PACKAGE}"
        case "Homebrew":
            return f"brew uninstall {PACKAGE}"
        case "Debian package":
            return f"sudo apt remove {PACKAGE}"
        case "uv pip":
            return f"uv pip uninstall --python {found.python} {PACKAGE}"
        case _:
            return f"{found.python} -m pip uninstall {PACKAGE}"


def _own_script() -> Path | None:
    name = f"{PACKAGE}.exe" if sys.platform == "win32" else PACKAGE
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / name).is_file():
            return folder / name
    return None
