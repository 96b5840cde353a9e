"""Random ignore files in random trees, compared with git itself; and hard patterns, which must not take long.

Without git installed only the second is done. Also configurations and indexes of random bytes: whatever stands
in them, there is an answer.
"""

import os
import random as random_module
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from stardraft_lsp.context.git_index import Tracked, read_tracked
from stardraft_lsp.context.ignore import IgnoreRules
from stardraft_lsp.context.ignore_lines import read_lines

_NAMES = "a b ab a.py b.py a.log build src x.y [a] a-b A ééé".split()
_PARTS = (
    *"a b ab * ** ? *.py *.log a* *b a*b [ab] [!a] [^a] [a-c] [[:alpha:]] [[:digit:]]* build src \\a \\* [a]".split(),
    *("a**b", "**a", "[]a]", "[a", "a\\", "***", "é*", "[!a-b]*", "?.py", "[[:space:]]", "a-b", "[a-]", "[\\]a]*"),
)
# Processor time for one file and a pattern of this length at most; measured is a hundredth of it.
_LIMIT_S = 2.0


def run(random: random_module.Random, deadline: float) -> str:
    """Tries until `deadline` (time.monotonic()); what was done. Raises AssertionError with the ignore file."""
    n_trees = n_compared = n_hard = 0
    has_git = shutil.which("git") is not None
    while time.monotonic() < deadline:
        for _ in range(20):
            _hard(random)
            _bytes(random)
            n_hard += 1
        if has_git and time.monotonic() < deadline:
            n_compared += _compare(random)
            n_trees += 1
    return f"{n_trees:,} trees and {n_compared:,} paths as git has them, {n_hard:,} hard patterns"


def _compare(random: random_module.Random) -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "tree"
        paths = sorted({"/".join(random.choice(_NAMES) for _ in range(random.randint(1, 4))) for _ in range(25)})
        files = [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]
        for path in files:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x")
        ignoring = {"": _ignore_file(random)}
        ignoring |= {path.rpartition("/")[0]: _ignore_file(random) for path in random.sample(files, min(2, len(files)))}
        for place, text in ignoring.items():
            (root / place / ".gitignore").write_text(text, encoding="utf-8")
        said = _git(root, files)
        rules = IgnoreRules(str(root), _read)
        ours = {path for path in files if rules.is_ignored(str(root / path))}
        assert ours == said, f"{ignoring!r}: git {sorted(said - ours)}, here {sorted(ours - said)}"
        return len(files)


def _git(root: Path, files: list[str]) -> set[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(root.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q"], cwd=root, env=environment, check=True, capture_output=True)
    done = subprocess.run(
        ["git", "-c", "core.ignoreCase=false", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=root,
        env=environment,
        input="\0".join(files),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {name for name in done.stdout.split("\0") if name}


def _ignore_file(random: random_module.Random) -> str:
    return "\n".join(_line(random) for _ in range(random.randint(1, 6))) + "\n"


def _line(random: random_module.Random) -> str:
    names = "/".join(random.choice(_PARTS) for _ in range(random.randint(1, 3)))
    return (
        random.choice(("", "", "", "!", "\\"[:0]))
        + random.choice(("", "", "/"))
        + names
        + random.choice(("", "", "/", "/**", " ", "\\ "))
    )


def _hard(random: random_module.Random) -> None:
    pattern = "".join(random.choice(("*a", "*", "?", "[a-z]", "**/", "a", "/", "[!b]*", "*a*")) for _ in range(200))
    path = random.choice((["a" * 255], ["a"] * 100, ["a" * 60] * 20, ["ab" * 100, "b"]))
    began = time.process_time()
    read_lines(f"{pattern}b\n{pattern}/\n").verdict(path, is_folder=True)
    took = time.process_time() - began
    assert took < _LIMIT_S, f"{took:.1f} s for {pattern!r}"


def _bytes(random: random_module.Random) -> None:
    data = b"DIRC" + random.choice((2, 3, 4)).to_bytes(4, "big") + random.randbytes(random.randint(0, 400))
    tracked = read_tracked("/x", lambda _path: data)
    assert isinstance(tracked, Tracked)
    read_lines(random.randbytes(200).decode("latin-1")).verdict(["a", "b"], is_folder=False)


def _read(path: str) -> str | None:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.is_file() else None
