"""`stardraft complete` as a user and a program see it: the real daemon, the built-in model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stardraftd.cli.output.wording import toy_sentence
from tests.cli.program import COMMAND, DEMO, TIMEOUT_S, running, stardraft
from tests.support.processes import exit_status
from tests.support.waiting import wait_until

# A place where the built-in model has something to say.
PLACE = f"{DEMO}:10"


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def status(home: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stardraft(home, "status", "--json").stdout)
    return found


def test_in_a_pipe_stdout_is_the_suggestion_and_stderr_has_the_figures(
    shared_home: dict[str, str],
) -> None:
    streamed = events(stardraft(shared_home, "complete", "--json", PLACE).stdout)
    result = stardraft(shared_home, "complete", PLACE)
    assert result.returncode == 0
    suggestion = streamed[-1]["text"]
    assert suggestion.strip()
    assert result.stdout == suggestion + "\n"
    figures, *_toy = result.stderr.splitlines()  # the second is for the first call of a day
    assert figures.startswith("stardraft-tiny on ")
    assert "evaluated" in figures
    assert "reused" in figures
    assert "first token after" in figures


def test_that_the_model_is_a_toy_is_said_in_one_line_once_a_day(shared_home: dict[str, str]) -> None:
    said = Path(shared_home["STARDRAFT_STATE_DIR"]) / "said-toy"
    said.unlink(missing_ok=True)
    first, second = (stardraft(shared_home, "complete", PLACE).stderr.splitlines()[1:] for _ in range(2))
    assert first == [toy_sentence()]
    assert second == []
    assert "stardraft model pull starcoder2-3b" in stardraft(shared_home, "status").stdout


def test_for_programs_the_stream_is_ndjson(shared_home: dict[str, str]) -> None:
    result = stardraft(shared_home, "complete", "--json", PLACE)
    streamed = events(result.stdout)
    assert [event["event"] for event in streamed if event["event"] in ("plan", "done")] == ["plan", "done"]
    assert streamed[-1]["event"] == "done"
    pieces = "".join(event["text"] for event in streamed if event["event"] == "text")
    assert pieces == streamed[-1]["text"]
    assert result.stderr == ""


def test_a_second_completion_in_the_same_place_needs_no_model(shared_home: dict[str, str]) -> None:
    stardraft(shared_home, "complete", PLACE)
    plan = next(
        event
        for event in events(stardraft(shared_home, "complete", "--json", PLACE).stdout)
        if event["event"] == "plan"
    )
    assert plan["kind"] == "recalled"
    assert plan["n_evaluated"] == 0


def test_the_options_reach_the_model(shared_home: dict[str, str]) -> None:
    options = ("--max-tokens", "3", "--mode", "free", "--layout", "psm", "--temperature", "0")
    streamed = events(stardraft(shared_home, "complete", "--json", *options, PLACE).stdout)
    assert streamed[-1]["figures"]["n_generated"] <= 3
    assert streamed[-1]["figures"]["layout"] == "psm"


def test_equal_seeds_give_equal_suggestions_and_others_other_ones(shared_home: dict[str, str]) -> None:
    def sampled(seed: int) -> str:
        options = ("--temperature", "1.5", "--mode", "free", "--max-tokens", "24", "--seed", str(seed))
        return stardraft(shared_home, "complete", *options, PLACE).stdout

    sampled(1)  # a cold prompt is evaluated in other batches, and rounds a little differently
    first = sampled(1)
    assert sampled(1) == first
    assert any(sampled(seed) != first for seed in (2, 3, 4))


def test_path_repository_and_other_files_are_part_of_the_prompt(
    shared_home: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other.py"
    other.write_text("class Reader:\n    name: str\n" * 10)

    def n_prompt(*options: str) -> int:
        plan = events(stardraft(shared_home, "complete", "--json", *options, PLACE).stdout)
        return next(int(event["n_prompt"]) for event in plan if event["event"] == "plan")

    bare = n_prompt("--path", "", "--repository", "")
    with_path = n_prompt("--path", "library/shelf.py", "--repository", "")
    with_both = n_prompt("--path", "library/shelf.py", "--repository", "lending")
    assert bare < with_path < with_both
    assert n_prompt("--context", str(other)) > with_both + 50


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x = 1\n" * 200, "tokens of them were shown, from the last ones named."),
        ("x = [" + "1, " * 400 + "]\n", "Nothing of them was shown: not even a path and one line"),
    ],
)
def test_how_much_of_other_files_was_shown_and_why_not_all_is_told(
    shared_home: dict[str, str], tmp_path: Path, text: str, shown: str
) -> None:
    other = tmp_path / "other.py"
    other.write_text(text)
    said = " ".join(stardraft(shared_home, "complete", "--context", str(other), PLACE).stderr.split())
    assert "do not fit: the prompt of this model has room for 96 tokens of them." in said
    assert shown in said


def test_stdin_is_completed_like_a_file(shared_home: dict[str, str]) -> None:
    from_file = stardraft(shared_home, "complete", "--path", "shelf.py", "--repository", "", PLACE)
    piped = DEMO.read_bytes().replace(b"\n", b"\r\n")
    from_stdin = stardraft(shared_home, "complete", "--path", "shelf.py", "-:10", stdin=piped)
    assert from_stdin.returncode == 0
    assert from_stdin.stdout == from_file.stdout


def test_a_location_after_two_dashes_is_a_location_too(shared_home: dict[str, str]) -> None:
    assert stardraft(shared_home, "complete", "--", "-:1", stdin=b"x = ").returncode == 0


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere.py:1:1", "There is no file nowhere.py."),
        (f"{DEMO}:10000", "there is no line 10000."),
        (f"{DEMO}:1:10000", "there is no column 10000."),
        (str(DEMO), "The line is missing."),
    ],
)
def test_a_wrong_place_is_told_and_starts_no_daemon(home: dict[str, str], place: str, sentence: str) -> None:
    result = stardraft(home, "complete", place)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("stardraft: ")
    assert sentence in result.stderr
    assert stardraft(home, "status").returncode == 3


@pytest.mark.parametrize("name", [".env", "link.py"])
def test_a_secret_is_not_completed_and_starts_no_daemon(
    home: dict[str, str], tmp_path: Path, name: str
) -> None:
    _plant_secrets(tmp_path)
    result = stardraft(home, "complete", f"{tmp_path / name}:1")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "is not completed" in result.stderr
    assert "count as secrets" in result.stderr
    assert stardraft(home, "status").returncode == 3


@pytest.mark.parametrize("name", ["link.py", "settings.py"])
def test_a_secret_is_not_shown_as_another_file(home: dict[str, str], tmp_path: Path, name: str) -> None:
    _plant_secrets(tmp_path)
    result = stardraft(home, "complete", "--context", str(tmp_path / name), PLACE)
    assert result.returncode == 2
    assert "is not shown to the model" in result.stderr
    assert stardraft(home, "status").returncode == 3


def _plant_secrets(folder: Path) -> None:
    (folder / ".env").write_text("A=1\n")
    (folder / "settings.py").write_text('PASSWORD = "pa$$w0rd"\n')
    (folder / "link.py").symlink_to(folder / ".env")


def test_a_model_that_cannot_be_loaded_is_told_once(home: dict[str, str], tmp_path: Path) -> None:
    model = tmp_path / "text.gguf"
    model.write_text("this is no model\n" * 100)
    result = stardraft(home, "complete", "--model", str(model), PLACE)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("stardraft: ") == 1
    assert "text.gguf" in result.stderr


def test_for_programs_a_failure_is_the_last_event(home: dict[str, str], tmp_path: Path) -> None:
    model = tmp_path / "text.gguf"
    model.write_text("this is no model\n" * 100)
    result = stardraft(home, "complete", "--json", "--model", str(model), PLACE)
    assert result.returncode == 2
    failures = [event for event in events(result.stdout) if event["event"] == "error"]
    assert failures == [events(result.stdout)[-1]]
    assert failures[0]["code"] == "model_format"


def test_a_daemon_that_has_other_settings_is_warned_of_with_the_command_to_change_it(
    home: dict[str, str],
) -> None:
    assert stardraft(home, "complete", "--context-tokens", "1024", PLACE).stderr.count("warning") == 0
    assert status(home)["model"]["context_tokens"] == 1024
    result = stardraft(home, "complete", "--context-tokens", "2048", PLACE)
    assert result.returncode == 0
    assert "its context is 1,024 tokens" in result.stderr
    assert "stardraft daemon restart --context-tokens 2048" in result.stderr
    assert result.stderr.count("warning") == 1


def test_the_configuration_can_be_another_file(home: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[model]\ncontext_tokens = 512\n")
    stardraft(home, "--config", str(file), "complete", PLACE)
    found = status(home)
    assert found["config_path"] == str(file)
    assert found["model"]["context_tokens"] == 512


def test_a_reader_that_leaves_ends_it_quietly(shared_home: dict[str, str]) -> None:
    with running(shared_home, "complete", "--json", PLACE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert exit_status(process, TIMEOUT_S) == 1
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal that a test can send there")
def test_ctrl_c_cancels_the_completion_in_the_engine(home: dict[str, str]) -> None:
    endless = ("--mode", "free", "--max-tokens", "4096", "--temperature", "5", "--top-k", "0", "--top-p", "1")
    with running(home, "complete", "--json", *endless, PLACE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while b'"event":"text"' not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGINT)
        assert exit_status(process, TIMEOUT_S) == 130
        assert process.stderr.read() == b""
    wait_until(lambda: status(home)["cancelled"] == 1, what="the daemon counts the cancelled completion")
    assert status(home)["n_running"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_on_a_terminal_the_suggestion_stands_between_the_lines_of_the_file(
    shared_home: dict[str, str],
) -> None:
    suggestion = events(stardraft(shared_home, "complete", "--json", PLACE).stdout)[-1]["text"]
    lines = DEMO.read_text(encoding="utf-8").splitlines()
    shown = on_a_terminal({**shared_home, "TERM": "xterm-256color"}, "complete", PLACE)
    plain = on_a_terminal({**shared_home, "TERM": "xterm-256color", "NO_COLOR": "1"}, "complete", PLACE)
    assert lines[8] + "\n" + lines[9] in shown
    assert "\x1b[2m" in shown, "the file is dimmed"
    assert "36m" in shown, "the suggestion is cyan"
    assert "36m" not in plain, "NO_COLOR is respected"
    text = without_styles(plain)
    assert f"{lines[9]}{suggestion}\n{lines[10]}\n{lines[11]}" in text
    assert "stardraft-tiny on " in text


def on_a_terminal(home: dict[str, str], *arguments: str) -> str:
    """What a terminal of 200 columns gets to see, with LF line ends."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *arguments], env=home, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while piece := _read(ours):
            seen += piece
        assert exit_status(process, TIMEOUT_S) == 0, seen
    os.close(ours)
    return seen.decode("utf-8").replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the last program on the terminal has left
        return b""


def without_styles(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
