"""`stardraft daemon ...` and `stardraft status`: real processes, started, seen and stopped by hand."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from stardraftd.paths import builtin_model_path
from tests.cli.program import DEMO, TIMEOUT_S, running, stardraft
from tests.support.home import processes_of
from tests.support.processes import exit_status, is_gone
from tests.support.waiting import wait_until


def pid_of(home: dict[str, str]) -> int:
    return int(json.loads(stardraft(home, "status", "--json").stdout)["pid"])


def test_without_a_daemon_the_status_says_how_to_start_it(home: dict[str, str]) -> None:
    for command in (["status"], ["daemon", "status"]):
        result = stardraft(home, *command)
        assert result.returncode == 3
        assert "not running" in result.stdout
        assert "stardraft daemon start" in result.stdout
    assert processes_of(home) == []


def test_without_a_daemon_the_status_for_programs_is_one_word(home: dict[str, str]) -> None:
    result = stardraft(home, "status", "--json")
    assert (result.returncode, json.loads(result.stdout)) == (3, {"running": False})


def test_start_says_which_process_answers_where_and_a_second_time_says_the_same(home: dict[str, str]) -> None:
    first = stardraft(home, "daemon", "start")
    assert first.returncode == 0
    pid = pid_of(home)
    assert first.stdout.startswith(f"The daemon is running: pid {pid}, version ")
    assert home["STARDRAFT_RUNTIME_DIR"] in first.stdout or "http://127.0.0.1:" in first.stdout
    second = stardraft(home, "daemon", "start")
    assert second.returncode == 0
    assert second.stdout.startswith(f"The daemon is running already: pid {pid}, ")


@pytest.mark.parametrize("options", [[], ["--now"]])
def test_stop_returns_when_the_process_is_gone(home: dict[str, str], options: list[str]) -> None:
    stardraft(home, "daemon", "start")
    pid = pid_of(home)
    result = stardraft(home, "daemon", "stop", *options)
    assert (result.returncode, result.stdout) == (0, f"The daemon has stopped (pid {pid}).\n")
    assert is_gone(pid)
    assert stardraft(home, "status").returncode == 3


def test_stop_without_a_daemon_says_so(home: dict[str, str]) -> None:
    result = stardraft(home, "daemon", "stop")
    assert (result.returncode, result.stdout) == (0, "The daemon was not running.\n")


def test_restart_puts_a_new_process_with_new_settings_in_the_place_of_the_old(home: dict[str, str]) -> None:
    stardraft(home, "daemon", "start")
    old = pid_of(home)
    options = ("--model", "built-in", "--context-tokens", "768", "--set", "model.threads=1")
    result = stardraft(home, "daemon", "restart", *options)
    assert result.returncode == 0
    assert result.stdout.endswith(f", in the place of pid {old}\n")
    assert is_gone(old)
    stardraft(home, "complete", f"{DEMO}:10")
    model = json.loads(stardraft(home, "status", "--json").stdout)["model"]
    assert (model["context_tokens"], model["threads"]) == (768, 1)


def test_restart_without_a_daemon_starts_one(home: dict[str, str]) -> None:
    assert stardraft(home, "daemon", "restart").stdout.startswith("The daemon is running: pid ")


def test_a_wrong_setting_stops_no_daemon(home: dict[str, str]) -> None:
    stardraft(home, "daemon", "start")
    pid = pid_of(home)
    result = stardraft(home, "daemon", "restart", "--gpu-layers", "many")
    assert result.returncode == 2
    assert '"many"' in result.stderr
    assert pid_of(home) == pid


def test_a_wrong_configuration_file_is_told_with_its_line(
    home: dict[str, str],
) -> None:
    Path(home["STARDRAFT_CONFIG"]).write_text("[model]\ngpu_layers = 'many'\n")
    result = stardraft(home, "daemon", "start")
    assert result.returncode == 1
    assert "line 2" in result.stderr
    assert processes_of(home) == []


def test_with_a_wrong_configuration_a_daemon_that_runs_keeps_its_settings_and_nothing_else_starts(
    home: dict[str, str],
) -> None:
    file = Path(home["STARDRAFT_CONFIG"])
    file.write_text("[editor]\nmax_block_lines = 'many'\n")
    for command in (["complete", f"{DEMO}:5"], ["daemon", "start"], ["daemon", "restart"]):
        refused = stardraft(home, *command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "editor.max_block_lines" in " ".join(refused.stderr.split())
    assert processes_of(home) == []
    file.unlink()
    stardraft(home, "daemon", "start")
    pid = pid_of(home)
    file.write_text("[editor]\nmax_block_lines = 'many'\n")
    for command in (["complete", f"{DEMO}:5"], ["daemon", "start"]):
        done = stardraft(home, *command)
        assert done.returncode == 0, done.stderr
        assert "keeps the settings from before" in " ".join(done.stderr.split())
    assert stardraft(home, "daemon", "restart").returncode == 1
    assert pid_of(home) == pid


def test_the_table_tells_the_model_the_device_and_what_was_reused(shared_home: dict[str, str]) -> None:
    for _twice in range(2):
        stardraft(shared_home, "complete", f"{DEMO}:10")
    result = stardraft(shared_home, "status")
    assert result.returncode == 0
    rows = {line[:10].strip(): line[10:] for line in result.stdout.splitlines()}
    assert rows["daemon"].startswith(f"running: version 0.1.0, pid {pid_of(shared_home)}, for ")
    assert rows["model"].startswith("stardraft-tiny (a toy: the built-in model): 15 M parameters, 17.6 MB")
    assert "threads" in rows["device"]
    assert "completed" in rows["requests"]
    assert re.search(
        r"prompts [\d,]+ \([\d,]+ evaluated, [\d,]+ reused: \d+%\); .* from memory", rows["tokens"]
    )
    assert rows["last"].startswith("stardraft-tiny on ")


def test_the_log_is_shown_for_people_and_for_programs_also_when_no_daemon_runs(home: dict[str, str]) -> None:
    assert stardraft(home, "daemon", "logs").returncode == 1
    assert "There is no log yet" in stardraft(home, "daemon", "logs").stderr
    stardraft(home, "complete", f"{DEMO}:10")
    stardraft(home, "daemon", "stop")
    raw = stardraft(home, "daemon", "logs", "--json", "-n", "1000").stdout.splitlines()
    records = [json.loads(line) for line in raw]
    assert all({"time", "level", "event"} <= set(record) for record in records)
    readable = stardraft(home, "daemon", "logs", "-n", "1").stdout
    assert records[-1]["event"] in readable
    assert not readable.startswith("{")
    assert stardraft(home, "daemon", "logs", "-n", "0").stdout == ""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal that a test can send there")
def test_the_log_is_followed_until_ctrl_c(home: dict[str, str]) -> None:
    stardraft(home, "complete", f"{DEMO}:10")
    with running(home, "daemon", "logs", "-f", "-n", "1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"engine ready" in process.stdout.readline()
        stardraft(home, "daemon", "stop")
        assert any(b"engine ended" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        assert exit_status(process, TIMEOUT_S) == 130
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal that a test can send there")
def test_run_serves_in_the_foreground_until_ctrl_c(home: dict[str, str]) -> None:
    with running(home, "daemon", "run", "--context-tokens", "512") as process:
        wait_until(lambda: stardraft(home, "status").returncode == 0, what="the daemon answers")
        assert pid_of(home) == process.pid
        second = stardraft(home, "daemon", "run")
        assert second.returncode == 1
        assert "Another stardraft daemon is running" in second.stderr
        process.send_signal(signal.SIGINT)
        assert exit_status(process, TIMEOUT_S) == 0
    assert stardraft(home, "status").returncode == 3


def test_a_model_that_only_the_engine_refuses_is_told_and_leaves_no_daemon(
    home: dict[str, str], tmp_path: Path
) -> None:
    """Its header is in order; llama.cpp misses one of its tensors."""
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(
        builtin_model_path().read_bytes().replace(b"blk.0.attn_q.weight", b"blk.0.attn_x.weight", 1)
    )
    result = stardraft(home, "daemon", "start", "--model", str(bad))
    assert result.returncode == 1
    assert "bad" in result.stderr
    assert "The daemon was stopped again." in result.stderr
    assert "is running" not in result.stdout
    assert stardraft(home, "status").returncode == 3
