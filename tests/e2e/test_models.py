"""Models change under a running daemon: what a user chooses, drops into the folder, or breaks."""

import asyncio
import shutil
from pathlib import Path

import pytest

from stardraftd.client import DaemonClient
from stardraftd.paths import builtin_model_path
from tests.cli.program import stardraft
from tests.e2e.conftest import request, wait_for_status
from tests.support.home import write_config
from tests.support.processes import is_gone
from tests.support.streams import done
from tests.support.tiny_models import rewrite, write_tiny_model
from tests.support.waiting import wait_until_async, within


@pytest.fixture
def folder(in_home: dict[str, str]) -> Path:
    path = Path(in_home["STARDRAFT_MODELS_DIR"])
    path.mkdir(parents=True)
    return path


async def test_another_model_is_taken_up_while_requests_go_on(
    client: DaemonClient, in_home: dict[str, str], folder: Path
) -> None:
    write_tiny_model(folder / "other.gguf")
    write_config(in_home, "# mine\n[model]\nthreads = 1 # one\n")
    await done(client, request())
    old_engine = (await client.status()).engine_pid
    assert old_engine is not None
    models: list[str] = []

    async def type_on() -> None:
        async with DaemonClient("typist") as typist:
            while not models or models[-1] != "tiny random model":
                end = await done(typist, request(mode="free", max_tokens=3))
                assert end.figures is not None
                models.append(end.figures.model)

    typing = asyncio.create_task(type_on())
    used = await asyncio.to_thread(stardraft, in_home, "model", "use", "other")
    assert used.returncode == 0, used.stderr
    assert "is loaded and serves" in used.stdout
    async with within(what="the typist sees the new model"):
        await typing
    assert models[0].startswith("stardraft-tiny")
    assert models[-1] == "tiny random model"
    await wait_until_async(lambda: is_gone(old_engine))
    written = Path(in_home["STARDRAFT_CONFIG"]).read_text()
    assert written.startswith("# mine\n[model]\nthreads = 1 # one\n")
    assert str(folder / "other.gguf") in written

    back = await asyncio.to_thread(stardraft, in_home, "model", "use", "built-in")
    assert back.returncode == 0, back.stderr
    assert Path(in_home["STARDRAFT_CONFIG"]).read_text() == "# mine\n[model]\nthreads = 1 # one\n"
    end = await done(client, request())
    assert end.figures is not None
    assert end.figures.model.startswith("stardraft-tiny")


async def test_a_model_that_cannot_be_loaded_leaves_the_one_before_in_place(
    client: DaemonClient, in_home: dict[str, str], folder: Path
) -> None:
    # Sound as a file, and refused by llama.cpp: it says nothing of its layers' norm.
    tiny = write_tiny_model(folder.parent / "tiny.gguf")
    rewrite(tiny, folder / "odd.gguf", drop=("starcoder2.attention.layer_norm_epsilon",))
    before = (await done(client, request())).text
    used = await asyncio.to_thread(stardraft, in_home, "model", "use", "odd")
    assert used.returncode == 1
    assert "odd.gguf" in used.stderr
    assert (await done(client, request())).text == before
    status = await client.status()
    assert status.engine == "ready"
    assert any("odd.gguf" in problem for problem in status.problems)
    assert "The model from before still serves." in status.problems

    used = await asyncio.to_thread(stardraft, in_home, "model", "use", "built-in")
    assert used.returncode == 0, used.stderr
    assert not (await client.status()).problems


async def test_a_model_that_is_put_into_the_folder_is_noticed(
    client: DaemonClient, in_home: dict[str, str], folder: Path
) -> None:
    assert (await client.status()).models == ()
    data = builtin_model_path().read_bytes()
    with (folder / "copied.gguf").open("wb") as file:
        file.write(data[:1_000_000])
        file.flush()
        file.write(data[1_000_000:])
    status = await wait_for_status(client, lambda status: status.models)
    assert status.models == ("copied",)
    (folder / "copied.gguf").unlink()
    await wait_for_status(client, lambda status: not status.models)


async def test_a_configured_model_that_appears_is_used_at_once(
    client: DaemonClient, in_home: dict[str, str], folder: Path
) -> None:
    path = folder / "later.gguf"
    write_config(in_home, f'[model]\npath = "{path}"\n')
    events = [event async for event in client.load()]
    assert "no model file" in events[-1].message  # type: ignore[union-attr]
    temporary = folder / "later.tmp"
    shutil.copy(builtin_model_path(), temporary)
    temporary.replace(path)
    await wait_for_status(client, lambda status: not status.problems)
    assert (await done(client, request())).figures is not None


async def test_a_daemon_with_a_model_of_its_own_keeps_it_and_that_is_said(
    in_home: dict[str, str], folder: Path
) -> None:
    write_tiny_model(folder / "other.gguf")
    shutil.copy(builtin_model_path(), folder / "mine.gguf")
    started = await asyncio.to_thread(
        stardraft, in_home, "daemon", "start", "--model", str(folder / "mine.gguf")
    )
    assert started.returncode == 0, started.stderr
    used = await asyncio.to_thread(stardraft, in_home, "model", "use", "other")
    assert used.returncode == 0, used.stderr
    assert "stardraft daemon restart" in used.stdout
