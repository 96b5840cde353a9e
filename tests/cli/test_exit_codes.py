"""Exit codes are those of docs/troubleshooting.md, and what the system refuses is a sentence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stardraftd.cli.edge import run
from stardraftd.paths import builtin_model_path, tilde

BROKEN = "[editor]\nmax_block_lines = 'many'\n"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir(mode=0o700)
    for name in ("config.toml", "state", "run", "models"):
        variable = {"config.toml": "CONFIG"}.get(name, f"{name.upper()}_DIR").replace("RUN_", "RUNTIME_")
        monkeypatch.setenv(f"STARDRAFT_{variable}", str(tmp_path / name))
    (tmp_path / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "typed",
    [
        "model use nosuch",
        "model use /nowhere/x.gguf",
        "model use .",
        "model info nosuch",
        "model remove nosuch",
        "model pull nosuch",
        "model pull starcoder2-3b --quant Q9",
        "daemon start --model nosuch",
        "daemon restart --model /nowhere/x.gguf",
        "daemon start --set foo.bar=1",
        "daemon start --set model.gpu_layer=1",
        "daemon start --set daemon.log_level=loud",
        "daemon start --set nonsense",
        "daemon start --set model.path=nowhere.gguf",
        "daemon start --gpu-layers many",
        "complete --model nosuch a.py:1",
        "complete --set foo.bar=1 a.py:1",
        "complete a.py:99",
        "complete nosuch.py:1",
        "setup nosuch",
        "bench nosuch",
        "nosuch",
        "status --nosuch",
        "stats --days some",
        "bench speed --model /nowhere/x.gguf",
        "eval holes . --model /nowhere/x.gguf",
        "eval history nosuch",
        "eval history . --source nobody",
        "eval history . --write-ratchet",
    ],
)
def test_what_was_typed_wrongly_is_2(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(typed.split()) == 2
    assert capsys.readouterr().err.startswith("stardraft: ")


@pytest.mark.parametrize(
    ("typed", "helpful"),
    [
        ("complete --model", "stardraft complete"),
        ("complete --json --max-tokens", "stardraft complete"),
        ("complete --nosuch a.py:1", "stardraft complete"),
        ("model pull x --quant", "stardraft model pull"),
        ("model info", "stardraft model info"),
        ("model use a b", "stardraft model use"),
        ("model nosuch", "stardraft model"),
        ("daemon start --set", "stardraft daemon start"),
        ("setup nvim --path", "stardraft setup nvim"),
        ("stats --since", "stardraft stats"),
        ("bench speed --model", "stardraft bench speed"),
        ("bench nosuch", "stardraft bench"),
        ("eval holes", "stardraft eval holes"),
        ("quant convert --nosuch", "stardraft quant convert"),
        ("lsp --log-file", "stardraft lsp"),
        ("--config", "stardraft"),
        ("nosuch", "stardraft"),
    ],
)
def test_what_was_typed_wrongly_points_to_the_nearest_help(
    typed: str, helpful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(typed.split()) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"  {helpful} --help says what there is."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize(
    "command", ["daemon stop", "status", "model use built-in", "daemon start", "complete a.py:1"]
)
def test_a_pipe_as_the_configuration_holds_nobody_up(
    command: str, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(places / "config.toml")
    code = run(command.split())
    said = capsys.readouterr()
    assert code == (0 if command == "daemon stop" else 3 if command == "status" else 1)
    assert ("it is a pipe, not a file" in said.err) == (command != "daemon stop")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_as_the_servers_log_holds_nobody_up(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(places / "log")
    assert run(["lsp", "--log-file", "log"]) == 2
    assert "--log-file" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["missing", "missing/too", ""])
@pytest.mark.parametrize(
    "command",
    ["", "status", "doctor", "model list", "stats", "daemon stop", "daemon logs", "lsp", "setup nvim"],
)
def test_a_configuration_that_was_named_and_is_missing_is_an_error_everywhere(
    file: str, command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / file) if file else "a.py/config"
    assert run(["--config", path, *command.split()]) == 2
    assert "There is no configuration file" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["bench", "eval", "quant", "model", "daemon", ""])
def test_a_group_of_commands_alone_is_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command.split()) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Usage: ")
    assert said.err == ""


@pytest.mark.parametrize("broken", [BROKEN, "[model\n", "[model]\npath = 5\n", "nonsense = 1\n"])
@pytest.mark.parametrize("command", ["model use built-in", "model use m.gguf", "model pull m.gguf --use"])
def test_with_a_broken_configuration_nothing_is_chosen(
    broken: str, command: str, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(builtin_model_path(), places / "m.gguf")
    (places / "config.toml").write_text(broken)
    assert run(command.split()) == 1
    assert (places / "config.toml").read_text() == broken
    said = capsys.readouterr()
    assert said.out == ""
    assert "config.toml" in said.err
    assert not list((places / "models").glob("*.gguf"))


@pytest.mark.parametrize("option", ["--model", "--set"])
@pytest.mark.parametrize("command", ["start", "restart"])
def test_a_model_that_cannot_be_used_starts_no_daemon(
    option: str, command: str, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = places / "bad.gguf"
    bad.write_bytes(builtin_model_path().read_bytes()[:100_000])
    value = str(bad) if option == "--model" else f"model.path={bad}"
    assert run(["daemon", command, option, value]) == 1
    said = capsys.readouterr()
    assert "bad.gguf" in said.err
    assert "running" not in said.out
    assert not list((places / "run").glob("*.sock"))


COMMAND = [sys.executable, "-P", "-m", "stardraftd"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("typed", ["status", "model list", "", "model plan", "stats", "--version", "bench"])
def test_output_that_cannot_be_written_is_a_sentence(typed: str) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        result = subprocess.run(
            [*COMMAND, *typed.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert result.stderr.startswith("stardraft: What was to be printed could not be written: No space left")
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.skipif(os.name != "posix", reason="a shell closes it")
def test_without_an_output_a_command_does_its_work() -> None:
    closed = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "model", "list"], capture_output=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the current folder cannot be removed")
@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("complete {}/a.py:1", 0, ""),
        ("complete a.py:1", 2, "There is no file a.py"),
        ("model use nosuch", 2, "no model nosuch"),
        ("model use x/y.gguf", 1, "The current folder does not exist any more"),
        ("model list", 0, ""),
        ("doctor", None, ""),
        ("status", 3, ""),
    ],
)
def test_in_a_folder_that_was_removed_there_is_an_answer_or_a_sentence(
    typed: str, code: int | None, said: str, home: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text("def add(a, b):\n    return a\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    result = subprocess.run(
        ["sh", "-c", script, "sh", str(gone), *COMMAND, *typed.format(tmp_path).split()],
        env=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "mistake in stardraft" not in result.stderr
    assert said in result.stderr
    if code is not None:
        assert result.returncode == code, result.stderr


@pytest.mark.parametrize("typed", ["--mode loud a.py:1", "--max-tokens 0 a.py:1", "--nonsense a.py:1", ""])
def test_a_program_is_told_as_an_event_what_is_wrong_with_what_was_typed(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["complete", "--json", *typed.split()]) == 2
    said = capsys.readouterr()
    event = json.loads(said.out)
    assert event["event"] == "error"
    assert event["code"] == "request"
    assert event["message"] in " ".join(said.err.split())


def test_status_tells_of_a_mistake_in_the_configuration_without_a_daemon(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (places / "config.toml").write_text(BROKEN)
    assert run(["status"]) == 3
    said = capsys.readouterr()
    assert "editor.max_block_lines" in " ".join(said.err.split())
    assert "not running" in said.out


TITLE = "Some Code 3b 1"  # as long as the built-in model's own


def put_model(places: Path, name: str) -> None:
    """A model of that name in the folder, with another title in its file."""
    (places / "models").mkdir(exist_ok=True)
    bytes_ = builtin_model_path().read_bytes()
    (places / "models" / f"{name}.gguf").write_bytes(bytes_.replace(b"stardraft-tiny", TITLE.encode()))


@pytest.mark.parametrize("command", ["model use", "model info", "bench speed --depths x --model"])
@pytest.mark.parametrize(
    "name", ["built-in", "stardraft-tiny", "stardraft-tiny-Q8_0", "stardraft-tiny-Q8_0.gguf", TITLE, "mine"]
)
def test_every_name_that_is_shown_for_a_model_is_taken_where_one_is_asked_for(
    name: str, command: str, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name in the folder, the title in the file (which editors show), and those of the built-in one."""
    put_model(places, "mine-Q8_0")
    code = run([*command.split(), name])
    said = " ".join(capsys.readouterr().err.split())
    # A wrong --depths is told after the model was found: nothing has to be measured for this.
    assert (code, said) == (0, "") or ("no model" not in said and "depths" in said), said


def test_a_title_that_two_models_have_is_not_guessed(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        put_model(places, name)
    assert run(["model", "use", TITLE]) == 2
    assert f"{TITLE} could be one or two" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["model info", "model pull", "model use", "bench speed --model", "daemon start --model"]
)
def test_the_hint_for_a_file_that_is_not_there_fits_the_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "/nope.gguf"]) == 2
    said = capsys.readouterr().err
    assert "/nope.gguf" in said
    assert "model.path" not in said


@pytest.mark.parametrize("name", ["built-in", "stardraft-tiny", "mine"])
def test_what_is_here_need_not_be_pulled(name: str, places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model(places, "mine-Q8_0")
    assert run(["model", "pull", name]) == 2
    said = capsys.readouterr().err
    assert f"{name} is here already" in said
    assert f"stardraft model use {name}" in said


def test_using_a_model_says_what_was_written(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(builtin_model_path(), places / "m.gguf")
    for name, is_written in (("built-in", False), ("m.gguf", True), ("m.gguf", False), ("built-in", True)):
        assert run(["model", "use", name]) == 0
        said = " ".join(capsys.readouterr().out.split())
        file = f"written into {tilde(places / 'config.toml')}"
        assert file in said if is_written else "nothing had to be written" in said
        assert (places / "config.toml").exists() == (is_written or name == "m.gguf")


def test_the_built_in_model_is_among_those_that_are_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "info", "nosuch"]) == 2
    assert "There is no model nosuch here. Here: built-in." in capsys.readouterr().err
