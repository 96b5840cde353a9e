"""What ignore files exclude, compared with git itself over every file of a tree."""

import shutil
import subprocess
from pathlib import Path

import pytest

from stardraft_lsp.context.ignore import IgnoreRules

NAMES = """
    a.py a.log keep.log build/x.py build/keep.py src/a.py src/build/x.py src/gen/out.py src/gen/keep.py
    src/gen/deep/keep.py src/deep/er/a.log src/deep/er/keep.log docs/a.txt docs/b.txt docs/sub/a.txt
    src/only.py only.py foo/bar/baz.py foo/bar2/baz.py x/y/z/w.py local.py mine.py
"""
TREE = NAMES.split()

FILES = {
    ".gitignore": "*.log\n!keep.log\n"
    "/build/\nbuild/keep.py\n!build/keep.py\n/only.py\nfoo/**/baz.py\n# note\n\\#x\n",
    "src/.gitignore": "gen/*\n!gen/keep.py\n!*.log\n",
    "src/deep/.gitignore": "*.log\n",
    "docs/.gitignore": "*\n!.gitignore\n!b.txt\n",
    "x/.gitignore": "/y/*/w.py\n",
    ".git/info/exclude": "local.py\n",
}


def read(path: str) -> str | None:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.is_file() else None


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "tree"
    plant(root, dict.fromkeys(TREE, "x = 1\n"))
    return root


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what it is compared with")
def test_the_same_is_ignored_as_by_git(tree: Path) -> None:
    excludes = tree.parent / "excludes"
    excludes.write_text("mine.py\n", encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tree.parent)}
    subprocess.run(["git", "init", "-q", str(tree)], check=True, env=environment)
    plant(tree, FILES)
    said = subprocess.run(
        ["git", "-c", f"core.excludesFile={excludes}", "check-ignore", "--no-index", *TREE],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\n")
    rules = IgnoreRules(str(tree), read, global_excludes="mine.py\n")
    ignored = [name for name in TREE if rules.is_ignored(str(tree / name))]
    assert ignored == [name for name in TREE if name in said]
    assert 8 < len(ignored) < len(TREE) - 5


def test_a_folder_below_a_repository_obeys_the_files_above_it(tree: Path) -> None:
    plant(tree, {**FILES, ".git/HEAD": "ref: refs/heads/main\n"})
    rules = IgnoreRules(str(tree / "src"), read)
    assert (
        rules.is_ignored(str(tree / "src" / "build" / "a.log")) is False
    )  # src/.gitignore takes logs back in
    assert rules.is_ignored(str(tree / "src" / "deep" / "er" / "a.log"))
    rules = IgnoreRules(str(tree / "foo"), read)
    assert rules.is_ignored(str(tree / "foo" / "bar" / "baz.py"))


def test_outside_a_repository_what_stands_above_does_not_count(tree: Path) -> None:
    plant(tree, {".gitignore": "*.py\n"})
    assert not IgnoreRules(str(tree / "src"), read).is_ignored(str(tree / "src" / "a.py"))


def test_stardraftignore_excludes_more_and_takes_nothing_back_in(tree: Path) -> None:
    plant(tree, {".gitignore": "a.py\n", ".stardraftignore": "!a.py\nfoo/\n", "src/.stardraftignore": "*\n"})
    rules = IgnoreRules(str(tree), read)
    ignored = {
        name
        for name in ("a.py", "foo/bar/baz.py", "src/only.py", "only.py")
        if rules.is_ignored(str(tree / name))
    }
    assert ignored == {"a.py", "foo/bar/baz.py", "src/only.py"}


def test_rules_are_read_anew_when_forgotten(tree: Path) -> None:
    rules = IgnoreRules(str(tree), read)
    assert not rules.is_ignored(str(tree / "a.py"))
    plant(tree, {".gitignore": "a.py\n"})
    assert not rules.is_ignored(str(tree / "a.py"))
    rules.forget()
    assert rules.is_ignored(str(tree / "a.py"))


def test_a_line_that_is_no_pattern_is_passed_over(tree: Path) -> None:
    plant(tree, {".gitignore": "!\n***\n[\na.py\n"})
    assert IgnoreRules(str(tree), read).is_ignored(str(tree / "a.py"))


def test_what_cannot_be_read_is_not_taken_for_no_rules(tree: Path) -> None:
    def refuse(path: str) -> str | None:
        if path.endswith(".gitignore"):
            raise PermissionError(path)
        return None

    with pytest.raises(PermissionError):
        IgnoreRules(str(tree), refuse).is_ignored(str(tree / "a.py"))
