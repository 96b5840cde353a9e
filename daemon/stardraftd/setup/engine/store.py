"""The builds of `stardraft setup engine`: put into the user's data folder, chosen, taken back, and cleaned
up.

A build is unpacked beside the others, proved where it lies, and put to use by replacing one small file.
Until then, and if it does not work, the engine before it is the one that is used; so an interruption at any
moment changes nothing. See stardraftd/builds/chosen.py for the layout, and for who reads it.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from stardraftd.builds import chosen as engine_build
from stardraftd.errors import EngineBuildError, PathError
from stardraftd.files.atomic import now, write_json, written_at
from stardraftd.setup.engine import tools

FACTS = "build.json"
# What llama_cpp's own package imports besides itself (its pyproject.toml), by module.
LIBRARIES = {
    "numpy": "numpy>=1.26",
    "typing_extensions": "typing-extensions>=4.5",
    "diskcache": "diskcache>=5.6.1",
    "jinja2": "jinja2>=2.11.3",
}


class Facts(msgspec.Struct, frozen=True):
    """Of one build, for people and for `stardraft doctor`."""

    version: str
    backend: str
    step: str
    why: str
    built_at: str
    key: str


class Choice(msgspec.Struct, frozen=True):
    """Which build an installation uses, and which one it used before; "" is the environment's own."""

    prefix: str
    build: str
    previous: str = ""


def add(wheel: Path, facts: Facts) -> str:
    """Unpacks a wheel as a build of its own, whole or not at all. Its name. Raises OSError."""
    name = f"{facts.key}{secrets.token_hex(4)}"
    builds = engine_build.engines_dir() / "builds"
    builds.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=builds, prefix="unfinished-"))
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unfinished / engine_build.SITE)
        write_json(unfinished / FACTS, facts)
        unfinished.chmod(0o755)
        unfinished.rename(builds / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return name


def folder_of(name: str) -> Path:
    return engine_build.engines_dir() / "builds" / name


def facts_of(build: Path) -> Facts | None:
    """What is written of a build; None where that cannot be read."""
    try:
        return msgspec.json.decode((build / FACTS).read_bytes(), type=Facts)
    except (OSError, msgspec.MsgspecError):
        return None


def choice() -> Choice | None:
    """What this installation has chosen; None when it uses its environment's own. Raises PathError."""
    file = engine_build.choice_file()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Choice)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise PathError(
            f"{file}, which says which engine is used, cannot be read: {error}.",
            f"Remove it, and have the engine built again: {engine_build.REPAIR}",
        ) from error


def choose(name: str) -> None:
    """Has this installation use the build from now on. Raises OSError."""
    file = engine_build.choice_file()
    before = engine_build.chosen_build() if file.exists() else None
    previous = before.name if before is not None and before.is_dir() else ""
    write_json(file, Choice(os.path.realpath(sys.prefix), name, previous))


def go_back() -> str | None:
    """Has this installation use what it used before. The build's name, "" for the environment's own.

    None when nothing was chosen, so that there is nothing to take back. Raises OSError and PathError.
    """
    chosen = choice()
    if chosen is None:
        return None
    if chosen.previous and folder_of(chosen.previous).is_dir():
        write_json(engine_build.choice_file(), Choice(chosen.prefix, chosen.previous))
        return chosen.previous
    engine_build.choice_file().unlink()
    return ""


def remove(name: str) -> None:
    """Removes a build that nothing uses."""
    shutil.rmtree(folder_of(name), ignore_errors=True)


def forget_unused() -> None:
    """Removes builds that no installation uses or would go back to, and choices of installations that are
    gone.
    """
    used = set()
    for file in (engine_build.engines_dir() / "chosen").glob("*.json"):
        try:
            told = msgspec.json.decode(file.read_bytes(), type=Choice)
        except (OSError, msgspec.MsgspecError):
            return  # what it names is not known: nothing is removed
        if not Path(told.prefix).is_dir():
            file.unlink(missing_ok=True)
            continue
        used |= {told.build, told.previous}
    for build in (engine_build.engines_dir() / "builds").glob("*"):
        if build.name not in used:
            shutil.rmtree(build, ignore_errors=True)


def require_libraries(cache: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Sees to it that what llama_cpp imports can be imported. Raises EngineBuildError.

    An installation without the extra `engine` lacks it; then it is put beside the builds, from wheels only.
    """
    folder = engine_build.libraries_dir()
    missing = [
        requirement
        for module, requirement in LIBRARIES.items()
        if importlib.util.find_spec(module) is None and not any(folder.glob(f"{module}*"))
    ]
    if not missing:
        return
    say(f"Fetching what the engine needs besides llama.cpp: {', '.join(missing)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-") as unfinished:
        options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--target", unfinished]
        done = subprocess.run(
            [*tools.pip(cache, environment), "install", *options, *LIBRARIES.values()],
            capture_output=True,
            check=False,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
            raise EngineBuildError(
                f"What the engine needs besides llama.cpp could not be fetched; pip said: {said[0]}",
                "It comes from the package index that pip is set up for: is there a network?",
            )
        shutil.rmtree(folder, ignore_errors=True)
        Path(unfinished).rename(folder)
        Path(unfinished).mkdir()  # for the context manager to remove


def new_facts(
    version: str, backend: str, step: str, why: str, key: str, *, wheel: Path | None = None
) -> Facts:
    """wheel: was built when its file was written, however long ago; without it that is now."""
    return Facts(version, backend, step, why, now() if wheel is None else written_at(wheel), key)


def in_use(key: str) -> str:
    """The name of the build that is in use if it is the one with these ingredients, else ""."""
    chosen = choice()
    facts = None if chosen is None else facts_of(folder_of(chosen.build))
    return chosen.build if chosen is not None and facts is not None and facts.key == key else ""
