"""`stardraft model pull --from-source`: original weights from the Hub become a model of the store."""

import json
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason='install it with pip install "stardraft[engine]"')
pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("safetensors", reason='install it with pip install "stardraft[quant]"')

from stardraftd.gguf.reading import read_header
from stardraftd.models.catalogue import KNOWN
from tests.cli.program import stardraft
from tests.support.checkpoints import write_plain_checkpoint
from tests.support.hub import Hub

SOURCE = KNOWN["starcoder2-3b"]


def pull(hub: Hub, home: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = hub.environment(Path(home["STARDRAFT_STATE_DIR"]).parent / "hf", home)
    return stardraft(environment, "model", "pull", "starcoder2-3b", *arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_plain_checkpoint(tmp_path_factory.mktemp("checkpoint") / "c", shards=2)
    return {file.name: file.read_bytes() for file in folder.iterdir()} | {"big.bin": b"not wanted"}


def test_where_there_is_no_ready_file_the_original_weights_are_quantized(
    home: dict[str, str], files: dict[str, bytes]
) -> None:
    with Hub() as hub:
        hub.add(SOURCE.source, files, revision=SOURCE.revision)
        done = pull(hub, home, "--quant", "Q8_0", "--accept-license", "--json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        model = events[-1]["model"]
        assert model["name"] == "starcoder2-3b-Q8_0"
        assert model["quantization"] == "Q8_0"
        assert model["record"]["how"] == "quantized"
        assert model["record"]["revision"] == SOURCE.revision
        assert any("is made here" in event.get("message", "") for event in events)
        stages = [event["what"] for event in events if event["event"] == "stage"]
        assert any(stage.startswith("Downloading model-00001-of-00002") for stage in stages)
        assert "Quantizing to Q8_0" in stages
        assert hub.bytes_sent("big.bin") == 0
    header = read_header(Path(model["path"]))
    assert header.text("general.license") == "bigcode-openrail-m"
    assert header.text("stardraft.source.revision") == SOURCE.revision
    folder = Path(home["STARDRAFT_MODELS_DIR"])
    assert not [path for path in (folder / ".unfinished").iterdir() if path.suffix != ".lock"]


def test_an_interrupted_making_keeps_what_was_downloaded(
    home: dict[str, str], files: dict[str, bytes]
) -> None:
    small, large = sorted(
        (name for name in files if name.endswith(".safetensors")), key=lambda n: len(files[n])
    )
    with Hub() as hub:
        hub.add(SOURCE.source, files, revision=SOURCE.revision)
        hub.fail(f"*{large}", 404, "EntryNotFound", times=None)
        done = pull(hub, home, "--from-source", "--accept-license")
        assert done.returncode == 1
        assert "no such file" in done.stderr
        hub.mend()
        done = pull(hub, home, "--from-source")
        assert done.returncode == 0, done.stderr
        assert hub.bytes_sent(small) == len(files[small])


def test_a_type_that_cannot_be_made_is_said_before_anything_is_downloaded(home: dict[str, str]) -> None:
    with Hub() as hub:
        done = pull(hub, home, "--quant", "Q3_XYZ", "--from-source", "--accept-license")
        assert done.returncode == 2
        assert "Q3_XYZ" in done.stderr
        assert hub.requests == []
