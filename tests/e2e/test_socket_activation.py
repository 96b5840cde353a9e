"""The daemon under a service manager: systemd's own starter of sockets, and one that starts it again."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stardraftd import __version__
from stardraftd.client import DaemonClient
from stardraftd.errors import ConfigError
from stardraftd.logs.handler import MAX_BYTES
from stardraftd.protocol.completion import Done, Text
from stardraftd.transport.endpoint import is_served
from tests.cli.program import stardraft
from tests.e2e.conftest import request
from tests.support.home import write_config
from tests.support.processes import exit_status, is_gone, run_to_end
from tests.support.service_manager import ServiceManager, managing
from tests.support.streams import done, run_until
from tests.support.waiting import seconds, wait_until, wait_until_async

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it uses Unix sockets and signals")

SYSTEMDS_OWN = shutil.which("systemd-socket-activate")
DAEMON = [sys.executable, "-P", "-m", "stardraftd", "daemon", "run"]
OLD_DAEMON = """
import stardraftd, stardraftd.serving.service as service
stardraftd.__version__ = service.__version__ = "0.0.1"
from stardraftd.serving.process import run
raise SystemExit(run())
"""


def socket_of(home: dict[str, str]) -> Path:
    return Path(home["STARDRAFT_RUNTIME_DIR"]) / "stardraft-1.sock"


@pytest.fixture
def manager(in_home: dict[str, str]) -> Iterator[ServiceManager]:
    with managing(socket_of(in_home), DAEMON, in_home) as manager:
        yield manager


@pytest.mark.skipif(SYSTEMDS_OWN is None, reason="systemd-socket-activate is not installed")
async def test_systemd_starts_the_daemon_with_its_socket_when_a_front_end_connects(
    in_home: dict[str, str],
) -> None:
    path = socket_of(in_home)
    path.parent.mkdir(mode=0o700)
    carried = [f"--setenv={name}" for name in in_home if name.startswith("STARDRAFT_")]
    command = [str(SYSTEMDS_OWN), f"--listen={path}", *carried, "--setenv=GOMP_SPINCOUNT", *DAEMON]
    with subprocess.Popen(command, env=in_home, stderr=subprocess.DEVNULL) as systemd:
        await wait_until_async(path.exists)
        before = path.stat()
        async with DaemonClient("test") as client:
            assert (await done(client, request())).text
            status = await client.status()
            assert status.pid == systemd.pid, "the daemon is not what systemd started"
            assert status.endpoint == str(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert status.engine_pid is not None
            await client.stop()
        assert await asyncio.to_thread(exit_status, systemd) == 0
    assert path.stat().st_ino == before.st_ino, "the socket is systemd's, and was taken away or made again"
    assert is_gone(status.engine_pid)


async def test_the_engine_inherits_neither_the_socket_nor_what_the_manager_said(
    in_home: dict[str, str],
) -> None:
    notes = Path(in_home["STARDRAFT_RUNTIME_DIR"]).parent / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(notes))
        told.settimeout(seconds(20))
        with managing(socket_of(in_home), DAEMON, in_home | {"NOTIFY_SOCKET": str(notes)}):
            async with DaemonClient("test") as client:
                assert (await done(client, request())).text
                status = await client.status()
                assert status.engine_pid is not None
                engine = psutil.Process(status.engine_pid)
                assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"} & set(
                    engine.environ()
                )
                if sys.platform == "linux":
                    open_files = Path(f"/proc/{engine.pid}/fd")
                    streams = {(open_files / name).readlink() for name in "012"}
                    others = {file.readlink() for file in open_files.iterdir()} - streams
                    assert not [file for file in others if file.name.startswith("socket:")]
                await client.stop(drain=False)
            assert told.recv(4096).startswith(b"READY=1\n")
            assert told.recv(4096).startswith(b"STOPPING=1\n")


async def test_after_stop_the_socket_stays_and_the_next_front_end_starts_the_daemon_again(
    manager: ServiceManager, in_home: dict[str, str]
) -> None:
    async with DaemonClient("test") as client:
        text = (await done(client, request())).text
        first = await client.status()
    stopped = await asyncio.to_thread(stardraft, in_home, "daemon", "stop")
    assert stopped.returncode == 0
    assert f"pid {first.pid}" in stopped.stdout
    assert "the next editor starts it again" in stopped.stdout
    assert "stardraft setup service --undo" in stopped.stdout
    assert first.engine_pid is not None
    assert is_gone(first.pid)
    assert is_gone(first.engine_pid)
    async with DaemonClient("test") as client:
        assert (await done(client, request())).text == text
        assert (await client.status()).pid != first.pid
    assert len(manager.started) == 2


async def test_who_must_not_start_a_daemon_does_not_wake_the_manager(
    manager: ServiceManager, in_home: dict[str, str]
) -> None:
    assert (await asyncio.to_thread(stardraft, in_home, "status")).returncode == 3
    assert "was not running" in (await asyncio.to_thread(stardraft, in_home, "daemon", "stop")).stdout
    async with DaemonClient("test", start=False) as client:
        assert await client.stop() is None
    assert manager.started == []


async def test_an_idle_daemon_leaves_and_leaves_the_socket(
    manager: ServiceManager, in_home: dict[str, str]
) -> None:
    write_config(in_home, "[daemon]\nidle_exit_minutes = 0.01\n")
    async with DaemonClient("test") as client:
        await client.hello()
    await wait_until_async(lambda: manager.started[0].poll() is not None)
    assert manager.started[0].returncode == 0
    assert socket_of(in_home).exists()


async def test_a_daemon_that_was_started_without_the_manager_gives_up_its_place(
    in_home: dict[str, str],
) -> None:
    """`systemctl start stardraft.socket` while an editor's daemon runs: systemd takes the path."""
    async with DaemonClient("test") as editor:
        own = await editor.hello()
        with managing(socket_of(in_home), DAEMON, in_home) as manager:
            async with DaemonClient("test") as newcomer:
                its = await newcomer.hello()
                assert its.pid != own.pid
                assert its.pid == manager.started[0].pid
            assert len(manager.started) == 1, "it did not wait for the lock"
            wait_until(lambda: is_gone(own.pid))
            assert socket_of(in_home).exists(), "it took the manager's socket away"


async def test_nothing_takes_the_managers_place_while_it_listens(
    manager: ServiceManager, in_home: dict[str, str]
) -> None:
    inode = socket_of(in_home).stat().st_ino
    by_hand = await asyncio.to_thread(stardraft, in_home, "daemon", "run")
    assert by_hand.returncode == 1
    assert "A service listens" in by_hand.stderr
    command = [sys.executable, "-P", "-m", "stardraftd.serving.process"]
    by_a_front_end = await asyncio.to_thread(run_to_end, command, env=in_home, idle_s=60)
    assert by_a_front_end.returncode == 0
    assert b"already_running" in by_a_front_end.stdout
    assert socket_of(in_home).stat().st_ino == inode


async def test_an_older_daemon_is_replaced_by_the_new_one_and_finishes_what_it_runs(
    manager: ServiceManager, in_home: dict[str, str]
) -> None:
    """As after an upgrade: what runs is older than what the unit starts next."""
    manager.command = [sys.executable, "-c", OLD_DAEMON]
    async with (
        DaemonClient("old editor", start=False) as old_editor,
        DaemonClient("new editor") as new_editor,
    ):
        await asyncio.to_thread(knock, socket_of(in_home))
        await wait_until_async(is_served)
        manager.command = DAEMON
        newcomers: list[asyncio.Task[object]] = []
        events = await run_until(
            old_editor.complete(request(mode="free", suffix="", max_tokens=100)),
            lambda event: isinstance(event, Text),
            lambda: newcomers.append(asyncio.create_task(new_editor.hello())),
        )
        assert isinstance(events[-1], Done)
        assert events[-1].finish_reason in ("max_tokens", "end")
        assert (await newcomers[0]).version == __version__  # type: ignore[attr-defined]
    assert [process.poll() for process in manager.started] == [0, None]


async def test_an_older_daemon_that_the_manager_starts_again_is_taken_as_it_is(
    manager: ServiceManager,
) -> None:
    """The service belongs to an older installation: two editors must not end each other's daemon forever."""
    manager.command = [sys.executable, "-c", OLD_DAEMON]
    async with DaemonClient("editor") as editor:
        assert (await editor.hello()).version == "0.0.1"
        assert len(manager.started) == 2
        assert (await done(editor, request())).text
        assert len(manager.started) == 2


async def test_a_killed_daemon_is_started_again_by_the_next_request(
    manager: ServiceManager,
) -> None:
    async with DaemonClient("test") as client:
        first = await client.hello()
        os.kill(first.pid, signal.SIGKILL)
        assert (await done(client, request())).text
        assert len(manager.started) == 2


async def test_why_the_daemon_cannot_start_is_told_to_the_front_end(
    manager: ServiceManager, in_home: dict[str, str]
) -> None:
    write_config(in_home, "[completion]\nmax_tokens = 'many'\n")
    async with DaemonClient("test") as client:
        with pytest.raises(ConfigError, match="line 2"):
            await client.hello()
        write_config(in_home, "")
        await wait_until_async(lambda: manager.started[-1].poll() == 1)
        assert (await client.hello()).pid == manager.started[-1].pid


async def test_a_socket_at_another_place_is_refused_with_what_to_do(in_home: dict[str, str]) -> None:
    elsewhere = socket_of(in_home).with_name("other.sock")
    with managing(elsewhere, DAEMON, in_home) as manager:
        await asyncio.to_thread(knock, elsewhere)
        await wait_until_async(lambda: manager.started and manager.started[0].poll() is not None)
        assert manager.started[0].returncode == 1


async def test_the_log_is_a_file_of_limited_size_and_nothing_of_it_goes_to_the_manager(
    in_home: dict[str, str],
) -> None:
    log = Path(in_home["STARDRAFT_STATE_DIR"]) / "logs" / "daemon.log"
    log.parent.mkdir(parents=True)
    log.write_text("\n" * MAX_BYTES)
    journal = log.with_name("journal")
    command = ["sh", "-c", f'exec "$@" 2>>"{journal}"', "sh", *DAEMON]
    with managing(socket_of(in_home), command, in_home):
        async with DaemonClient("test") as client:
            assert (await done(client, request())).text
            await client.stop(drain=False)
    assert log.with_name("daemon.log.1").stat().st_size == MAX_BYTES
    assert "engine ready" in log.read_text()
    assert journal.read_text() == ""


def knock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as front_end:
        front_end.connect(str(path))
