"""What goes wrong: each gives its user one clear sentence, and the next request works as soon as it can."""

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path

import psutil
import pytest

from stardraftd.client import DaemonClient
from stardraftd.errors import DaemonUnreachableError, PathError
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Done, Failed, Plan, Text
from stardraftd.protocol.http import StreamEvent
from tests.e2e.conftest import LONG_PREFIX, request
from tests.support.home import write_config
from tests.support.processes import run_to_end
from tests.support.streams import collect, done, failed, only, run_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it uses Unix sockets, modes and signals")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="uses Linux's own files and capabilities")


async def engine_pid(client: DaemonClient) -> int:
    pid = (await client.status()).engine_pid
    assert pid is not None
    return pid


async def test_an_engine_killed_in_mid_stream_costs_one_completion(client: DaemonClient) -> None:
    await done(client, request())
    pid = await engine_pid(client)
    events = await run_until(
        client.complete(request(mode="free", suffix="", max_tokens=900)),
        lambda event: isinstance(event, Text),
        lambda: os.kill(pid, signal.SIGKILL),
    )
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.code == "engine_crashed"
    assert "SIGKILL" in last.message
    assert (await done(client, request())).text
    assert (await client.status()).engine_restarts == 1


async def test_an_engine_killed_before_any_text_is_not_even_noticed(slow_client: DaemonClient) -> None:
    await done(slow_client, request(max_tokens=1))
    pid = await engine_pid(slow_client)
    events = await run_until(
        slow_client.complete(request(prefix=LONG_PREFIX, target_ms=60_000.0, document="long")),
        lambda event: isinstance(event, Plan),
        lambda: os.kill(pid, signal.SIGKILL),
    )
    assert isinstance(events[-1], Done)
    assert len(only(Plan, events)) == 2, "it was laid out twice: once for each engine"
    assert await engine_pid(slow_client) != pid


async def test_a_request_that_kills_every_engine_is_given_up(slow_client: DaemonClient) -> None:
    poison = request(prefix=LONG_PREFIX, target_ms=60_000.0, document="poison")
    await done(slow_client, request(max_tokens=1))
    status = await slow_client.status()
    daemon = psutil.Process((await slow_client.hello()).pid)
    seen: list[StreamEvent] = []
    async for event in slow_client.complete(poison):
        seen.append(event)
        if isinstance(event, Plan):
            for engine in daemon.children():
                engine.kill()
    assert isinstance(seen[-1], Failed)
    assert len(only(Plan, seen)) == 2
    assert (await slow_client.status()).engine_restarts == status.engine_restarts + 2
    assert (await done(slow_client, request())).text


async def test_a_daemon_killed_before_any_text_is_not_even_noticed(slow_client: DaemonClient) -> None:
    await done(slow_client, request(max_tokens=1))
    pid = (await slow_client.hello()).pid
    events = await run_until(
        slow_client.complete(request(prefix=LONG_PREFIX, target_ms=60_000.0, document="long")),
        lambda event: isinstance(event, Plan),
        lambda: os.kill(pid, signal.SIGKILL),
    )
    assert isinstance(events[-1], Done)
    assert (await slow_client.hello()).pid != pid


async def test_a_daemon_killed_in_mid_stream_is_told_and_the_next_request_works(client: DaemonClient) -> None:
    await done(client, request())
    pid = (await client.hello()).pid
    with pytest.raises(DaemonUnreachableError, match="went away"):
        await run_until(
            client.complete(request(mode="free", suffix="", max_tokens=900)),
            lambda event: isinstance(event, Text),
            lambda: os.kill(pid, signal.SIGKILL),
        )
    assert (await done(client, request())).text


@linux_only
@pytest.mark.parametrize(("read_only", "says"), [("folder", "0500"), ("parent", "Permission denied")])
async def test_a_runtime_folder_that_cannot_be_written_to_is_named(
    in_home: dict[str, str], read_only: str, says: str
) -> None:
    folder = Path(in_home["STARDRAFT_RUNTIME_DIR"])
    if read_only == "parent":
        folder = folder / "closed" / "run"
        in_home["STARDRAFT_RUNTIME_DIR"] = str(folder)
    (folder if read_only == "folder" else folder.parent).mkdir(mode=0o500, parents=True)
    program = (
        "import asyncio\n"
        "from stardraftd.client import DaemonClient\n"
        "from stardraftd.errors import StardraftError\n"
        "async def main():\n"
        "    async with DaemonClient('test') as client:\n"
        "        try:\n"
        "            await client.hello()\n"
        "        except StardraftError as error:\n"
        "            print(error, '|', error.hint)\n"
        "asyncio.run(main())\n"
    )
    answer = run_to_end(
        [sys.executable, "-c", program],
        env=in_home,
        text=True,
        check=True,
        preexec_fn=_obey_file_modes,
        idle_s=60,
    )
    sentence, _, hint = answer.stdout.partition(" | ")
    assert str(folder) in sentence
    assert says in sentence
    assert "chmod 700" in hint or "STARDRAFT_RUNTIME_DIR" in hint
    assert answer.stderr == ""


def _obey_file_modes() -> None:
    """Drops root's right to write anywhere (CAP_DAC_OVERRIDE, 1), so that the test works as root too."""
    pr_capbset_drop = 24
    ctypes.CDLL(None).prctl(pr_capbset_drop, 1, 0, 0, 0)


async def test_a_runtime_folder_that_others_can_enter_is_refused(in_home: dict[str, str]) -> None:
    folder = Path(in_home["STARDRAFT_RUNTIME_DIR"])
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    async with DaemonClient("test") as client:
        with pytest.raises(PathError) as refused:
            await client.hello()
    assert "chmod 700" in refused.value.hint


def bad_models(folder: Path) -> dict[str, tuple[Path, str, str]]:
    """name -> (file, the code that it is refused with, words of the sentence)."""
    folder.mkdir(parents=True, exist_ok=True)
    truncated = folder / "truncated.gguf"
    truncated.write_bytes(builtin_model_path().read_bytes()[:9_000_000])
    text = folder / "text.gguf"
    text.write_text("This is a text file, not a model.\n" * 100, encoding="utf-8")
    empty = folder / "empty.gguf"
    empty.write_bytes(b"")
    return {
        "truncated": (truncated, "model_format", "missing"),
        "text": (text, "model_format", "not a GGUF"),
        "empty": (empty, "model_format", "empty"),
        "absent": (folder / "absent.gguf", "model_not_found", "absent.gguf"),
        "folder": (folder, "model_not_found", str(folder)),
    }


@pytest.mark.parametrize("kind", ["truncated", "text", "empty", "absent", "folder"])
async def test_a_file_that_is_no_model_is_refused_and_a_good_one_takes_its_place(
    client: DaemonClient, in_home: dict[str, str], tmp_path: Path, kind: str
) -> None:
    path, code, words = bad_models(tmp_path / "models")[kind]
    write_config(in_home, f"[model]\npath = '{path}'\n")
    refusal = await failed(client, request())
    assert refusal.code == code
    assert words in refusal.message
    assert refusal.hint
    status = await client.status()
    assert status.engine == "failed"
    assert any(refusal.message in problem for problem in status.problems)
    assert (await failed(client, request())).message == refusal.message
    write_config(in_home, "")
    await _served_again(client)


async def test_a_model_without_fim_tokens_is_refused_with_a_sentence(
    client: DaemonClient, in_home: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("gguf", reason="install stardraft[test]")
    from tests.support.tiny_models import write_tiny_model

    path = write_tiny_model(tmp_path / "no-fim.gguf", fim=False)
    write_config(in_home, f"[model]\npath = '{path}'\n")
    refusal = await failed(client, request())
    assert refusal.code == "model_unsupported"
    assert "fill-in-the-middle" in refusal.message


async def test_a_model_file_that_was_mended_is_loaded(
    client: DaemonClient, in_home: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_text("not yet", encoding="utf-8")
    write_config(in_home, f"[model]\npath = '{path}'\n")
    await failed(client, request())
    temporary = tmp_path / "copy"
    shutil.copy(builtin_model_path(), temporary)
    temporary.replace(path)
    assert (await done(client, request())).text


@linux_only
async def test_a_pipe_in_the_logs_place_costs_the_log_and_nothing_else(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    folder = Path(in_home["STARDRAFT_STATE_DIR"]) / "logs"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "daemon.log")
    assert (await done(client, request())).text
    problems = " ".join((await client.status()).problems)
    assert "daemon.log" in problems
    assert "it is a pipe" in problems


async def test_layers_asked_for_without_a_gpu_are_a_warning_not_a_crash(
    client: DaemonClient, in_home: dict[str, str]
) -> None:
    write_config(in_home, "[model]\ngpu_layers = 7\n")
    events = await collect(client.load())
    status = await client.status()
    assert status.model is not None, events
    if status.model.gpu_layers == 0:
        assert any("runs on the CPU" in problem for problem in status.problems)


async def _served_again(client: DaemonClient) -> None:
    """The configuration's change takes a moment; from then on requests are served."""
    for _attempt in range(600):
        last = (await collect(client.complete(request())))[-1]
        if isinstance(last, Done):
            return
    raise AssertionError(f"still failing: {last}")
