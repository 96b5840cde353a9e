"""A conversion that is interrupted goes on where it stopped, and never leaves half a file under its name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("safetensors", reason='install it with pip install "stardraft[quant]"')

from stardraft_quant.convert import convert, partial
from stardraftd.errors import ModelError
from tests.cli.program import stardraft
from tests.support.checkpoints import write_plain_checkpoint
from tests.support.processes import run_to_end

# Converts, and dies as a process dies when the power goes, once so many bytes are written.
DIE_AT = """
import os, signal, sys
from pathlib import Path
from stardraft_quant.convert import convert, partial
partial.FLUSH_BYTES = 1
def die(done, total):
    if done > int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
convert(Path(sys.argv[1]), Path(sys.argv[2]), on_progress=die)
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plain_checkpoint(tmp_path_factory.mktemp("original") / "checkpoint", shards=3)


@pytest.fixture(scope="module")
def whole(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "model.gguf"
    convert(checkpoint, path)
    return path.read_bytes()


def killed(checkpoint: Path, out: Path, after_bytes: int) -> None:
    done = run_to_end([sys.executable, "-c", DIE_AT, str(checkpoint), str(out), str(after_bytes)], idle_s=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.parametrize("fraction", [0.9, 0.97])
def test_a_killed_conversion_goes_on_where_it_stopped(
    checkpoint: Path, whole: bytes, tmp_path: Path, fraction: float
) -> None:
    out = tmp_path / "model.gguf"
    killed(checkpoint, out, int(len(whole) * fraction))
    started_at: list[int] = []
    report = convert(checkpoint, out, on_progress=lambda done, _total: started_at.append(done))
    assert 0 < report.n_resumed < report.n_tensors
    assert started_at[0] > len(whole) * fraction * 0.9, "what was written is not written again"
    assert out.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.parametrize("what", ["weights", "config", "type", "restart", "journal", "length"])
def test_it_begins_anew_when_something_is_not_as_it_was(tmp_path: Path, what: str) -> None:
    checkpoint = write_plain_checkpoint(tmp_path / "checkpoint", seed=1)
    out, weights = tmp_path / "model.gguf", checkpoint / "model.safetensors"
    convert(checkpoint, out)
    size_bytes = out.stat().st_size
    out.unlink()
    killed(checkpoint, out, int(size_bytes * 0.97))
    part = tmp_path / ".model.gguf.part"
    if what == "weights":
        os.utime(weights, ns=(0, 0))
    elif what == "config":
        config = checkpoint / "config.json"
        config.write_text(config.read_text("utf-8").replace("10000.0", "20000.0"), "utf-8")
    elif what == "journal":
        part.with_name(f"{part.name}.json").write_bytes(b"{")
    elif what == "length":
        os.truncate(part, size_bytes - 1)
    report = convert(checkpoint, out, "BF16" if what == "type" else "F16", restart=what == "restart")
    assert report.n_resumed == 0
    convert(checkpoint, tmp_path / "again.gguf", "BF16" if what == "type" else "F16")
    assert out.read_bytes() == tmp_path.joinpath("again.gguf").read_bytes()
    assert not part.exists()


class StoppedError(Exception):
    pass


def test_what_is_written_is_kept_when_it_is_stopped(checkpoint: Path, whole: bytes, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done > len(whole) * 0.97:
            raise StoppedError

    out = tmp_path / "model.gguf"
    with pytest.raises(StoppedError):
        convert(checkpoint, out, on_progress=stop)
    assert not out.exists()
    assert partial.leftovers(out) is not None
    assert convert(checkpoint, out).n_resumed > 0
    assert out.read_bytes() == whole
    assert partial.leftovers(out) is None


def test_nothing_is_kept_of_a_conversion_that_wrote_no_tensor(checkpoint: Path, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        convert(checkpoint, tmp_path / "model.gguf", on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_replaced_stays_whole_until_then(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    out.write_text("the old one", encoding="utf-8")

    def stop(_done: int, _total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        convert(checkpoint, out, force=True, on_progress=stop)
    assert out.read_text(encoding="utf-8") == "the old one"


def test_two_processes_do_not_write_one_file(checkpoint: Path, whole: bytes, tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    refused: list[str] = []

    def second(_done: int, _total: int) -> None:
        if not refused:
            refused.append("")
            refused[0] = command(str(checkpoint), str(out)).stderr

    convert(checkpoint, out, on_progress=second)
    assert "is being written by another process" in refused[0]
    assert out.read_bytes() == whole


def test_a_disk_without_room_is_said_before_anything_is_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    class Full:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Full)
    with pytest.raises(ModelError, match="GB free"):
        convert(checkpoint, tmp_path / "model.gguf")
    assert list(tmp_path.iterdir()) == []


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return stardraft(dict(os.environ), "quant", "convert", *arguments)


def test_the_command_converts_and_says_what_comes_next(
    checkpoint: Path, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "starcoder2-F16.gguf"
    done = command(str(checkpoint), str(out))
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == whole
    assert f"{len(whole):,} bytes" in done.stdout
    assert f"stardraft quant quantize {out} {tmp_path / 'starcoder2-Q4_K_M.gguf'}" in done.stdout
    again = command(str(checkpoint), str(out))
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_the_command_tells_programs_in_json(checkpoint: Path, tmp_path: Path) -> None:
    import json

    done = command(str(checkpoint), str(tmp_path / "m.gguf"), "--json", "--source", "a/b", "--type", "F32")
    report = json.loads(done.stdout)
    assert report["file_type"] == "F32"
    assert "stardraft.source.repository" in report["added"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_command_stopped_by_hand_says_how_to_go_on(
    checkpoint: Path, whole: bytes, tmp_path: Path
) -> None:
    program = (
        "import os, signal, sys\n"
        "from stardraft_quant.convert import conversion\n"
        "from stardraftd.cli import main\n"
        "write = conversion.Partial.done\n"
        "def interrupted(self, *figures):\n"
        "    write(self, *figures)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "conversion.Partial.done = interrupted\n"
        "main()\n"
    )
    out = tmp_path / "m.gguf"
    done = run_to_end(
        [sys.executable, "-c", program, "quant", "convert", str(checkpoint), str(out)], text=True, idle_s=60
    )
    assert done.returncode == 130, done.stderr
    assert "the same command goes on from there" in " ".join(done.stderr.split())
    assert not out.exists()
    assert convert(checkpoint, out).n_resumed > 0
    assert out.read_bytes() == whole
