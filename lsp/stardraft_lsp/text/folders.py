"""Where a document stands in the editor's workspace: its path and repository, as the model sees them."""

from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath

from stardraft_lsp.text.uris import split_uri

_MAX_PLACES = 256


@dataclass(frozen=True)
class Place:
    path: str
    repository: str


@dataclass(frozen=True)
class _Location:
    """A URI taken apart. Folders hold documents of their own scheme and authority only."""

    host: str
    path: PurePath


class Folders:
    """The workspace's folders, by URI."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}
        self._places: dict[str, Place] = {}  # of the documents asked for lately; each key asks twice

    def add(self, uri: str, name: str = "") -> None:
        self._folders[uri] = name
        self._places.clear()

    def remove(self, uri: str) -> None:
        self._folders.pop(uri, None)
        self._places.clear()

    @property
    def uris(self) -> tuple[str, ...]:
        return tuple(self._folders)

    def place(self, uri: str) -> Place:
        """The path relative to the innermost folder that holds it; a lone file has its name only."""
        if uri not in self._places:
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            self._places[uri] = self._find(uri)
        return self._places[uri]

    def _find(self, uri: str) -> Place:
        document = _location(uri)
        holders = [
            (folder, name)
            for folder, name in ((_location(folder_uri), name) for folder_uri, name in self._folders.items())
            if folder.host == document.host and document.path.is_relative_to(folder.path)
        ]
        if not holders:
            return Place(document.path.name, "")
        folder, name = max(holders, key=lambda holder: len(holder[0].path.parts))
        return Place(document.path.relative_to(folder.path).as_posix(), name or folder.path.name)


def _location(uri: str) -> _Location:
    found = split_uri(uri)
    # Others: untitled:, vscode-notebook-cell:, vscode-vfs://github
    path = PurePath(found.path) if found.scheme == "file" else PurePosixPath(found.path)
    return _Location(f"{found.scheme}://{found.host}", path)
