"""What ignore files exclude, compared with git itself over every file of a tree."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from stardraft_lsp.context.access.allowed import Allowed
from stardraft_lsp.context.access.disk import Disk
from stardraft_lsp.context.access.ignore import MAX_FOLDERS, IgnoreRules
from stardraft_lsp.context.settings import ContextSettings

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
    return file.read_bytes().decode("utf-8") if file.is_file() else None


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


ODD_NAMES = (
    "a",
    "b",
    "ab",
    "a.b",
    "x y",
    "#h",
    "!n",
    "Foo",
    "bar.log",
    "[z]",
    "é",
    "a\\b",
    "t\t",
    "trail ",
    "*",
    "q?",
)
# Parts of patterns. Not here: letters before `**`, which Git takes for a folder now and then.
ODD_PARTS = (
    r"a b ab * ** ? foo *.log [ab] [!a] [^b] [a-c] []a] [[:alpha:]] \* \#h \!n #h !n x\ y bar.* a*b *a* é [é]"
)
MORE_PARTS = (
    r"\ a\b [a {a,b} trail\  d-e [a-] [\]] [--0] *** F* [[:upper:]]* [[:bogus:]] \[z\] q\? x* *. "
    r"a.b \/a a\/b [!é]"
)


def odd_pattern(random: Random) -> str:
    parts = (*ODD_PARTS.split(), *MORE_PARTS.split(), "x y", "t\t")
    pattern = "/".join(random.choice(parts) for _ in range(random.choice((1, 1, 1, 2, 2, 3))))
    blanks = random.choice((" ", "  ", "\t", "\\ ", " \\ ")) if random.random() < 0.1 else ""
    negation, slash = random.choice(("", "", "", "!")), random.choice(("", "", "", "/"))
    return negation + slash + pattern + random.choice(("", "", "", "/")) + blanks


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what it is compared with")
@pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")
@pytest.mark.parametrize("seed", range(12))
def test_odd_patterns_mean_what_they_mean_to_git(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    top = tmp_path.resolve() / "tree"
    folders = [top]
    for _ in range(5):
        folders.append(random.choice(folders) / random.choice(ODD_NAMES))
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for folder in folders for name in random.sample(ODD_NAMES, 6)]
    files = [file for file in files if not file.exists() and file.write_bytes(b"") == 0]
    for folder in folders:
        line_end = random.choice(("\n", "\r\n"))
        lines = line_end.join(odd_pattern(random) for _ in range(random.randint(1, 5)))
        (folder / ".gitignore").write_bytes((random.choice(("", "\ufeff")) + lines).encode())
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    names = "\0".join(f"./{file.relative_to(top)}" for file in files)
    told = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=top,
        input=names.encode(),
        capture_output=True,
        check=False,
    ).stdout.decode()
    rules = IgnoreRules(str(top), read)
    ignored = [file for file in files if rules.is_ignored(str(file))]
    assert ignored == [file for file in files if f"./{file.relative_to(top)}" in told.split("\0")]


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


@pytest.mark.parametrize("kind", ["a link", "a folder"])
def test_what_is_no_file_has_no_rules_as_in_git(tree: Path, kind: str) -> None:
    if kind == "a link":
        plant(tree.parent, {"elsewhere": "*.py\n"})
        (tree / ".gitignore").symlink_to(tree.parent / "elsewhere")
    else:
        (tree / ".gitignore").mkdir()
    allowed = Allowed([str(tree)], Disk(), ContextSettings())
    assert allowed.why_no_suggestions(str(tree / "a.py")) == ""


@pytest.mark.parametrize(
    ("ignored", "by", "says"),
    [
        ("lone.py", ".stardraftignore", "lone.py\n"),
        ("lone.py", ".gitignore", "lone.py\n"),
        ("deep/below/lone.py", ".stardraftignore", "deep/**/*.py\n"),
        ("deep/below/lone.py", "deep/.stardraftignore", "below\n"),
    ],
)
def test_a_file_in_none_of_the_editors_folders_has_the_rules_that_lie_beside_and_above_it(
    tree: Path, ignored: str, by: str, says: str
) -> None:
    plant(tree, {ignored: "x = 1\n", "other.py": "x = 1\n", by: says})
    for roots in ([], [str(tree / "a")]):
        allowed = Allowed(roots, Disk(), ContextSettings())
        assert allowed.why_no_suggestions(str(tree / ignored)) == "ignored"
        assert allowed.why_no_suggestions(str(tree / "other.py")) == ""
    (tree / by).unlink()  # nothing watches those folders: what holds is what they say now
    assert allowed.why_no_suggestions(str(tree / ignored)) == ""


# --- what a repository says beside its ignore files: the index, the configuration -------------------------

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git makes the repository")


def read_bytes(path: str) -> bytes | None:
    file = Path(path)
    return file.read_bytes() if file.is_file() else None


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "HOME": str(folder.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def own(home: Path) -> dict[str, str]:
    return {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "XDG_CONFIG_HOME": str(home),
    }


def rules_in(root: Path, home: Path) -> IgnoreRules:
    return IgnoreRules(str(root), read, read_own=read, read_bytes=read_bytes, environ=own(home))


@needs_git
@pytest.mark.parametrize(
    "way", ["version 2", "version 3", "version 4", "split", "worktree", "submodule", "sha256"]
)
def test_what_is_tracked_is_not_ignored(tree: Path, way: str) -> None:
    git(tree, "init", "-q", *(["--object-format=sha256"] if way == "sha256" else []))
    plant(tree, {".gitignore": "build/\n*.log\nsrc/gen/\n"})
    if way == "version 4":
        git(tree, "config", "index.version", "4")
    if way == "split":
        git(tree, "config", "core.splitIndex", "true")
        git(tree, "add", "-f", "a.log", "keep.log", "only.py")
        git(tree, "update-index", "--split-index")
        git(tree, "rm", "-q", "--cached", "keep.log")
    git(tree, "add", "-f", "a.log", "build/keep.py", "src/gen/deep/keep.py", "a.py")
    if way == "version 3":
        git(tree, "add", "-N", "only.py")
    root = tree
    if way in ("worktree", "submodule"):
        git(tree, "add", ".gitignore")
        git(tree, "commit", "-q", "-m", "a")
        root = tree.parent / "other"
        if way == "worktree":
            git(tree, "worktree", "add", "-q", str(root))
        else:
            outer = tree.parent / "outer"
            outer.mkdir()
            git(outer, "init", "-q")
            git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tree), "inner")
            root = outer / "inner"
        plant(root, {"keep.log": "x", "build/x.py": "x", "src/gen/out.py": "x"})
    tracked = set(git(root, "ls-files").split())
    rules = rules_in(root, tree.parent)
    for name in ("a.log", "build/keep.py", "src/gen/deep/keep.py"):
        assert name in tracked
        assert not rules.is_ignored(str(root / name))
    for name in ("keep.log", "build/x.py", "src/gen/out.py"):
        assert name not in tracked
        assert rules.is_ignored(str(root / name))
    assert not rules.is_folder_ignored(str(root / "build"))
    assert not rules.is_folder_ignored(str(root / "src" / "gen" / "deep"))


@needs_git
def test_what_is_added_later_is_tracked_when_the_index_is_read_anew(tree: Path) -> None:
    git(tree, "init", "-q")
    plant(tree, {".gitignore": "*.log\n"})
    rules = rules_in(tree, tree.parent)
    assert rules.is_ignored(str(tree / "a.log"))
    git(tree, "add", "-f", "a.log")
    rules.forget_tracked()
    assert not rules.is_ignored(str(tree / "a.log"))


@pytest.mark.parametrize(
    "index",
    [b"", b"DIRC", b"DIRC\0\0\0\x02\0\0\xff\xff", b"\0" * 4000, b"DIRC\0\0\0\x09\0\0\0\x01" + b"\0" * 80],
)
def test_a_damaged_index_tracks_nothing(tree: Path, index: bytes) -> None:
    plant(tree, {".git/HEAD": "ref: refs/heads/main\n", ".gitignore": "*.log\n"})
    (tree / ".git" / "index").write_bytes(index)
    assert rules_in(tree, tree.parent).is_ignored(str(tree / "a.log"))


def test_stardraftignore_excludes_also_what_is_tracked(tree: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git makes the repository")
    git(tree, "init", "-q")
    git(tree, "add", "a.log", "build")
    plant(tree, {".stardraftignore": "*.log\nbuild/\n"})
    rules = rules_in(tree, tree.parent)
    assert rules.is_ignored(str(tree / "a.log"))
    assert rules.is_folder_ignored(str(tree / "build"))


CONFIGS = {
    "of the user": {".gitconfig": "[core]\n\texcludesFile = ~/mine\n"},
    "absolute and quoted": {".gitconfig": '[core]\nexcludesfile = "HOME/mine" ; note\n'},
    "on the section's line": {".gitconfig": "[CORE] ExcludesFile=HOME/mine # note\n"},
    "over two lines": {".gitconfig": "[core]\n excludesFile = HOME/\\\nmine\n"},
    "included": {".gitconfig": "[include]\n path = more\n", "more": "[core]\n excludesFile = HOME/mine\n"},
    "included for a folder": {
        ".gitconfig": '[includeIf "gitdir:HOME/"]\n path = more\n',
        "more": "[core]\n excludesFile = HOME/mine\n",
    },
    "included for a branch": {
        ".gitconfig": '[includeIf "onbranch:ma*"]\n path = more\n',
        "more": "[core]\n excludesFile = HOME/mine\n",
    },
    "of the repository": {"tree/.git/config": "[core]\n excludesFile = HOME/mine\n"},
    "the later one counts": {
        ".gitconfig": "[core]\n excludesFile = HOME/none\n",
        "tree/.git/config": "[core]\n excludesFile = HOME/mine\n",
    },
    "the environment counts more": {".gitconfig": "[core]\n excludesFile = HOME/none\n"},
    "Git's default place": {"git/ignore": "*.md\n*.txt\n"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_users_own_excludes_count(tree: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tree.parent
    monkeypatch.setenv("HOME", str(home))
    plant(tree, {".git/HEAD": "ref: refs/heads/main\n"})
    plant(
        home,
        {
            "mine": "*.txt\n",
            **{file: text.replace("HOME", str(home)) for file, text in CONFIGS[name].items()},
        },
    )
    environment = own(home)
    if name == "the environment counts more":
        value = f"{home}/mine"
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.excludesFile",
            "GIT_CONFIG_VALUE_0": value,
        }
    rules = IgnoreRules(str(tree), read, read_own=read, environ=environment)
    assert rules.is_ignored(str(tree / "docs" / "a.txt"))
    assert not rules.is_ignored(str(tree / "a.py"))


def test_an_empty_name_of_the_excludes_is_none_and_not_the_default(tree: Path) -> None:
    home = tree.parent
    plant(tree, {".git/HEAD": "ref: refs/heads/main\n"})
    plant(home, {"git/ignore": "*.txt\n", ".gitconfig": "[core]\n excludesFile =\n"})
    assert not rules_in(tree, home).is_ignored(str(tree / "docs" / "a.txt"))


def test_excludes_that_are_included_for_another_folder_do_not_count(tree: Path) -> None:
    home = tree.parent
    plant(tree, {".git/HEAD": "ref: refs/heads/main\n"})
    plant(home, {"mine": "*.txt\n", "more": f"[core]\n excludesFile = {home}/mine\n"})
    plant(
        home,
        {".gitconfig": f'[includeIf "gitdir:{home}/other/"]\n path = more\n[include]\n path = .gitconfig\n'},
    )
    assert not rules_in(tree, home).is_ignored(str(tree / "docs" / "a.txt"))


@needs_git
def test_the_excludes_of_a_linked_work_tree_are_those_of_the_repository(tree: Path) -> None:
    git(tree, "init", "-q")
    git(tree, "add", "a.py")
    git(tree, "commit", "-q", "-m", "a")
    plant(tree, {".git/info/exclude": "local.py\n"})
    other = tree.parent / "other"
    git(tree, "worktree", "add", "-q", str(other))
    plant(other, {"local.py": "x"})
    assert rules_in(other, tree.parent).is_ignored(str(other / "local.py"))


def test_letter_case_is_as_the_repository_says(tree: Path) -> None:
    plant(
        tree,
        {".git/HEAD": "x", ".git/config": "[core]\n ignoreCase = true\n", ".gitignore": "A.PY\nBu?ld/\n"},
    )
    rules = rules_in(tree, tree.parent)
    assert rules.is_ignored(str(tree / "a.py"))
    assert rules.is_ignored(str(tree / "build" / "x.py"))


# --- a folder that was opened on purpose ------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "build/",
        "/build/",
        "build",
        "/build",
        "build/*",
        "build/**",
        "/build/**",
        "*",
        "**",
        "b*/",
        "**/build/",
        "bu?ld",
    ],
)
@pytest.mark.parametrize("where", [".gitignore", ".git/info/exclude"])
def test_an_ignored_folder_that_is_opened_is_not_ignored(tree: Path, pattern: str, where: str) -> None:
    plant(tree, {".git/HEAD": "x", where: f"{pattern}\n*.log\n", "build/deep/y.py": "x", "build/z.log": "x"})
    inside = IgnoreRules(str(tree / "build"), read)
    assert not inside.is_ignored(str(tree / "build" / "x.py"))
    assert not inside.is_ignored(str(tree / "build" / "deep" / "y.py"))
    assert inside.is_ignored(str(tree / "build" / "z.log"))
    assert not IgnoreRules(str(tree / "build" / "deep"), read).is_ignored(
        str(tree / "build" / "deep" / "y.py")
    )
    assert IgnoreRules(str(tree), read).is_ignored(str(tree / "build" / "x.py"))


def test_a_folder_of_a_repository_that_takes_back_what_it_wants_obeys_it(tree: Path) -> None:
    plant(tree, {".git/HEAD": "x", ".gitignore": "*\n!*/\n!*.py\n"})
    rules = IgnoreRules(str(tree / "docs"), read)
    assert rules.is_ignored(str(tree / "docs" / "a.txt"))
    assert not rules.is_ignored(str(tree / "docs" / "a.py"))


def test_what_the_opened_folder_says_of_itself_counts(tree: Path) -> None:
    plant(tree, {".git/HEAD": "x", ".gitignore": "build/\n", "build/.gitignore": "*\n!keep.py\n"})
    rules = IgnoreRules(str(tree / "build"), read)
    assert rules.is_ignored(str(tree / "build" / "x.py"))
    assert not rules.is_ignored(str(tree / "build" / "keep.py"))


# --- no pattern takes long --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "*a*a*a*a*a*a*a*a*a*a*b",
        "/" + "*a" * 100 + "*b",
        "**/" * 50 + "b",
        "a/**/" * 30 + "b",
        "[a-z]*" * 60 + "!",
        "?*" * 100 + "b",
        "*" * 5_000 + "b",
        "[[:alpha:]]*" * 40 + "1",
        "*/" * 100 + "b",
    ],
)
def test_no_pattern_takes_long(tree: Path, pattern: str) -> None:
    plant(tree, {".gitignore": f"{pattern}\n" * 3, ".stardraftignore": f"{pattern}\n"})
    rules = IgnoreRules(str(tree), read)
    began = time.process_time()
    for path in ("a" * 60, "a" * 5_000, "/".join(["a"] * 200), "/".join(["a" * 60] * 40)):
        assert not rules.is_ignored(f"{tree}/{path}")
    assert time.process_time() - began < 5  # minutes and more where it backtracks


def test_an_ignore_file_that_is_too_long_is_not_taken_for_a_short_one(tree: Path) -> None:
    plant(tree, {".gitignore": "x\n" * 30_000 + "a.py\n"})
    with pytest.raises(OSError, match="more than"):
        IgnoreRules(str(tree), read).is_ignored(str(tree / "a.py"))


def nested(root: Path, n_folders: int) -> Path:
    return root.joinpath(*["d"] * (n_folders - len(root.parts) + 1), "a.py")


def test_deeply_nested_folders_cost_a_read_of_each_ignore_file_and_no_more(tree: Path) -> None:
    asked: list[str] = []

    def read_and_note(path: str) -> str | None:
        asked.append(path)
        return "*.log\n" if path == str(tree / ".gitignore") else None

    rules = IgnoreRules(str(tree), read_and_note)
    deep = nested(tree, MAX_FOLDERS)
    assert not rules.is_ignored(str(deep))
    assert rules.is_ignored(str(deep.with_name("a.log")))
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("n_folders", [MAX_FOLDERS + 1, 1_300, 100_000])
def test_rules_below_too_many_folders_are_unknown_and_nothing_is_read(tree: Path, n_folders: int) -> None:
    rules = IgnoreRules(str(tree), lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(OSError, match="more than"):
        rules.is_ignored(str(nested(tree, n_folders)))
    with pytest.raises(OSError, match="more than"):
        rules.is_folder_ignored(str(nested(tree, n_folders).parent))


def test_every_folder_on_the_way_may_take_back_and_exclude_again(tree: Path) -> None:
    depth = 40
    texts = {
        str(tree.joinpath(*["d"] * level, ".gitignore")): "!a.py\n" if level % 2 else "a.py\n"
        for level in range(1, depth)
    }
    rules = IgnoreRules(str(tree), texts.get)
    for level in range(2, depth):
        assert rules.is_ignored(str(tree.joinpath(*["d"] * level, "a.py"))) == (level % 2 == 0)
