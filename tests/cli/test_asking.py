"""Every command that asks does it in one way: what no means, and what it means that nobody can be asked."""

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stardraft_lsp.stats.store import Silence, Store
from stardraftd.cli.edge import run
from stardraftd.console.asking import confirm
from stardraftd.paths import builtin_model_path

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="terminals")

END_OF_INPUT = "\x04"

# What is typed, and the option that would have answered.
ASKING = [
    ("setup helix", "--yes"),
    ("setup nvim", "--yes"),
    ("setup nvim --plugin", "--yes"),
    ("uninstall", "--yes"),
    ("uninstall --purge", "--yes"),
    ("model remove mine", "--yes"),
    ("model pull starcoder2-3b", "--accept-license"),
    ("stats --forget", "--yes"),
]


@pytest.fixture
def kept(person: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a model and figures; the folder that all they have is in."""
    for name, value in person.items():
        monkeypatch.setenv(name, value)
    models, state = Path(person["STARDRAFT_MODELS_DIR"]), Path(person["STARDRAFT_STATE_DIR"])
    for folder in (models, state, Path(person["HOME"])):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(builtin_model_path(), models / "mine.gguf")
    Store(state / "stats.sqlite", "Helix").write(
        [Silence(day=time.strftime("%Y-%m-%d"), language="", reason="disabled")]
    )
    return Path(person["STARDRAFT_STATE_DIR"]).parent


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if not path.is_dir() and path.suffix != ".lock"}


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> Iterator[None]:
    """A terminal as stdin, at which `typed` was typed."""
    import pty

    ours, theirs = pty.openpty()
    with open(theirs) as stdin:  # noqa: PTH123 - a descriptor
        os.write(ours, typed.encode())
        monkeypatch.setattr(sys, "stdin", stdin)
        yield
    os.close(ours)


@unix_only
def test_a_question_and_its_answer_are_not_broken_by_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "Write 21 files into ~/.local/share/nvim/site?"
    for columns in range(len("~/.local/share/nvim/site?: y"), len(question) + 12):
        monkeypatch.setenv("COLUMNS", str(columns))
        with terminal(monkeypatch, "y\n"):
            confirm(question)
        asked = capsys.readouterr().err
        assert " ".join(asked.split()) == f"{question} [y/N]:"
        assert max(map(len, f"{asked}y".splitlines())) <= columns


@pytest.mark.parametrize(("typed", "option"), ASKING)
def test_where_nobody_can_be_asked_it_is_2_and_the_option_is_named(
    typed: str, option: str, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(kept)
    with open(os.devnull) as nobody:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nobody)
        assert run(typed.split()) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "Nothing was" in told
    assert f"this is not a terminal, so nobody can be asked. To have it done: {option}" in told
    assert everything(kept) == before


@unix_only
@pytest.mark.parametrize(("reply", "code"), [("n\n", 1), ("\n", 1), (END_OF_INPUT, 130)])
@pytest.mark.parametrize("typed", [typed for typed, _option in ASKING])
def test_who_does_not_agree_is_told_that_nothing_was_done(
    typed: str,
    reply: str,
    code: int,
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = everything(kept)
    with terminal(monkeypatch, reply):
        assert run(typed.split()) == code
    assert re.search(r"Nothing was (changed|removed|deleted|fetched)\.\Z", capsys.readouterr().err.strip())
    assert everything(kept) == before


def test_a_program_that_has_not_accepted_a_license_is_told_how(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["model", "pull", "starcoder2-3b", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--accept-license" in said.err
