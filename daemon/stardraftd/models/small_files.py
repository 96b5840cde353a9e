"""Small files of settings and records, written whole: the old content or the new one, never a part."""

import datetime
import os
from pathlib import Path

import msgspec


def write_whole(path: Path, content: bytes) -> None:
    """Puts `content` in the file's place; its folder is made, its mode kept. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """As `write_whole`, for a person to read as well."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def now() -> str:
    """This moment, UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
