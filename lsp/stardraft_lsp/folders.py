"""Where a document stands in the editor's workspace: its path and repository, as the model sees them."""

from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from urllib.parse import unquote, urlsplit

from pygls.uris import to_fs_path


@dataclass(frozen=True)
class Place:
    path: str
    repository: str


class Folders:
    """The workspace's folders, by URI."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def add(self, uri: str, name: str = "") -> None:
        self._folders[uri] = name

    def remove(self, uri: str) -> None:
        self._folders.pop(uri, None)

    def place(self, uri: str) -> Place:
        """The path relative to the innermost folder that holds it; a lone file has its name only."""
        path = _path(uri)
        best: tuple[int, Place] | None = None
        for folder_uri, name in self._folders.items():
            folder = _path(folder_uri)
            if path is None or folder is None or not path.is_relative_to(folder):
                continue
            relative = path.relative_to(folder).as_posix()
            if best is None or len(folder.parts) > best[0]:
                best = (len(folder.parts), Place(relative, name or folder.name))
        if best is not None:
            return best[1]
        if path is not None:
            return Place(path.name, "")
        return Place(PurePosixPath(unquote(urlsplit(uri).path)).name, "")  # untitled:, vscode-notebook-cell:


def _path(uri: str) -> PurePath | None:
    if urlsplit(uri).scheme != "file":
        return None
    found = to_fs_path(uri)
    return PurePath(found) if found else None
