"""A Git repository that is only read, and a checkout beside it that is thrown away."""

import os
import subprocess
from pathlib import Path

from stardraftd.errors import PathError, RequestError

MAX_FILE_CHARACTERS = 400_000
_MAX_DIFF_BYTES = 400_000
# So that nothing of the user's settings changes what a commit is said to have changed.
_DIFF = (
    *("diff-tree", "-r", "-p", "-U0", "-M", "--no-commit-id", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--diff-algorithm=myers", "--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/"),
)
# A checkout runs nothing of the repository's or the user's: no hook, no filter. That a repository of another
# owner may be read was found out before.
_NO_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


class Repository:
    """A repository: bare, or a folder of a work tree.

    Raises RequestError for another folder, and for one without a commit; PathError when there is no git.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = self._git("rev-parse", "--path-format=absolute", "--git-common-dir")
        self.store = Path(os.fsdecode(found).removesuffix("\n"))
        try:
            self.head = self._git("rev-parse", "--verify", "HEAD^{commit}").decode().strip()
        except RequestError as error:
            raise RequestError(f"The Git repository {folder} has no commit.", "Name another one.") from error

    def commits(self) -> list[str]:
        """All commits with one parent, the newest first."""
        return self._git("rev-list", "--no-merges", "--min-parents=1", self.head).decode().split()

    def diff(self, commit: str) -> str:
        """What a commit changed, without context, renames followed; "" for one that changed too much."""
        said = self._git("-c", "core.quotePath=false", *_DIFF, f"{commit}^", commit)
        return said.decode("utf-8", "replace") if len(said) <= _MAX_DIFF_BYTES else ""

    def text(self, commit: str, path: str) -> str | None:
        """A file with LF line ends; None for what is no text, or too large, or not there."""
        try:
            data = self._git("cat-file", "blob", f"{commit}:{path}")
        except RequestError:
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
        return run_git(self._folder, *arguments)


class Checkout:
    """A clone in a folder of its own, which shows one commit's files after the other."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.folder = folder
        clone = ("clone", "--quiet", "--shared", "--no-checkout", "--template=")
        run_git(folder.parent, *clone, str(repository.store), str(folder), settings=_NO_SETTINGS)

    def show(self, commit: str) -> None:
        """The folder has this commit's files, and no others."""
        checkout = ("checkout", "--quiet", "--force", "--detach", commit)
        run_git(self.folder, *checkout, settings=_NO_SETTINGS)


def run_git(folder: Path, *arguments: str, settings: dict[str, str] | None = None) -> bytes:
    """What git prints, run in a folder. settings: variables of its environment. Raises RequestError
    when it fails, PathError when there is none.

    Variables that name another repository, as hooks have them, do not count.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment | (settings or {}),
        )
    except FileNotFoundError as error:
        raise PathError("git is not installed.", "Install it: the history is read with it.") from error
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise RequestError(f"{folder} cannot be read as a Git repository: {why}", "Name a folder with one.")
    return done.stdout
