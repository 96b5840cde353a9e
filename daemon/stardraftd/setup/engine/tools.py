"""What a build needs besides compilers: pip, CMake and Ninja. Those of the computer, or else ones in the
cache.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stardraftd.errors import EngineBuildError

CMAKE_AT_LEAST = (3, 21)


def pip(cache: Path, environment: Mapping[str, str]) -> list[str]:
    """How pip is called: this Python's own, the one of the tools, or a new one there. Raises
    EngineBuildError.
    """
    folder = cache / "tools"
    for python in (Path(sys.executable), _python_of(folder)):
        if python.exists() and _succeeds([str(python), "-m", "pip", "--version"], environment):
            return [str(python), "-m", "pip"]
    return [str(_make(folder, environment)), "-m", "pip"]


def cmake(cache: Path, environment: Mapping[str, str]) -> str:
    """CMake that is new enough; fetched if there is none. Raises EngineBuildError."""
    found = shutil.which("cmake", path=environment.get("PATH"))
    if found is not None and _cmake_version(found, environment) >= CMAKE_AT_LEAST:
        return found
    return _fetched("cmake", f"cmake>={'.'.join(map(str, CMAKE_AT_LEAST))}", cache, environment)


def ninja(cache: Path, environment: Mapping[str, str]) -> str | None:
    """Ninja, fetched if there is none; None on Windows, where CMake takes what Visual Studio has."""
    found = shutil.which("ninja", path=environment.get("PATH")) or shutil.which(
        "ninja-build", path=environment.get("PATH")
    )
    if found is not None or os.name == "nt":
        return found
    return _fetched("ninja", "ninja>=1.11", cache, environment)


def _fetched(name: str, requirement: str, cache: Path, environment: Mapping[str, str]) -> str:
    folder = cache / "tools"
    program = _python_of(folder).with_name(f"{name}.exe" if os.name == "nt" else name)
    if not program.exists():
        python = _make(folder, environment)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
        done = _run(command, environment)
        if done.returncode != 0 or not program.exists():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
            raise EngineBuildError(
                f"{name} is not on the PATH, and could not be fetched; pip said: {said[0]}",
                f"Install it: Debian, Ubuntu: sudo apt install {_package(name)}; Fedora: sudo dnf install "
                f"{_package(name)}; macOS: brew install {name}",
            )
    return str(program)


def _make(folder: Path, environment: Mapping[str, str]) -> Path:
    """A virtual environment with pip in it. Raises EngineBuildError."""
    python = _python_of(folder)
    if python.exists() and _succeeds([str(python), "-m", "pip", "--version"], environment):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    ways: list[Sequence[str]] = [[sys.executable, "-m", "venv", str(folder)]]
    if (uv := shutil.which("uv", path=environment.get("PATH"))) is not None:
        ways.append([uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(folder)])
    for way in ways:
        if _run(way, environment).returncode == 0:
            return python
    raise EngineBuildError(
        f"Python could not make a virtual environment in {folder}, which is needed to fetch what the "
        "build needs.",
        "Debian, Ubuntu: sudo apt install python3-venv",
    )


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _cmake_version(program: str, environment: Mapping[str, str]) -> tuple[int, ...]:
    told = _run([program, "--version"], environment).stdout.decode("utf-8", "replace")
    found = re.search(r"version (\d{1,4})\.(\d{1,4})", told)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _package(name: str) -> str:
    return {"ninja": "ninja-build"}.get(name, name)


def _succeeds(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    return _run(command, environment).returncode == 0


def _run(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            list(command), capture_output=True, check=False, env=dict(environment), stdin=subprocess.DEVNULL
        )
    except OSError as error:
        return subprocess.CompletedProcess(list(command), 127, b"", str(error).encode())
