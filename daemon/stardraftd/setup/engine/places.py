"""Where builds are made and kept: one folder below the user's cache, safe to delete at any time.

sources/    the source distribution of llama-cpp-python, checked against its sha256
wheels/     one folder for each way of building, with the wheel and what it was built with
work/       the unpacked source, and builds that are not finished: an interrupted one goes on from there
tools/      CMake and Ninja where the computer has none
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder; not created here. STARDRAFT_CACHE_DIR names the one above it."""
    return cache_root(environment) / "engine"


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """What stardraft may always make again; not created here. STARDRAFT_CACHE_DIR names another folder."""
    if given := environment.get("STARDRAFT_CACHE_DIR"):
        return Path(given).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "stardraft"
    if sys.platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "stardraft" / "Cache"
    given = environment.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "stardraft"
