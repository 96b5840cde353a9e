"""The daemon's life: exactly one, replaced when old, idle, reconfigured, stopped."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from stardraftd import __version__
from stardraftd.client import DaemonClient
from stardraftd.errors import DaemonUnreachableError
from stardraftd.protocol.completion import Done, Text
from stardraftd.protocol.http import StartReport
from tests.e2e.conftest import PREFIX, request, wait_for_status
from tests.support.home import processes_of, write_config
from tests.support.processes import exit_status, finish, is_gone, run_to_end
from tests.support.streams import collect, done, run_until
from tests.support.waiting import wait_until, wait_until_async, within

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it uses Unix sockets, modes and signals")

# Each client looks for a daemon, queues and starts one by itself, whichever process it is in.
FIVE_FRONT_ENDS = """
import asyncio
from stardraftd.client import DaemonClient
async def front_end():
    async with DaemonClient("front end") as client:
        print((await client.hello()).pid)
async def main():
    await asyncio.gather(*(front_end() for _ in range(5)))
asyncio.run(main())
"""

OLD_DAEMON = """
import stardraftd, stardraftd.serving.service as service
stardraftd.__version__ = service.__version__ = "0.0.1"
from stardraftd.serving.process import run
raise SystemExit(run([], foreground=False))
"""


def test_fifty_front_ends_at_once_share_one_daemon(home: dict[str, str]) -> None:
    command = [sys.executable, "-c", FIVE_FRONT_ENDS]
    processes = [subprocess.Popen(command, env=home, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    ended = [finish(process, idle_s=150) for process in processes]
    assert [one.returncode for one in ended] == [0] * 10
    said = [pid for one in ended for pid in one.stdout.split()]
    assert len(said) == 50
    pids = set(said)
    assert len(pids) == 1
    assert psutil.pid_exists(int(pids.pop()))
    assert len(processes_of(home)) == 1


async def test_losing_the_race_for_the_socket_is_success(client: DaemonClient, home: dict[str, str]) -> None:
    winner = await client.hello()
    loser = run_to_end([sys.executable, "-m", "stardraftd.serving.process"], env=home, idle_s=60)
    assert loser.returncode == 0
    assert msgspec.json.decode(loser.stdout, type=StartReport).outcome == "already_running"
    assert (await client.hello()).pid == winner.pid


async def test_the_socket_and_its_folder_are_the_users_alone(
    client: DaemonClient, home: dict[str, str]
) -> None:
    await client.hello()
    folder = Path(home["STARDRAFT_RUNTIME_DIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path((await client.status()).endpoint).stat().st_mode) == 0o600


async def test_an_older_daemon_is_replaced_and_finishes_what_it_runs(in_home: dict[str, str]) -> None:
    command = [sys.executable, "-c", OLD_DAEMON]
    with subprocess.Popen(command, env=in_home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as old:
        await _replace(old)


async def _replace(old: "subprocess.Popen[bytes]") -> None:
    assert old.stdout is not None
    assert b'"listening"' in old.stdout.readline()
    async with (
        DaemonClient("old editor", start=False) as old_editor,
        DaemonClient("new editor") as new_editor,
    ):
        newcomers: list[asyncio.Task[object]] = []
        events = await run_until(
            old_editor.complete(request(mode="free", suffix="", max_tokens=100)),
            lambda event: isinstance(event, Text),
            lambda: newcomers.append(asyncio.create_task(new_editor.hello())),
        )
        hello = await newcomers[0]
        assert hello.version == __version__  # type: ignore[attr-defined]
        assert isinstance(events[-1], Done)
        assert events[-1].finish_reason in ("max_tokens", "end")
        assert (await done(new_editor, request())).text
    assert wait_until(lambda: old.poll() is not None)
    assert old.wait() == 0


async def test_a_socket_that_a_dead_daemon_left_is_replaced(client: DaemonClient) -> None:
    first = await client.hello()
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: is_gone(first.pid))
    assert Path((endpoint := os.environ["STARDRAFT_RUNTIME_DIR"]) + "/stardraft-1.sock").exists(), endpoint
    second = await client.hello()
    assert second.pid != first.pid


async def test_a_daemon_whose_socket_was_taken_leaves(client: DaemonClient) -> None:
    status = await client.status()
    Path(status.endpoint).unlink()
    with socket.socket(socket.AF_UNIX) as thief:
        thief.bind(status.endpoint)
        wait_until(lambda: is_gone(status.pid))
        assert Path(status.endpoint).exists(), "it removed a socket that was not its own"


async def test_without_a_daemon_a_client_that_must_not_start_one_says_so(in_home: dict[str, str]) -> None:
    async with DaemonClient("test", start=False) as client:
        with pytest.raises(DaemonUnreachableError, match="not running"):
            await client.status()
        assert await client.stop() is None


async def test_stop_with_drain_finishes_what_runs(client: DaemonClient) -> None:
    async with DaemonClient("other") as other:
        stops: list[asyncio.Task[object]] = []
        events = await run_until(
            client.complete(request(mode="free", suffix="", max_tokens=100)),
            lambda event: isinstance(event, Text),
            lambda: stops.append(asyncio.create_task(other.stop())),
        )
        assert isinstance(events[-1], Done)
        assert events[-1].finish_reason in ("max_tokens", "end")
        await stops[0]


async def test_the_end_of_a_watched_daemon_is_noticed(client: DaemonClient) -> None:
    stops: list[asyncio.Task[object]] = []
    async with DaemonClient("other") as other:

        async def watch() -> None:
            async for status in client.watch():
                assert status.sessions == 1
                stops.append(asyncio.create_task(other.stop(drain=False)))

        with pytest.raises(DaemonUnreachableError):
            await watch()
        await asyncio.gather(*stops)


async def test_the_idle_model_is_unloaded_and_the_next_request_brings_it_back(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    write_config(in_home, "[model]\nidle_unload_minutes = 0.01\n")
    first = await done(client, request())
    engine = (await client.status()).engine_pid
    assert engine is not None
    idle = await wait_for_status(client, lambda status: status.engine == "unloaded")
    assert idle.engine_pid is None
    assert idle.engine_resident_bytes is None
    assert is_gone(engine)
    assert (await done(client, request())).text == first.text


async def test_an_idle_daemon_leaves_unless_it_is_watched(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    write_config(in_home, "[daemon]\nidle_exit_minutes = 0.01\n")
    pid = (await client.hello()).pid
    watching = client.watch()
    await anext(watching)
    async with DaemonClient("other") as other:
        first = await other.status()
        # Longer than the idle time on the daemon's own clock.
        while (await other.status()).uptime_s < first.uptime_s + 3:
            await asyncio.sleep(0.2)
    await watching.aclose()
    # The socket is closed when the loop runs next, so it must run on.
    await wait_until_async(lambda: is_gone(pid))


async def test_a_changed_configuration_is_used_without_a_restart(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    write_config(in_home, "")
    before = await done(client, request(mode="free", suffix="", max_tokens=None))
    assert before.figures is not None
    pid = (await client.status()).pid
    write_config(in_home, "[completion]\nmax_tokens = 3\n[model]\ncontext_tokens = 4096\n")

    async with within(what="the new configuration is used"):
        while True:
            after = await done(client, request(mode="free"))
            status = await client.status()
            assert after.figures is not None
            assert status.model is not None
            if after.figures.n_generated == 3 and status.model.context_tokens == 4096:
                break
    assert status.pid == pid
    assert not status.problems


async def test_a_wrong_configuration_is_reported_and_the_old_one_stays(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    write_config(in_home, "[completion]\nmax_tokens = 3\n")
    await client.hello()
    write_config(in_home, "[completion]\nmax_tokens = 'many'\n")
    status = await wait_for_status(client, lambda status: status.problems)
    assert "line 2" in status.problems[0]
    assert "completion.max_tokens" in status.problems[0]
    limited = await done(client, request(mode="free"))
    assert limited.figures is not None
    assert limited.figures.n_generated == 3
    write_config(in_home, "[completion]\nmax_tokens = 3\nbackground = 'never'\n")
    await wait_for_status(client, lambda status: not status.problems)


async def test_over_tcp_only_the_bearer_of_the_token_gets_in(
    in_home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_DAEMON_TRANSPORT", "tcp")
    async with DaemonClient("test") as client:
        assert (await done(client, request())).text
        endpoint = (await client.status()).endpoint
        file = Path(in_home["STARDRAFT_RUNTIME_DIR"]) / "stardraft-1.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        right = {"Authorization": f"Bearer {msgspec.json.decode(file.read_bytes())['token']}"}
        async with httpx.AsyncClient(base_url=endpoint, trust_env=False) as http:
            assert (await http.get("/v1/hello", headers=right)).status_code == 200
            for wrong in (
                {},
                {"Authorization": "Bearer wrong"},
                right | {"Origin": "http://localhost"},
                right | {"Host": "evil.example"},
            ):
                assert (await http.get("/v1/hello", headers=wrong)).status_code == 403, wrong
            text = {"Content-Type": "text/plain"}
            assert (await http.post("/v1/stop", headers=right | text, content=b"{}")).status_code == 403
        await client.stop(drain=False)


async def test_ctrl_c_ends_a_daemon_in_the_foreground(home: dict[str, str]) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "stardraftd", "daemon", "run"],
        env=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = Path(home["STARDRAFT_RUNTIME_DIR"]) / "stardraft-1.sock"
    wait_until(path.exists)
    daemon.send_signal(signal.SIGINT)
    assert exit_status(daemon) in (0, 130)
    assert not path.exists()


async def test_a_request_after_a_restart_needs_nothing_from_the_front_end(client: DaemonClient) -> None:
    text = (await done(client, request())).text
    async with DaemonClient("cli") as other:
        await other.stop(drain=False)
        assert (await done(client, request())).text == text
        assert await collect(other.load())
    assert PREFIX


async def test_questions_cancelled_at_any_moment_leave_no_descriptor_on_either_side(
    shared_client: DaemonClient,
) -> None:
    daemon = psutil.Process((await shared_client.hello()).pid)
    await done(shared_client, request())

    def n_open() -> tuple[int, int]:
        return psutil.Process().num_fds(), daemon.num_fds()

    before = n_open()
    for n_turns in range(60):
        asking = asyncio.create_task(done(shared_client, request()))
        for _ in range(n_turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
    assert (await done(shared_client, request())).text
    await wait_until_async(lambda: all(now <= then for now, then in zip(n_open(), before, strict=True)), 5)
