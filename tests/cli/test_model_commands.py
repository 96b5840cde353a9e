"""`stardraft model ...` as a user types it; the Hub is a stand-in, everything else is real."""

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stardraftd.models.hub_client import CHUNK_BYTES
from stardraftd.paths import builtin_model_path
from tests.cli.program import running, stardraft
from tests.support.home import write_config
from tests.support.hub import Hub
from tests.support.processes import finish
from tests.support.waiting import wait_until

REPOSITORY, FILE = "second-state/StarCoder2-3B-GGUF", "starcoder2-3b-Q4_K_M.gguf"


@pytest.fixture
def hub(home: dict[str, str]) -> Iterator[Hub]:
    """A Hub that has the built-in model under the real one's name; `home` asks it."""
    with Hub() as hub:
        hub.add(REPOSITORY, {FILE: builtin_model_path()})
        home.update(hub.environment(Path(home["STARDRAFT_STATE_DIR"]).parent / "hf", home))
        yield hub


def test_a_model_is_pulled_listed_used_and_not_removed_while_in_use(home: dict[str, str], hub: Hub) -> None:
    pulled = stardraft(home, "model", "pull", "starcoder2-3b", "--accept-license", "--use")
    assert pulled.returncode == 0, pulled.stderr
    assert "starcoder2-3b-Q4_K_M is here" in pulled.stdout
    assert "loaded when it is first needed" in pulled.stdout
    listed = stardraft(home, "model", "list").stdout
    assert [line for line in listed.splitlines() if line.startswith("* starcoder2-3b-Q4_K_M ")]
    assert "starcoder2-7b, starcoder2-15b" in listed
    told = stardraft(home, "model", "info", "starcoder2-3b").stdout
    assert REPOSITORY in told
    assert "accepted" in told

    refused = stardraft(home, "model", "remove", "starcoder2-3b", "--yes")
    assert refused.returncode == 2
    assert "stardraft model use built-in" in refused.stderr
    assert stardraft(home, "model", "use", "built-in").returncode == 0
    assert "a part of stardraft" in stardraft(home, "model", "remove", "built-in", "--yes").stderr
    assert stardraft(home, "model", "remove", "starcoder2-3b").returncode == 2  # nobody is there to ask
    assert stardraft(home, "model", "remove", "starcoder2-3b", "--yes").returncode == 0
    assert json.loads(stardraft(home, "model", "list", "--json").stdout)["models"] == []


def test_the_license_is_shown_before_anything_is_asked_of_the_network(home: dict[str, str], hub: Hub) -> None:
    refused = stardraft(home, "model", "pull", "starcoder2-3b")
    assert refused.returncode == 2
    assert "machine-generated" in refused.stdout
    assert "--accept-license" in refused.stderr
    assert hub.requests == []
    assert "not accepted it yet" in stardraft(home, "model", "license").stdout
    assert "You accepted it on" in stardraft(home, "model", "license", "--accept").stdout
    assert stardraft(home, "model", "pull", "starcoder2-3b").returncode == 0


def test_for_programs_progress_is_one_object_a_line(home: dict[str, str], hub: Hub) -> None:
    done = stardraft(home, "model", "pull", "starcoder2-3b", "--accept-license", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    size = builtin_model_path().stat().st_size
    progress = [event["done_bytes"] for event in events if event["event"] == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == size
    assert len(progress) <= 101
    assert events[-1]["event"] == "done"
    assert events[-1]["model"]["name"] == "starcoder2-3b-Q4_K_M"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_what_has_arrived(home: dict[str, str], hub: Hub) -> None:
    hold = hub.hold(FILE, 10 * CHUNK_BYTES)
    with running(home, "model", "pull", "starcoder2-3b", "--accept-license") as process:
        wait_until(hold.reached.is_set, what="the download came to the place")
        unfinished = Path(home["STARDRAFT_MODELS_DIR"], ".unfinished")
        wait_until(lambda: sum(p.stat().st_size for p in unfinished.glob("*.part")) >= 8 * CHUNK_BYTES)
        process.send_signal(signal.SIGINT)
        said = finish(process).stderr
    assert process.returncode == 130
    assert b"the same command goes on" in said
    hold.release()
    assert "Unfinished downloads" in stardraft(home, "model", "list").stdout
    assert stardraft(home, "model", "pull", "starcoder2-3b").returncode == 0
    resumed = hub.transfers(FILE)[-1].range
    assert resumed is not None
    assert int(resumed.removeprefix("bytes=").partition("-")[0]) >= 8 * CHUNK_BYTES


def test_a_model_that_cannot_be_used_is_listed_with_the_reason_and_not_chosen(home: dict[str, str]) -> None:
    folder = Path(home["STARDRAFT_MODELS_DIR"])
    folder.mkdir()
    (folder / "half.gguf").write_bytes(builtin_model_path().read_bytes()[:100_000])
    assert "cannot be used" in stardraft(home, "model", "list").stdout
    refused = stardraft(home, "model", "use", "half")
    assert refused.returncode == 2
    assert not Path(home["STARDRAFT_CONFIG"]).exists()


def test_a_configuration_that_is_no_toml_is_not_overwritten(home: dict[str, str], tmp_path: Path) -> None:
    write_config(home, "[model\n")
    used = stardraft(home, "model", "use", "built-in")
    assert used.returncode == 1
    assert Path(home["STARDRAFT_CONFIG"]).read_text() == "[model\n"


def test_the_environment_is_stronger_than_the_choice_and_that_is_said(
    home: dict[str, str], tmp_path: Path
) -> None:
    model = shutil.copy(builtin_model_path(), tmp_path / "mine.gguf")
    used = stardraft(home | {"STARDRAFT_MODEL_PATH": str(model)}, "model", "use", str(model))
    assert "STARDRAFT_MODEL_PATH is set" in used.stderr
