"""A daemon that does not answer, or has lost one of its files: it is found, named, and can be ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from stardraft_lsp.status import reason_of
from stardraftd.client import DaemonClient
from stardraftd.errors import DaemonHungError
from stardraftd.paths import lock_path, record_path
from stardraftd.protocol.completion import Text
from stardraftd.transport.presence import recorded
from tests.cli.program import stardraft
from tests.e2e.conftest import PREFIX, SUFFIX, request
from tests.lsp.daemons import daemons
from tests.support.editor import editing
from tests.support.processes import is_gone
from tests.support.streams import done
from tests.support.waiting import seconds, wait_until, wait_until_async

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it uses signals and Unix sockets")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def test_a_stopped_daemon_is_named_wherever_it_is_asked_and_stop_ends_it(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    pid = (await client.hello()).pid
    with stopped(pid):
        status = stardraft(in_home, "status")
        assert status.returncode == 1
        assert f"pid {pid}" in status.stderr
        assert f"kill -CONT {pid}" in status.stderr
        as_json = stardraft(in_home, "status", "--json")
        assert '"running":true' in as_json.stdout
        assert str(pid) in as_json.stdout
        start = stardraft(in_home, "daemon", "start")
        assert start.returncode == 1
        assert f"pid {pid}" in start.stderr
        doctor = stardraft(in_home, "doctor")
        assert f"pid {pid}" in doctor.stdout
        assert "stale" not in doctor.stdout
        stop = stardraft(in_home, "daemon", "stop")
        assert stop.returncode == 0
        assert "by force" in stop.stderr
        assert f"pid {pid}" in stop.stdout
    wait_until(lambda: is_gone(pid))
    assert (await client.hello()).pid != pid, "the next request starts another one"


async def test_an_editor_that_waits_for_a_stopped_daemon_gets_a_sentence_and_later_its_answers(
    client: DaemonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stardraftd.client.client.EVENTS_SILENCE_S", 0.5)
    await done(client, request())
    pid = (await client.hello()).pid
    events = client.complete(request(mode="free", suffix="", max_tokens=900, document="long"))
    with pytest.raises(DaemonHungError, match=f"pid {pid}") as told:  # noqa: PT012
        async for event in events:
            if isinstance(event, Text) and psutil.Process(pid).status() != psutil.STATUS_STOPPED:
                os.kill(pid, signal.SIGSTOP)
    assert reason_of(told.value) == "daemon_unreachable"
    with pytest.raises(DaemonHungError, match=f"pid {pid}"):
        await done(client, request())
    os.kill(pid, signal.SIGCONT)
    with pytest.raises(DaemonHungError, match=f"pid {pid}"):  # noqa: PT012
        async for _status in client.watch():
            os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    assert (await done(client, request())).text
    assert (await client.hello()).pid == pid


async def test_a_language_server_whose_daemon_is_stopped_says_so_answers_and_is_served_again(
    home: dict[str, str],
) -> None:
    place = (2, len("        self."))
    async with editing(home) as editor:
        for name in ("before", "stopped", "after"):
            editor.open(f"file:///shop/{name}.py", PREFIX + SUFFIX)
        assert (await editor.suggestion("file:///shop/before.py", *place))["insertText"]
        [pid] = daemons(home)
        with stopped(pid):
            answer = await editor.answer(editor.ask("file:///shop/stopped.py", *place))
            assert answer["result"] == {"items": []}
            told = await editor.until_told("stardraft/status", lambda report: report["state"] == "error")
            assert told["reason"] == "daemon_unreachable"
            assert f"(pid {pid}) does not answer: its process is stopped" in told["message"]
        assert (await editor.suggestion("file:///shop/after.py", *place))["insertText"]
        await wait_until_async(lambda: editor.told("stardraft/status")[-1]["state"] == "ready")
        assert daemons(home) == [pid]


@pytest.mark.parametrize("lost", ["lock", "record", "both"])
async def test_a_daemon_that_lost_a_file_is_found_and_makes_it_again(
    client: DaemonClient, in_home: dict[str, str], lost: str
) -> None:
    pid = (await client.hello()).pid
    files = {"lock": [lock_path()], "record": [record_path()], "both": [lock_path(), record_path()]}[lost]
    for file in files:
        file.unlink()
    if lost != "both":  # with both gone, it is until it has made them again
        assert f"pid {pid}" in stardraft(in_home, "status").stdout
    await wait_until_async(lambda: all(file.exists() for file in files) and recorded() is not None)
    assert f"pid {pid}" in stardraft(in_home, "status").stdout
    loser = subprocess.run(
        [sys.executable, "-m", "stardraftd.serving.process"],
        env=in_home,
        capture_output=True,
        timeout=seconds(60),
        check=False,
    )
    assert b"already_running" in loser.stdout


@pytest.mark.parametrize("order", [("daemon", "stop", "--now"), "SIGTERM", "SIGINT"])
async def test_while_the_model_loads_the_daemon_can_be_stopped_at_once(
    client: DaemonClient, in_home: dict[str, str], order: tuple[str, ...] | str
) -> None:
    """The engine is stopped at its first progress: that load would never end."""
    daemon = psutil.Process((await client.hello()).pid)
    engines: list[psutil.Process] = []
    async for _event in client.load():
        engines = daemon.children()
        engines[0].suspend()
        break
    if isinstance(order, str):
        daemon.send_signal(getattr(signal, order))
    else:
        assert stardraft(in_home, *order).returncode == 0
    gone, left = psutil.wait_procs([daemon, *engines], timeout=seconds(10))
    assert not left, gone


@pytest.mark.parametrize("part", ["scheduler.Scheduler._next", "prefetch.Prefetcher._until_next"])
def test_a_daemon_a_part_of_which_ended_ends_too_and_says_so(home: dict[str, str], part: str) -> None:
    module, kind, method = part.split(".")
    program = (
        f"import stardraftd.serving.{module} as module\n"
        "from stardraftd.errors import StardraftError\n"
        "from stardraftd.serving.process import run\n"
        f"module.{kind}.{method} = lambda self: 1 / 0\n"
        "try:\n"
        "    run([])\n"
        "except StardraftError as error:\n"
        "    print(error.code, error.message)\n"
    )
    daemon = subprocess.run(
        [sys.executable, "-c", program],
        env=home,
        capture_output=True,
        text=True,
        timeout=seconds(60),
        check=False,
    )
    assert daemon.stdout.startswith("daemon_failed")
    assert "ZeroDivisionError" in daemon.stdout
    assert module[:8] in daemon.stdout
    assert not Path(home["STARDRAFT_RUNTIME_DIR"], "stardraft-1.sock").exists()


BROKEN_ELSEWHERE = """
import sys
import stardraftd.serving.service as service
sys.prefix = "/another/installation"
service.Service.can_load = property(lambda self: %s)
from stardraftd.serving.process import run
raise SystemExit(run([], foreground=False))
"""


@pytest.mark.parametrize(("can_load", "replaced"), [("False", True), ("True", False), ("None", False)])
async def test_a_daemon_of_another_installation_is_told_and_replaced_if_its_engine_cannot_load(
    in_home: dict[str, str], can_load: str, replaced: bool
) -> None:
    command = [sys.executable, "-c", BROKEN_ELSEWHERE % can_load]
    with subprocess.Popen(command, env=in_home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        try:
            assert other.stdout is not None
            assert b'"listening"' in other.stdout.readline()
            async with DaemonClient("looks only", start=False) as client:
                assert (await client.hello()).prefix == "/another/installation"
            told = stardraft(in_home, "status")
            assert "another installation, /another/installation" in told.stdout
            assert ("cannot load" in told.stdout) == replaced
            async with DaemonClient("editor") as client:
                hello = await client.hello()
            assert (hello.pid != other.pid) == replaced
            assert (hello.prefix == sys.prefix) == replaced
        finally:
            other.terminate()
