"""What .gitignore and .stardraftignore exclude, as git reads them: nested, with negations.

Each file speaks for its folder and what is below; the last pattern that matches decides, and files further
down have the last word. What is below an excluded folder cannot be taken back in. `.stardraftignore` has the
same syntax and is read apart: it can only exclude more. Above a workspace's folder, the files up to the
repository's top apply; `.git/info/exclude` and the person's global excludes come first (weakest).

The patterns are matched by pathspec. Ignore files are read when a folder is first asked about, so this is
for the background thread; `forget` after one has changed.
"""

# ruff: noqa: PTH118, PTH120 - paths are strings here: there are many, and a Path costs microseconds

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".stardraftignore")
# A file's text; None when there is none. Raises OSError when it cannot be told.
ReadText = Callable[[str], str | None]


class IgnoreRules:
    """The ignore files of the folders below `root`, an absolute path without links.

    read: reads one ignore file. Its OSError is passed on: where rules cannot be read, nothing is known.
    global_excludes: the text of the person's own ignore file.
    """

    def __init__(self, root: str, read: ReadText, global_excludes: str = "") -> None:
        self._root = root
        self._read = read
        self._global_excludes = global_excludes
        self._specs: dict[tuple[str, str], GitIgnoreSpec | None] = {}
        self._folders: dict[str, bool] = {}
        self._bases: list[str] | None = None
        self._first: list[tuple[str, GitIgnoreSpec]] = []

    def forget(self) -> None:
        """Everything is read anew when it is next asked for."""
        self._specs.clear()
        self._folders.clear()
        self._bases = None

    def is_ignored(self, path: str) -> bool:
        """Whether a file below the root is excluded. Raises OSError where an ignore file cannot be read."""
        return self.is_folder_ignored(os.path.dirname(path)) or self._decide(path, is_folder=False)

    def is_folder_ignored(self, folder: str) -> bool:
        """Whether a folder, the root or below, is excluded, or one that holds it."""
        known = self._folders.get(folder)
        if known is None:
            # The root was opened on purpose: it is not excluded by what stands above it.
            known = len(folder) > len(self._root) and (
                self.is_folder_ignored(os.path.dirname(folder)) or self._decide(folder, is_folder=True)
            )
            self._folders[folder] = known
        return known

    def _decide(self, path: str, *, is_folder: bool) -> bool:
        return any(self._decide_by(name, path, is_folder=is_folder) for name in IGNORE_FILES)

    def _decide_by(self, name: str, path: str, *, is_folder: bool) -> bool:
        for base in self._bases_of(os.path.dirname(path)):
            spec = self._spec(base, name)
            verdict = _verdict(spec, base, path, is_folder=is_folder)
            if verdict is not None:
                return verdict
        if name == ".gitignore":
            for base, first in self._first:
                verdict = _verdict(first, base, path, is_folder=is_folder)
                if verdict is not None:
                    return verdict
        return False

    def _bases_of(self, folder: str) -> Iterator[str]:
        """The folders whose ignore files speak about what is in `folder`, the strongest first."""
        above = self._above()
        while len(folder) > len(self._root):
            yield folder
            folder = os.path.dirname(folder)
        yield from above

    def _above(self) -> list[str]:
        """The root and the folders over it, up to the repository's top; the root alone outside of one."""
        if self._bases is None:
            bases = [self._root]
            top = self._root
            while not self._is_top(top):
                above = os.path.dirname(top)
                if above == top:
                    bases = [self._root]
                    break
                bases.append(above)
                top = above
            self._first = []
            exclude = self._read(os.path.join(bases[-1], ".git", "info", "exclude"))
            for text in (exclude, self._global_excludes):
                if text:
                    self._first.append((bases[-1], GitIgnoreSpec.from_lines(_sound_lines(text))))
            self._bases = bases
        return self._bases

    def _is_top(self, folder: str) -> bool:
        """A repository's top; the `.git` of a worktree or submodule is a file."""
        return self._read(os.path.join(folder, ".git", "HEAD")) is not None or (
            self._read(os.path.join(folder, ".git")) is not None
        )

    def _spec(self, folder: str, name: str) -> GitIgnoreSpec | None:
        key = (folder, name)
        if key not in self._specs:
            text = self._read(os.path.join(folder, name))
            self._specs[key] = GitIgnoreSpec.from_lines(_sound_lines(text)) if text else None
        return self._specs[key]


def _verdict(spec: GitIgnoreSpec | None, base: str, path: str, *, is_folder: bool) -> bool | None:
    if spec is None:
        return None
    relative = path[len(base.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
    return spec.check_file(f"{relative}/" if is_folder else relative).include


def _sound_lines(text: str) -> list[str]:
    """The lines that are patterns; git passes over the others in silence."""
    lines = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()[:20_000]
    return lines if _are_patterns(lines) else [line for line in lines if _are_patterns([line])]


def _are_patterns(lines: list[str]) -> bool:
    try:
        GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return False
    return True


def global_excludes_path() -> str:
    """Where git looks for the person's own excludes if not configured otherwise."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return os.path.join(home, "git", "ignore")
