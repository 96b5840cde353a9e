"""Makes the small history that CI replays: python -m tests.make_history_bundle (in a full clone).

The past of a few folders of this repository, up to a commit that is named here, as a bundle that `git clone`
reads: CI has a checkout of one commit, or none. Authors, dates and messages are left out. Run again it makes
the same commits, so the figures that are held for them stay valid.
"""

import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests/data/evaluate/history.bundle"
UNTIL = "3a05693"
FOLDERS = ("lsp/stardraft_lsp/session", "lsp/stardraft_lsp/filters", "packaging/vscode/src")
NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "stardraft"), ("EMAIL", "stardraft@localhost"), ("DATE", "@0 +0000"))
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        git(made, "init", "--quiet", "--initial-branch=main")
        objects = git(ROOT, "rev-parse", "--path-format=absolute", "--git-path", "objects")
        (made / ".git/objects/info/alternates").write_text(f"{objects}\n", encoding="utf-8")
        tip = tree = ""
        for commit in git(ROOT, "rev-list", "--reverse", "--first-parent", UNTIL, "--", *FOLDERS).split():
            before, tree = tree, tree_of(made, commit)
            if tree != before:
                parent = ("-p", tip) if tip else ()
                tip = git(made, "commit-tree", "-m", "one more", *parent, tree)
        git(made, "update-ref", "refs/heads/main", tip)
        git(made, "repack", "-adfq", "--depth=250", "--window=500")
        git(made, "bundle", "create", "--quiet", str(TARGET), "HEAD", "main")
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes, commit {tip}")


def tree_of(made: Path, commit: str) -> str:
    """A tree with the folders alone, as a commit left them."""
    settings = {"GIT_INDEX_FILE": str(made / "index")}
    git(made, "read-tree", "--empty", settings=settings)
    for folder in FOLDERS:
        if git(made, "ls-tree", commit, folder):
            git(made, "read-tree", f"--prefix={folder}/", f"{commit}:{folder}", settings=settings)
    return git(made, "write-tree", settings=settings)


def git(folder: Path, *arguments: str, settings: dict[str, str] | None = None) -> str:
    environment = {**os.environ, **NOBODY, **(settings or {})}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


if __name__ == "__main__":
    main()
