"""Where a file comes from, as the model is told: the path in its repository, and the repository's name."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """`path` is relative to the repository, with slashes; `repository` is "" when there is none."""

    path: str
    repository: str


def origin_of(file: Path, repository: str | None = None) -> Origin:
    """The origin of `file`. `repository`, if given, is the name; otherwise that of the folder with `.git`.

    Outside a repository the path is relative to the current folder, or else the file's name alone: what
    lies above it (a home folder, a user's name) is nothing that a model was trained on.
    """
    absolute = file.absolute()
    root = _git_root(absolute)
    base = root or _current_folder()
    path = absolute.relative_to(base) if base and absolute.is_relative_to(base) else Path(absolute.name)
    name = repository if repository is not None else root.name if root else ""
    return Origin(_text(path.as_posix()), _text(name))


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _git_root(file: Path) -> Path | None:
    # `.git` is a file in work trees and submodules.
    return next((folder for folder in file.parents if (folder / ".git").exists()), None)


def _text(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
