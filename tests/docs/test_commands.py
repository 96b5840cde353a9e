"""Every command that a document tells a user to type is typed here, or checked as far as it can be.

commands.toml says which are run, and of each other one why not: that is the list of promises that other tests
have to keep.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stardraftd.paths import builtin_model_path
from tests.docs import parsing
from tests.docs.documents import ROOT, documents, spans
from tests.docs.typed import Line, lines
from tests.support.home import isolated_home
from tests.support.processes import run_to_end

HERE = Path(__file__).parent
DATA: dict[str, Any] = tomllib.loads((HERE / "commands.toml").read_text(encoding="utf-8"))
TIMEOUT_S = 90


@dataclass(frozen=True)
class Rule:
    """command: how it begins, in whole words. option: only with it. reason: why it is not run; "" when it is.

    exit: the statuses that are as they should be. answer: an option in place of the user who is asked.
    in_sentences: whether it is run where it stands in a sentence, too.
    """

    command: str
    reason: str = ""
    option: str = ""
    exit: tuple[int, ...] = (0,)
    answer: str = ""
    in_sentences: bool = True

    def holds_for(self, words: tuple[str, ...]) -> bool:
        begins = self.command.split()
        return list(words[: len(begins)]) == begins and (not self.option or self.option in words)

    @property
    def weight(self) -> tuple[bool, int]:
        """Of several rules that hold, the one that says most decides."""
        return bool(self.option), len(self.command.split())


RULES = [
    *(Rule(**{**one, "exit": tuple(one.get("exit", [0]))}) for one in DATA["run"]),
    *(Rule(**one) for one in DATA["not_run"]),
]
LINES = list(lines(DATA["shown"]))


def rule(words: tuple[str, ...]) -> Rule | None:
    return max((one for one in RULES if one.holds_for(words)), key=lambda one: one.weight, default=None)


def is_run(line: Line) -> bool:
    """Whether all commands of a line are run. One in a sentence need not be complete."""
    found = [rule(words) for words in line.commands()]
    if not found or any(one is None or one.reason for one in found):
        return False
    if line.is_block:
        return True
    is_whole = line.is_whole and all(parsing.is_complete(words) for words in line.commands())
    return is_whole and all(one is not None and one.in_sentences for one in found)


# Each once, in the order of the documents.
TYPED: dict[str, Line] = {}
for line in filter(is_run, LINES):
    TYPED.setdefault(line.text, line)


def test_there_are_commands_in_the_documents() -> None:
    assert len(LINES) > 100
    assert len(TYPED) > 20


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.place} {line.text}"[:90])
def test_a_command_in_a_document_exists_with_all_its_options(line: Line) -> None:
    for words in line.commands():
        wrong = parsing.mistake(words)
        assert not wrong, f"{line.place}: {' '.join(words)}: {wrong}"


@pytest.mark.parametrize("line", [line for line in LINES if line.is_block], ids=lambda line: str(line.place))
def test_a_command_in_a_block_is_run_or_has_its_reason_not_to_be(line: Line) -> None:
    for words in line.commands():
        assert rule(words), f"{line.place}: `{' '.join(words)}` is in no rule of tests/docs/commands.toml"


USED = {rule(words) for line in LINES for words in line.commands()}


@pytest.mark.parametrize("one", RULES, ids=lambda one: f"{one.command} {one.option}".strip())
def test_each_rule_is_about_a_command_that_is_there(one: Rule) -> None:
    assert one in USED, f"no document has `{one.command}` any more: take the rule away"


def test_an_option_in_a_sentence_exists() -> None:
    others = set(DATA["options_of_others"])
    named = {span.text.split()[0].split("=")[0]: span for span in spans() if span.text.startswith("--")}
    unknown = {
        name: str(span.place) for name, span in named.items() if name not in parsing.options() | others
    }
    assert not unknown
    assert others <= set(named), "an option that no document names"


@pytest.mark.parametrize("option", ["--version", "--help", "--install-completion", "--show-completion"])
def test_the_check_lets_no_option_act(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not parsing.mistake(("stardraft", option))
    assert capsys.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_word_that_only_looks_like_a_command_stands_in_a_document() -> None:
    assert set(DATA["shown"]) <= {span.text for span in spans()}


def test_a_command_of_neovim_s_plugin_exists() -> None:
    plugin = (ROOT / "packaging/neovim/lua/stardraft/commands.lua").read_text(encoding="utf-8")
    named = {span.text.split()[1]: span.place for span in spans() if span.text.startswith(":Stardraft ")}
    assert named
    assert not {
        word: str(place) for word, place in named.items() if not re.search(rf"\b{word}\b.* = ", plugin)
    }


def test_a_command_of_the_extension_has_that_title() -> None:
    manifest = json.loads((ROOT / "packaging/vscode/package.json").read_text(encoding="utf-8"))
    titles = {command["title"] for command in manifest["contributes"]["commands"]}
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents())
    named = {" ".join(title.split()) for title in re.findall(r"\*stardraft: ([^*]+)\*", text)}
    assert named
    assert named <= titles


@pytest.fixture(scope="module")
def person() -> Iterator[tuple[dict[str, str], Path]]:
    """A new person's environment and their project, with a model under each name that documents use."""
    with isolated_home() as environment:
        folder = Path(environment["STARDRAFT_STATE_DIR"]).parent
        project = folder / "home" / "project"
        shutil.copytree(HERE / "playground", project)
        runtime = folder / "runtime"
        runtime.mkdir()
        (runtime / "stardraft").symlink_to(environment["STARDRAFT_RUNTIME_DIR"])
        for name in DATA["models"]:
            path = Path(name.replace("~", str(project.parent)))
            path = path if path.is_absolute() else Path(environment["STARDRAFT_MODELS_DIR"]) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(builtin_model_path(), path)
        own = {"HOME": str(project.parent), "XDG_RUNTIME_DIR": str(runtime), "TERM": "dumb"}
        subprocess.run(
            ["stardraft", "daemon", "start"], env=environment | own, check=True, capture_output=True
        )
        yield environment | own, project


@pytest.mark.skipif(os.name == "nt", reason="the documents' commands are a Unix shell's")
@pytest.mark.parametrize("text", TYPED)
def test_a_command_does_what_it_should(person: tuple[dict[str, str], Path], text: str) -> None:
    environment, project = person
    last = rule(TYPED[text].commands()[-1])
    assert last is not None
    command = ["bash", "-o", "pipefail", "-c", f"{text} {last.answer}"]
    done = run_to_end(command, env=environment, cwd=project, idle_s=TIMEOUT_S)
    assert done.returncode in last.exit, f"{TYPED[text].place}: {done.stdout.decode()}{done.stderr.decode()}"
