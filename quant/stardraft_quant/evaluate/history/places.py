"""Places in the history of a Git repository: where a commit added a line, knowing only the commit before.

A place is a cursor in a line that a commit added. Above it the file is as the commit left it; below it the
file is as it was before, without the lines that the commit took away right there; all other files are the
parent commit's. So nothing of the future can be copied. A line that the same commit also removed anywhere has
only been moved, and is no place.

At most of the places the rest of the line is wanted: half of these cursors stand within a line, a quarter
where a line begins, a quarter after a sign that editors ask at. At the others the line is there as a whole,
and nothing should be shown: at its end, inside one of its words, or before text.
"""

import random
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from stardraft_quant.code.files import language_of
from stardraft_quant.evaluate.history.git import Repository
from stardraftd.console.prose import counted
from stardraftd.errors import RequestError

Kind = Literal["within", "line start", "after a sign", "finished", "in a word", "before text"]

# Where the rest of the line is wanted, and where nothing is.
WANTED: tuple[Kind, ...] = ("within", "line start", "after a sign")
QUIET: tuple[Kind, ...] = ("finished", "in a word", "before text")
MAX_LINE = 300
_PER_FILE, _FILES_PER_COMMIT = 2, 3
_SIGNS = ".([{,=:\"' "
_SHARES: dict[Kind, int] = {
    "within": 50, "line start": 25, "after a sign": 25, "finished": 12, "in a word": 12, "before text": 12,
}  # fmt: skip
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class HistoryPlace(Struct, frozen=True):
    """A cursor. before, after: the document around it, the lines that were `removed` there left out of it.

    path, old_path: of the file in the commit and in its parent. wanted: the rest of the line, which is not in
    `after`; "" at the places of QUIET.
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

    @property
    def text(self) -> str:
        """The document when a suggestion is asked for, with the cursor after `before`."""
        return self.before + self.after

    @property
    def edit(self) -> "Edit":
        """How the document came to be: what was removed at the cursor's line went, and the line was typed."""
        start = self.before.rfind("\n") + 1
        behind, feed, below = self.after.partition("\n")
        gone = "".join(f"{line}\n" for line in self.removed)
        earlier = self.before[:start] + gone + below
        return Edit(earlier, start, len(gone), self.before[start:] + behind + feed)


class Edit(NamedTuple):
    """text: the document before. `n_removed` of its characters from `start` on make room for `inserted`."""

    text: str
    start: int
    n_removed: int
    inserted: str


class _Hunk(NamedTuple):
    path: str
    old_path: str
    old_line: int
    n_old: int
    line: int
    n: int


def places(repository: Repository, n: int, seed: int) -> list[HistoryPlace]:
    """`n` places (0: all), or as many as are found, of commits in a random order.

    Raises RequestError for none.
    """
    chance = random.Random(seed)  # noqa: S311 - to be the same every time
    commits = repository.commits()
    chance.shuffle(commits)
    found: list[HistoryPlace] = []
    for commit in commits:
        if n and len(found) >= n:
            break
        found += _of_commit(repository, commit, chance)
    if not found:
        raise RequestError(
            "No commit of this repository adds a line to a file of a language that is known.",
            f"It has {counted(len(commits), 'commit')} to replay. A shallow clone has few or none.",
        )
    return found[:n] if n else found


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
    below = old_lines[first_old + hunk.n_old :]
    behind = line[column:] if kind in QUIET else ""
    return HistoryPlace(
        commit=commit,
        path=hunk.path,
        old_path=hunk.old_path,
        language=language,
        kind=kind,
        before="\n".join([*lines[:number], line[:column]]),
        after="\n".join([behind, *below]),
        removed=tuple(old_lines[first_old : first_old + hunk.n_old]),
        wanted="" if kind in QUIET else line[column:],
    )


def _column(line: str, kind: Kind, chance: random.Random) -> int | None:
    indent = len(line) - len(line.lstrip())
    if kind == "line start":
        return indent
    if kind == "finished":
        return len(line)
    if kind == "within":
        return chance.randrange(indent + 1, len(line)) if len(line) - indent > 1 else None
    columns = [at for at in range(indent, len(line)) if _fits(kind, line[:at], line[at:])]
    return chance.choice(columns) if columns else None


def _fits(kind: Kind, before: str, behind: str) -> bool:
    """Whether a place within a line is of a kind; both sides have the line's text."""
    if kind == "after a sign":
        return bool(before.strip()) and before[-1] in _SIGNS
    is_in_word = bool(before) and _is_of_word(before[-1]) and _is_of_word(behind[0])
    if kind == "in a word":
        return is_in_word
    return not is_in_word and any(map(str.isalnum, behind))  # closers alone may have text before them


def _is_of_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _hunks(diff: str) -> Iterator[_Hunk]:
    old_path = path = ""
    lines = iter(diff.split("\n"))
    for line in lines:
        if line.startswith("--- "):
            old_path = line.removeprefix("--- a/") if line.startswith("--- a/") else ""
        elif line.startswith("+++ "):
            path = line.removeprefix("+++ b/") if line.startswith("+++ b/") else ""
        elif found := _HUNK.match(line):
            old_line, n_old, new_line, n = (int(one) if one else 1 for one in found.groups())
            for _ in range(n_old + n):  # what stands in a file may look like a heading
                next(lines, None)
            if n and path and old_path:
                yield _Hunk(path, old_path, old_line, n_old, new_line, n)
