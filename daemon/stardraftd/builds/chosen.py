"""Which build of llama.cpp this installation uses: that of `stardraft setup engine`, or its environment's
own.

An environment can be another's to change: uv's and pipx's are written by them alone, the Debian package's and
Homebrew's are read-only. So the builds of `stardraft setup engine` lie in the user's data folder, below
`builds`, and `chosen` has a small file for each installation, by its prefix. A build is put to use by
replacing that file (stardraftd/setup/engine/store.py, docs/decisions/0001-where-engine-builds-live.md);
here it is only read.

    engines/chosen/0f3a....json     {"prefix": "/opt/stardraft", "build": "9c1e...", "previous": ""}
    engines/builds/9c1e.../site     llama_cpp, with its libraries in llama_cpp/lib
    engines/libraries-3.11          what llama_cpp imports, where the installation itself lacks it
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stardraftd.files import atomic

VARIABLE = "STARDRAFT_ENGINE_BUILD"
SITE = "site"
REPAIR = "stardraft setup engine"


def engines_dir() -> Path:
    """The builds of `stardraft setup engine`; not created here. STARDRAFT_ENGINES_DIR names another
    folder.
    """
    if given := os.environ.get("STARDRAFT_ENGINES_DIR"):
        return Path(given).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_path("stardraft", appauthor=False)) / "engines"


def choice_file(prefix: str = sys.prefix) -> Path:
    """Where it is written which build the installation at `prefix` uses."""
    name = hashlib.sha256(os.path.realpath(prefix).encode()).hexdigest()[:16]
    return engines_dir() / "chosen" / f"{name}.json"


def chosen_build() -> Path | None:
    """The folder of the build that was chosen; None when it is the environment's own.

    STARDRAFT_ENGINE_BUILD in the environment names the folder of one to try. Whether it is there is not
    looked at.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).absolute()
    try:
        told = json.loads(atomic.read(choice_file()))
        name = told["build"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(name, str) or not name.isalnum():
        return None
    return engines_dir() / "builds" / name


def libraries_dir() -> Path:
    """What llama_cpp imports besides itself, for this version of Python and this kind of processor."""
    return engines_dir() / f"libraries-{sys.version_info.major}.{sys.version_info.minor}"


def problem() -> str:
    """Why the build that was chosen cannot be used, as a sentence; "" when it can, or none was chosen."""
    build = chosen_build()
    if build is None or (build / SITE / "llama_cpp").is_dir():
        return ""
    return f"The engine that was built for this installation is gone: there is no {build / SITE}."


def search_path() -> list[str]:
    """The folders in which Python finds the build that was chosen; [] when it is the environment's own."""
    build = chosen_build()
    return [] if build is None or problem() else [str(build / SITE)]


def use() -> None:
    """Lets this process's `import llama_cpp` find the build that was chosen. Imports nothing of it."""
    for folder in search_path():
        if folder not in sys.path:
            sys.path.insert(0, folder)
        libraries = str(libraries_dir())
        if libraries not in sys.path:
            sys.path.append(libraries)  # last: what the installation has itself comes first


def child_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """For a child that imports llama_cpp before anything of stardraftd.engine."""
    folders = search_path()
    if not folders:
        return dict(inherited)
    joined = os.pathsep.join([*folders, *filter(None, [inherited.get("PYTHONPATH")]), str(libraries_dir())])
    return {**inherited, "PYTHONPATH": joined}
