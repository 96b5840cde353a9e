"""The shells complete stardraft's commands with the files that packages install."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import run_to_end

PACKAGING = Path(__file__).parents[2] / "packaging"
FOLDER = PACKAGING / "completions"

BASH = """
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$(($# - 2))
_stardraft_completion stardraft
printf '%s\\n' "${COMPREPLY[@]}"
"""


def answer(home: dict[str, str], *command: str | Path) -> list[str]:
    result = run_to_end(command, env=home, text=True, idle_s=60, check=True)
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_the_files_are_as_the_program_gives_them() -> None:
    checked = subprocess.run(
        [sys.executable, "-B", PACKAGING / "completions.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["mo"], ["model"]),
        (["st"], ["status", "stats"]),
        (["model", "pl"], ["plan"]),
        (["complete", "--max"], ["--max-tokens"]),
        (["complete", "--mode", ""], ["line", "block", "free"]),
        (["model", "use", ""], ["built-in", "mine-Q8_0"]),
        (["model", "remove", "m"], ["mine-Q8_0"]),
        (["model", "pull", "starcoder2-1"], ["starcoder2-15b"]),
        (["daemon", "start", "--model", "b"], ["built-in"]),
        (["daemon", "start", "--set", "model.thr"], ["model.threads="]),
    ],
)
def test_bash_completes(home: dict[str, str], words: list[str], completed: list[str]) -> None:
    models = Path(home["STARDRAFT_MODELS_DIR"])
    models.mkdir()
    for name in ("mine-Q8_0.gguf", ".unfinished.gguf", "notes.txt"):
        (models / name).touch()
    asked = ["bash", "--norc", "-c", BASH, "bash", FOLDER / "stardraft.bash", "stardraft", *words]
    assert answer(home, *asked) == completed


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("mo", ["model"]),
        ("model pl", ["plan"]),
        ("complete --max", ["--max-tokens"]),
        ("model use b", ["built-in"]),
        ("daemon start --set model.thr", ["model.threads="]),
    ],
)
def test_fish_completes(home: dict[str, str], typed: str, completed: list[str]) -> None:
    asked = answer(
        home,
        "fish",
        "--no-config",
        "-c",
        f"source {FOLDER / 'stardraft.fish'}; complete -C 'stardraft {typed}'",
    )
    assert [line.split("\t")[0] for line in asked] == completed


# A zsh in a terminal, as a user has it: at the first Tab the file is found in $fpath and read.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; print rea''dy"
zpty -r -m shell seen '*ready*'
zpty -w -n shell $2$'\t'
zpty -r -m shell seen "*$3*"
zpty -d shell
print -r -- $3
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("stardraft mo", "model "),
        ("stardraft model pl", "plan "),
        ("stardraft complete --max", "--max-tokens "),
        ("stardraft model use b", "built-in "),
    ],
)
def test_zsh_completes(home: dict[str, str], typed: str, completed: str) -> None:
    word = typed.rsplit(maxsplit=1)[-1]
    rest = completed.removeprefix(word)  # what Tab writes behind what was typed
    assert answer(home | {"TERM": "dumb"}, "zsh", "-f", "-c", ZSH, "zsh", FOLDER, typed, rest) == [rest]


def test_powershell_keeps_its_own_keys() -> None:
    assert "PSReadLine" not in (FOLDER / "stardraft.ps1").read_text(encoding="utf-8")
