"""Random ignore files in random trees, compared with git itself; and hard patterns, which must not take long.

Without git installed only the second is done. Also configurations and indexes of random bytes: whatever
stands in them, there is an answer.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from stardraft_lsp.context.access.git_index import read_tracked
from stardraft_lsp.context.access.ignore import IgnoreRules
from stardraft_lsp.context.access.ignore_lines import read_lines
from tests.fuzz import Deadline, Report

_NAMES = ["a", "b", "ab", "a.py", "b.py", "a.log", "build", "src", "x.y", "[a]", "a-b", "A", "ééé"]
_PLAIN_PARTS = (
    r"a b ab * ** ? *.py *.log a* *b a*b [ab] [!a] [^a] [a-c] [[:alpha:]] [[:digit:]]* build src \a \* [a]"
)
_PARTS = (
    *_PLAIN_PARTS.split(),
    *(
        "a**b",
        "**a",
        "[]a]",
        "[a",
        "a\\",
        "***",
        "é*",
        "[!a-b]*",
        "?.py",
        "[[:space:]]",
        "a-b",
        "[a-]",
        "[\\]a]*",
    ),
)
CASES = 40
_HARD = ("*a", "*", "?", "[a-z]", "**/", "a", "/", "[!b]*", "*a*")
# Processor time for one file and a pattern of this length at most; measured is a hundredth of it.
_LIMIT_S = 2.0


def run(random: Random, deadline: Deadline) -> Report:
    report = Report()
    has_git = shutil.which("git") is not None
    for case in deadline.cases():
        report.n_cases += 1
        faults = [*_hard(random), *_damaged(random)]
        if has_git and case % 4 == 0:
            report.outcomes["compared with git"] += 1
            faults += _compare(random)
        report.outcomes["hard and damaged"] += 1
        report.faults += [f"{case}: {fault}" for fault in faults]
    return report


def _compare(random: Random) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "tree"
        paths = sorted(
            {"/".join(random.choice(_NAMES) for _ in range(random.randint(1, 4))) for _ in range(25)}
        )
        files = [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]
        for path in files:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x")
        ignoring = {"": _ignore_file(random)}
        ignoring |= {
            path.rpartition("/")[0]: _ignore_file(random) for path in random.sample(files, min(2, len(files)))
        }
        for place, text in ignoring.items():
            (root / place / ".gitignore").write_text(text, encoding="utf-8")
        said = _git(root, files)
        rules = IgnoreRules(str(root), _read)
        ours = {path for path in files if rules.is_ignored(str(root / path))}
        if ours != said:
            yield f"{ignoring!r}: git {sorted(said - ours)}, here {sorted(ours - said)}"


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


def _ignore_file(random: Random) -> str:
    return "\n".join(_line(random) for _ in range(random.randint(1, 6))) + "\n"


def _line(random: Random) -> str:
    names = "/".join(random.choice(_PARTS) for _ in range(random.randint(1, 3)))
    return (
        random.choice(("", "", "", "!"))
        + random.choice(("", "", "/"))
        + names
        + random.choice(("", "", "/", "/**", " ", "\\ "))
    )


def _hard(random: Random) -> Iterator[str]:
    pattern = "".join(random.choice(_HARD) for _ in range(200))
    path = random.choice((["a" * 255], ["a"] * 100, ["a" * 60] * 20, ["ab" * 100, "b"]))
    began = time.process_time()
    read_lines(f"{pattern}b\n{pattern}/\n").verdict(path, is_folder=True)
    took = time.process_time() - began
    if took > _LIMIT_S:
        yield f"{took:.1f} s for {pattern!r}"


def _damaged(random: Random) -> Iterator[str]:
    """Indexes and ignore files of random bytes have an answer."""
    data = b"DIRC" + random.choice((2, 3, 4)).to_bytes(4, "big") + random.randbytes(random.randint(0, 400))
    try:
        read_tracked("/x", lambda _path: data)
        read_lines(random.randbytes(200).decode("latin-1")).verdict(["a", "b"], is_folder=False)
    except Exception as error:  # noqa: BLE001 - any is a fault
        yield f"{error!r} for {data!r}"


def _read(path: str) -> str | None:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.is_file() else None
