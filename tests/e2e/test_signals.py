"""What a shell or a supervisor did to the signals of whoever starts a daemon does not reach the daemon."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, DEMO
from tests.support.home import command_of, processes_of
from tests.support.processes import is_gone, run_to_end
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")

NAMES = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGCHLD")


def _as_a_strange_parent_starts_its_children() -> None:
    for name in NAMES:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})


def signals_of(pid: int, row: str) -> set[str]:
    """SigIgn or SigBlk of a process (proc(5)), those of NAMES and SIGUSR1 that are in it."""
    (line,) = [it for it in Path(f"/proc/{pid}/status").read_text().splitlines() if it.startswith(f"{row}:")]
    mask = int(line.split()[1], 16)
    return {name for name in (*NAMES, "SIGUSR1") if mask >> (getattr(signal, name) - 1) & 1}


def test_a_daemon_and_an_engine_begin_with_plain_signals_whoever_started_them(home: dict[str, str]) -> None:
    command = [*COMMAND, "complete", f"{DEMO}:54:15"]
    run_to_end(command, env=home, preexec_fn=_as_a_strange_parent_starts_its_children, check=True, idle_s=90)
    running = {command[3]: process.pid for process in processes_of(home) if (command := command_of(process))}
    assert set(running) == {"stardraftd.serving.process", "stardraftd.engine"}
    for module, pid in running.items():
        assert not signals_of(pid, "SigIgn"), module
        assert not signals_of(pid, "SigBlk"), module
    os.kill(running["stardraftd.serving.process"], signal.SIGTERM)
    for pid in running.values():
        wait_until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]


def test_a_daemon_in_the_foreground_outlives_its_terminal_if_that_was_wanted(home: dict[str, str]) -> None:
    """`nohup stardraft daemon run`"""
    with subprocess.Popen(
        ["nohup", *COMMAND, "daemon", "run"], env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as daemon:
        try:
            wait_until(Path(home["STARDRAFT_RUNTIME_DIR"], "stardraft-1.sock").exists)
            daemon.send_signal(signal.SIGHUP)
            status = run_to_end([*COMMAND, "status"], env=home, idle_s=90)
            assert status.returncode == 0, status.stdout
            assert daemon.poll() is None
        finally:
            daemon.terminate()
