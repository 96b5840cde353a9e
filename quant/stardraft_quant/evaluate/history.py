"""Places in the history of a Git repository: where a commit added a line, knowing only the commit before.

A place is a cursor in a line that a commit added. Above it the file is as the commit left it; below it the
file is as it was before, without the lines that the commit took away right there; all other files are the
parent commit's. So nothing of the future can be copied. A line that the same commit also removed anywhere has
only been moved, and is no place. Half of the cursors stand within a line, a quarter where a line begins, a
quarter behind a sign that editors ask at, and beside these there are finished lines, where nothing follows.
"""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

from stardraft_quant.code.files import language_of
from stardraftd.errors import PathError, RequestError

Kind = Literal["within", "line start", "after a sign", "finished"]

MAX_FILE_CHARACTERS = 400_000
MAX_LINE = 300
_PER_FILE, _FILES_PER_COMMIT = 2, 3
_MAX_DIFF_BYTES = 400_000
_SIGNS = ".([{,=:\"' "
_SHARES: dict[Kind, int] = {"within": 50, "line start": 25, "after a sign": 25, "finished": 12}
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class HistoryPlace(Struct, frozen=True):
    """A cursor. before, after: the document around it, the lines that were `removed` there left out of it.

    path, old_path: of the file in the commit and in its parent. wanted: the rest of the line.
    """

    commit: str
    path: str
    old_path: str
    language: str
    kind: Kind
    before: str
    after: str
    removed: tuple[str, ...]
    wanted: str


class Repository:
    """A Git repository that is read: bare, or the folder of a work tree. Raises PathError when it is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._git("rev-parse", "--git-dir")
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            raise PathError(f"{folder} is no Git repository, or git is not installed.") from error

    def commits(self) -> list[str]:
        """All commits with one parent, the newest first."""
        said = self._git("log", "--no-merges", "--min-parents=1", "--format=%H").decode()
        return said.split()

    def diff(self, commit: str) -> str:
        """What a commit changed, without context, renames followed; "" for one that changed too much."""
        said = self._git("diff", "--no-color", "--no-ext-diff", "-U0", "-M", f"{commit}^", commit)
        return said.decode("utf-8", "replace") if len(said) <= _MAX_DIFF_BYTES else ""

    def text(self, commit: str, path: str) -> str | None:
        """A file with LF line ends; None for what is no text, or too large."""
        try:
            data = self._git("show", f"{commit}:{path}")
        except subprocess.CalledProcessError:
            return None
        if len(data) > MAX_FILE_CHARACTERS or b"\0" in data:
            return None
        try:
            return data.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError:
            return None

    def files(self, commit: str) -> list[tuple[str, str, int]]:
        """Path, blob and size in bytes of every file."""
        found = []
        for line in self._git("ls-tree", "-r", "-l", "-z", commit).decode("utf-8", "replace").split("\0"):
            meta, _, path = line.partition("\t")
            if path and meta.split()[1] == "blob":
                found.append((path, meta.split()[2], int(meta.split()[3])))
        return found

    def blob(self, name: str) -> str:
        """The text of a blob, whatever it is."""
        return self._git("cat-file", "blob", name).decode("utf-8", "replace").replace("\r\n", "\n")

    def _git(self, *arguments: str) -> bytes:
        command = ["git", "-C", str(self._folder), *arguments]
        return subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout


class _Hunk(NamedTuple):
    path: str
    old_path: str
    old_line: int
    n_old: int
    line: int
    n: int


def places(repository: Repository, n: int, seed: int) -> list[HistoryPlace]:
    """`n` places, or as many as are found, of commits in a random order. Raises RequestError for none."""
    chance = random.Random(seed)  # noqa: S311 - to be the same every time
    commits = repository.commits()
    chance.shuffle(commits)
    found: list[HistoryPlace] = []
    for commit in commits:
        if len(found) >= n:
            break
        found += _of_commit(repository, commit, chance)
    if not found:
        raise RequestError("No commit of this repository adds a line of a language that is known.")
    return found[:n]


def _of_commit(repository: Repository, commit: str, chance: random.Random) -> Iterator[HistoryPlace]:
    diff = repository.diff(commit)
    removed = {line[1:].strip() for line in diff.split("\n") if line.startswith("-")}
    hunks = [hunk for hunk in _hunks(diff) if language_of(hunk.path)]
    chance.shuffle(hunks)
    for hunk in hunks[:_FILES_PER_COMMIT]:
        new, old = repository.text(commit, hunk.path), repository.text(f"{commit}^", hunk.old_path)
        if new is None or old is None:
            continue
        lines, old_lines = new.split("\n"), old.split("\n")
        fit = [
            number
            for number in range(hunk.line - 1, min(hunk.line - 1 + hunk.n, len(lines)))
            if len(lines[number].strip()) > 0 and len(lines[number]) <= MAX_LINE
            if lines[number].strip() not in removed
        ]
        for number in chance.sample(fit, min(_PER_FILE, len(fit))):
            place = _place(commit, hunk, (lines, old_lines), number, chance)
            if place is not None:
                yield place


def _place(
    commit: str, hunk: _Hunk, texts: tuple[Sequence[str], Sequence[str]], number: int, chance: random.Random
) -> HistoryPlace | None:
    """A cursor in a line, counted from 0; None when there is none of the kind. texts: lines, new and old."""
    lines, old_lines = texts
    line = lines[number].rstrip()
    kind = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
    column = _column(line, kind, chance)
    language = language_of(hunk.path)
    if column is None or language is None:
        return None
    # Git counts from 1, and names the line before when a hunk takes nothing away.
    first_old = hunk.old_line - 1 if hunk.n_old else hunk.old_line
    after = old_lines[first_old + hunk.n_old :]
    return HistoryPlace(
        commit=commit,
        path=hunk.path,
        old_path=hunk.old_path,
        language=language,
        kind=kind,
        before="\n".join([*lines[:number], line[:column]]),
        after="\n".join(["", *after]),
        removed=tuple(old_lines[first_old : first_old + hunk.n_old]),
        wanted=line[column:],
    )


def _column(line: str, kind: Kind, chance: random.Random) -> int | None:
    indent = len(line) - len(line.lstrip())
    if kind == "line start":
        return indent
    if kind == "finished":
        return len(line)
    if kind == "within":
        return chance.randrange(indent + 1, len(line)) if len(line) - indent > 1 else None
    behind = [at + 1 for at in range(indent, len(line) - 1) if line[at] in _SIGNS]
    return chance.choice(behind) if behind else None


def _hunks(diff: str) -> Iterator[_Hunk]:
    old_path = path = ""
    for line in diff.split("\n"):
        if line.startswith("--- "):
            old_path = line.removeprefix("--- a/") if line.startswith("--- a/") else ""
        elif line.startswith("+++ "):
            path = line.removeprefix("+++ b/") if line.startswith("+++ b/") else ""
        elif line.startswith("@@") and path and old_path and (found := _HUNK.match(line)):
            old_line, n_old, new_line, n = (int(one) if one else 1 for one in found.groups())
            if n:
                yield _Hunk(path, old_path, old_line, n_old, new_line, n)
