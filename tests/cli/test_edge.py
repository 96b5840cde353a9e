"""Errors: shown once, in a sentence, with the right exit code; and commands of other packages."""

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest
import typer

from stardraftd.cli import app, edge
from stardraftd.errors import EngineLoadError, RequestError


def working(name: str = "world") -> None:
    """Greet."""
    typer.echo(f"hello {name}")


def no_room() -> None:
    """Fail on purpose."""
    raise EngineLoadError("There is no room.", "Make some.\nOr leave.")


def wrong() -> None:
    """Be told something wrong."""
    raise RequestError("That is wrong.")


def mistaken() -> None:
    """Fail by mistake."""
    raise KeyError("oops")


def interrupted() -> None:
    """Be interrupted."""
    raise KeyboardInterrupt


NOT_A_COMMAND = 7


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Announces an object of this module, or one that is not there, as the command `extra`."""

    def set_to(name: str) -> None:
        entry = EntryPoint("extra", f"{__name__}:{name}", app.GROUP)
        monkeypatch.setattr(app, "_announced", lambda: {"extra": entry})

    return set_to


def test_a_command_of_another_package_is_listed_and_runs(
    announce: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    announce("working")
    assert edge.run(["--help"]) == 0
    assert re.search(r"^ +extra +Greet\.$", capsys.readouterr().out, re.MULTILINE)
    assert edge.run(["extra", "--name", "you"]) == 0
    assert capsys.readouterr().out == "hello you\n"


@pytest.mark.parametrize(
    ("name", "reason"), [("absent", "AttributeError"), ("NOT_A_COMMAND", "is not a command")]
)
def test_a_broken_command_of_another_package_is_a_sentence(
    announce: Callable[[str], None], capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    announce(name)
    assert edge.run(["--help"]) == 0
    assert "cannot be loaded" in capsys.readouterr().out
    assert edge.run(["extra"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("stardraft: The command extra of the package ")
    assert reason in said
    assert "Traceback" not in said


def test_an_error_is_a_sentence_with_what_to_do_below_it(
    announce: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    announce("no_room")
    assert edge.run(["extra"]) == 1
    assert capsys.readouterr().err == "stardraft: There is no room.\n  Make some.\n  Or leave.\n"


def test_wrong_input_has_an_exit_code_of_its_own(
    announce: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    announce("wrong")
    assert edge.run(["extra"]) == 2
    assert capsys.readouterr().err == "stardraft: That is wrong.\n"


def test_a_mistake_of_ours_says_so_and_how_to_report_it(
    announce: Callable[[str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("mistaken")
    monkeypatch.delenv("STARDRAFT_DEBUG", raising=False)
    assert edge.run(["extra"]) == 1
    said = capsys.readouterr().err
    assert "something went wrong that should not have: KeyError: 'oops'." in said
    assert "STARDRAFT_DEBUG=1 stardraft" in said
    assert "Traceback" not in said


def test_the_traceback_is_shown_when_it_is_asked_for(
    announce: Callable[[str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("mistaken")
    monkeypatch.setenv("STARDRAFT_DEBUG", "1")
    assert edge.run(["extra"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_says_nothing(announce: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    announce("interrupted")
    assert edge.run(["extra"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["complet"], "No such command 'complet'. Did you mean 'complete'?"),
        (["complete"], "Missing argument 'FILE:LINE:COL'."),
        (["complete", "--nonsense", "x:1"], "No such option: --nonsense"),
        (
            ["daemon", "start", "--config", "x"],
            "No such option: --config.\n  It belongs right after `stardraft`",
        ),
        (["complete", "--max-tokens", "0", "x:1"], "Invalid value for '--max-tokens'"),
        (["complete", "--max-tokens", "few", "x:1"], "Invalid value for '--max-tokens'"),
        (["complete", "--mode", "page", "x:1"], "Invalid value for '--mode'"),
        (["complete", "--top-p", "0", "x:1"], "--top-p is 0; it must be above 0 and at most 1."),
        (["daemon", "sotp"], "No such command 'sotp'"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_the_way_to_the_help(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert edge.run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"stardraft: {sentence}")
    assert len(said.splitlines()) <= 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model", "plan", "--kv", "x"], "'--kv': 'x' is not one of 'f16', 'q8_0'."),
        (["complete", "--temperature", "hot", "a.py:1"], "'--temperature': it must be a valid number."),
        (["complete", "--max-tokens", "many", "a.py:1"], "'--max-tokens': it must be a valid integer."),
        (["complete", "--max-tokens", "9999", "a.py:1"], "'--max-tokens'"),
        (["bench", "speed", "--runs", "x"], "'--runs': it must be a valid integer."),
        (["model", "list", "--nope"], "No such option: --nope"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_a_wrong_value_is_told_in_our_words(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge.run(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert not re.search(r"Value error|Input should|pydantic|b'", told)
