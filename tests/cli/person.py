"""What tests of `stardraft setup` share: editors' executables that are there, and what lies in a home."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

Stardraft = Callable[..., subprocess.CompletedProcess[str]]


def program(person: dict[str, str], name: str, script: str) -> Path:
    """An editor's executable: a real program, which says what the test needs."""
    path = Path(person["PATH"].split(os.pathsep)[0]) / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
