"""What .gitignore and .stardraftignore exclude, as Git reads them: nested, with negations.

Each file speaks for its folder and what is below; the last pattern that matches decides, and files further
down have the last word. What is below an excluded folder cannot be taken back in. `.stardraftignore` has the
same syntax and is read apart: it can only exclude more. Above a workspace's folder, the files up to the
repository's top apply; `.git/info/exclude` and the user's own excludes come first (weakest). What Git tracks
is not ignored by Git's rules, whatever the patterns say.

A folder that was opened on purpose is not excluded, nor is what is in it only for being in it: patterns
above it that say so (`build/`, `build/*`, `*`) do not count; others (`*.log`) do.

Ignore files are read when a folder is first asked about, so this is for the background thread; `forget`
after one has changed, `forget_tracked` now and then.
"""

# ruff: noqa: PTH118, PTH120, PTH206 - paths are strings here: there are many, and a Path costs microseconds

import os
from collections.abc import Callable, Iterator, Mapping

from stardraft_lsp.context.access.git_config import (
    ReadText,
    Repository,
    default_excludes_file,
    ignore_config,
    repository_of,
)
from stardraft_lsp.context.access.git_index import ReadBytes, Tracked, read_tracked
from stardraft_lsp.context.access.ignore_lines import IgnoreFile, IgnoreLine, read_lines

IGNORE_FILES = (".gitignore", ".stardraftignore")
# Folders on the way to a file, from the top of the disk. Each may have an ignore file that speaks of all
# below it; what lies deeper was made by a program, and its rules count as unknown.
MAX_FOLDERS = 256
# A name that no file has: what is said of it is said of everything in a folder.
_ANY_NAME = "\x01"


class IgnoreRules:
    """The ignore files of the folders below `root`, an absolute path without links.

    read: reads one ignore file. Its OSError is passed on: where rules cannot be read, nothing is known.
    global_excludes: the text of the user's own ignore file, where the configuration names none.
    read_own: reads the user's configuration and ignore file; without it they do not count.
    read_bytes: reads a repository's index; without it, nothing counts as tracked.
    """

    def __init__(
        self,
        root: str,
        read: ReadText,
        global_excludes: str = "",
        *,
        read_own: ReadText | None = None,
        read_bytes: ReadBytes | None = None,
        tick: Callable[[], None] = lambda: None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._root = root
        self._read = read
        self._global_excludes = global_excludes
        self._read_own = read_own
        self._read_bytes = read_bytes
        self._tick = tick
        self._environ = environ
        self.forget()

    def forget(self) -> None:
        """Everything is read anew when it is next asked for."""
        self._specs: dict[tuple[str, str], IgnoreFile | None] = {}
        self._folders: dict[tuple[str, str], bool] = {}
        self._speaking: dict[tuple[str, str], tuple[tuple[str, IgnoreFile], ...]] = {}
        self._bases: list[str] | None = None
        self._first: list[IgnoreFile] = []
        self._repository: Repository | None = None
        self._ignore_case = False
        self._hash_bytes = 20
        self._is_root_excluded: dict[str, bool] = {}
        self.forget_tracked()

    def forget_tracked(self) -> None:
        """The repository's index is read anew when it is next asked for."""
        self._tracked: Tracked | None = None

    def is_ignored(self, path: str) -> bool:
        """Whether a file below the root is excluded. Raises OSError where an ignore file cannot be read, or
        the file lies below more than MAX_FOLDERS."""
        return self._is_excluded_by(".stardraftignore", path, is_folder=False) or (
            self._is_excluded_by(".gitignore", path, is_folder=False)
            and not self._is_tracked(path, is_folder=False)
        )

    def is_folder_ignored(self, folder: str) -> bool:
        """Whether a folder, the root or below, is excluded with all that is in it. Raises as `is_ignored`."""
        return self._is_folder_excluded(".stardraftignore", folder) or (
            self._is_folder_excluded(".gitignore", folder) and not self._is_tracked(folder, is_folder=True)
        )

    def _is_excluded_by(self, name: str, path: str, *, is_folder: bool) -> bool:
        return self._is_folder_excluded(name, os.path.dirname(path)) or self._decide(
            name, path, is_folder=is_folder
        )

    def _is_folder_excluded(self, name: str, folder: str) -> bool:
        if folder.count(os.sep) > MAX_FOLDERS:
            raise OSError(f"{folder} lies below more than {MAX_FOLDERS} folders")
        unknown: list[str] = []
        is_excluded = False  # the root was opened on purpose
        for place in self._below(folder):
            known = self._folders.get((name, place))
            if known is not None:
                is_excluded = known
                break
            unknown.append(place)
        for place in reversed(unknown):
            is_excluded = is_excluded or self._decide(name, place, is_folder=True)
            self._folders[name, place] = is_excluded
        return is_excluded

    def _decide(self, name: str, path: str, *, is_folder: bool) -> bool:
        """By the patterns that fit the path itself, the strongest first."""
        above = self._above()
        is_purpose = self._is_opened_on_purpose(name)
        for base, spec in self._speaking_in(name, os.path.dirname(path)):
            line = spec.verdict(_names(base, path), is_folder=is_folder)
            if line is not None:
                return not line.takes_back
        for base in above:
            embracing = base == self._root or not is_purpose
            line = self._line(base, name, path, is_folder=is_folder, with_embracing=embracing)
            if line is not None:
                return not line.takes_back
        line = self._first_line(name, path, is_folder=is_folder, with_embracing=not is_purpose)
        return line is not None and not line.takes_back

    def _first_line(
        self, name: str, path: str, *, is_folder: bool, with_embracing: bool = True
    ) -> IgnoreLine | None:
        """The line that decides in the excludes of the repository and the user."""
        names = _names(self._above()[-1], path)
        found = (
            first.verdict(names, is_folder=is_folder, with_embracing=with_embracing)
            for first in (self._first if name == ".gitignore" else ())
        )
        return next((line for line in found if line is not None), None)

    def _line(
        self, base: str, name: str, path: str, *, is_folder: bool, with_embracing: bool = True
    ) -> IgnoreLine | None:
        spec = self._spec(base, name)
        if spec is None:
            return None
        return spec.verdict(_names(base, path), is_folder=is_folder, with_embracing=with_embracing)

    def _is_opened_on_purpose(self, name: str) -> bool:
        """Whether the root, or everything in it, is excluded by what stands above it."""
        known = self._is_root_excluded.get(name)
        if known is None:
            self._is_root_excluded[name] = False  # while it is found out
            known = self._is_root_excluded[name] = self._find_out(name)
        return known

    def _find_out(self, name: str) -> bool:
        place, top = self._root, self._above()[-1]
        while len(place) > len(top):
            line = self._line_above(name, place, is_folder=True)
            if line is not None and not line.takes_back:
                return True
            place = os.path.dirname(place)
        line = self._line_above(name, os.path.join(self._root, _ANY_NAME), is_folder=False)
        # A pattern without a place (`*`) is not about this folder: `!*.py` may follow it.
        return line is not None and not line.takes_back and line.has_place

    def _line_above(self, name: str, path: str, *, is_folder: bool) -> IgnoreLine | None:
        """The line that decides about a path in the files above the root, and in the excludes."""
        for base in self._above()[1:]:
            is_below = path.startswith(base.rstrip(os.sep) + os.sep)
            line = self._line(base, name, path, is_folder=is_folder) if is_below else None
            if line is not None:
                return line
        return self._first_line(name, path, is_folder=is_folder)

    def _speaking_in(self, name: str, folder: str) -> tuple[tuple[str, IgnoreFile], ...]:
        """The ignore files below the root that speak of what is in `folder`, the strongest first."""
        unknown: list[str] = []
        speaking: tuple[tuple[str, IgnoreFile], ...] = ()
        for place in self._below(folder):
            known = self._speaking.get((name, place))
            if known is not None:
                speaking = known
                break
            unknown.append(place)
        for place in reversed(unknown):
            spec = self._spec(place, name)
            speaking = ((place, spec), *speaking) if spec is not None else speaking
            self._speaking[name, place] = speaking
        return speaking

    def _below(self, folder: str) -> Iterator[str]:
        """A folder and those over it, up to the root but without it."""
        while len(folder) > len(self._root):
            yield folder
            folder = os.path.dirname(folder)

    def _above(self) -> list[str]:
        """The root and the folders over it, up to the repository's top; the root alone outside of one."""
        if self._bases is None:
            self._repository = repository = repository_of(self._root, self._read)
            bases = [self._root]
            while repository is not None and bases[-1] != repository.top:
                bases.append(os.path.dirname(bases[-1]))
            self._bases = bases
            self._first = list(self._read_first(repository))
        return self._bases

    def _read_first(self, repository: Repository | None) -> Iterator[IgnoreFile]:
        """`.git/info/exclude` and the user's own excludes, the stronger first."""
        own = self._global_excludes
        if self._read_own is not None:
            config = ignore_config(repository, self._read_own, self._environ)
            self._ignore_case, self._hash_bytes = config.ignore_case, config.hash_bytes
            file = config.excludes_file
            file = default_excludes_file(self._environ) if file is None else file
            try:
                own = (self._read_own(file) if file else "") or ""
            except OSError:  # it is the user's own and optional
                own = ""
        exclude = self._read(os.path.join(repository.common, "info", "exclude")) if repository else None
        for text in (exclude, own):
            if text:
                yield read_lines(text, ignore_case=self._ignore_case)

    def _is_tracked(self, path: str, *, is_folder: bool) -> bool:
        repository = self._repository
        if repository is None or self._read_bytes is None:
            return False
        if self._tracked is None:
            self._tracked = read_tracked(
                repository.store, self._read_bytes, self._tick, hash_bytes=self._hash_bytes
            )
        return self._tracked.has("/".join(_names(repository.top, path)), is_folder=is_folder)

    def _spec(self, folder: str, name: str) -> IgnoreFile | None:
        key = (folder, name)
        if key not in self._specs:
            text = self._read(os.path.join(folder, name))
            self._specs[key] = read_lines(text, ignore_case=self._ignore_case) if text else None
        return self._specs[key]


def _names(base: str, path: str) -> list[str]:
    return path[len(base.rstrip(os.sep)) + 1 :].split(os.sep)
