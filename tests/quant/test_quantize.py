"""Quantizing: the very tensors of llama-quantize, and a file that appears whole or not at all."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')

import gguf

from stardraft_quant.imatrix import Settings, imatrix_of_text
from stardraft_quant.quantize import FILE_TYPES, FileType, quantize
from stardraftd.errors import (
    EngineCrashedError,
    ModelError,
    ModelFormatError,
    ModelUnsupportedError,
    RequestError,
)
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.header import FILE_TYPES as HEADER_FILE_TYPES
from stardraftd.gguf.reading import read_header
from tests.cli.program import stardraft
from tests.support.home import command_of
from tests.support.llama_cpp import tool
from tests.support.processes import finish, run_to_end
from tests.support.tiny_models import BUILT_IN, rewrite, write_tiny_model
from tests.support.waiting import wait_until

posix = pytest.mark.skipif(os.name != "posix", reason="it uses signals and limits")
COMPARED: tuple[FileType, ...] = ("Q4_K_M", "Q8_0", "Q5_K_M", "Q6_K", "IQ4_XS")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One whose rows fit the blocks of 256 that K-quants have, and one whose rows do not."""
    folder = tmp_path_factory.mktemp("models")
    shapes: dict[str, dict[str, int]] = {
        "fitting": {"layers": 4, "hidden": 256, "ffn": 512, "heads": 4, "kv_heads": 2},
        "odd": {"layers": 3, "hidden": 96, "ffn": 160, "heads": 2},
    }
    return {
        name: write_tiny_model(folder / f"{name}.gguf", dtype="F16", vocabulary=512, **shape)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def matrices(models: dict[str, Path]) -> dict[str, Path]:
    text = models["odd"].with_name("text.txt")
    text.write_text(Path(__file__).read_text(encoding="utf-8")[:6000], encoding="utf-8")
    found = {}
    for name, model in models.items():
        found[name] = model.with_name(f"{name}.imatrix.gguf")
        imatrix_of_text(model, found[name], text, Settings(n_chunks=4, context_tokens=64, n_threads=1))
    return found


def contents(path: Path) -> tuple[dict[str, Any], list[tuple[str, str, bytes]]]:
    """Metadata and tensors, in the file's order."""
    reader = gguf.GGUFReader(path)
    metadata = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    return metadata, [(one.name, one.tensor_type.name, one.data.tobytes()) for one in reader.tensors]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "imatrix"])
@pytest.mark.parametrize("name", ["fitting", "odd"])
@pytest.mark.parametrize("file_type", COMPARED)
def test_the_result_is_that_of_llama_quantize(
    models: dict[str, Path],
    matrices: dict[str, Path],
    tmp_path: Path,
    file_type: FileType,
    name: str,
    weighted: bool,
) -> None:
    ours, theirs = tmp_path / "ours.gguf", tmp_path / "theirs.gguf"
    imatrix = matrices[name] if weighted else None
    report = quantize(models[name], ours, file_type, imatrix=imatrix, n_threads=1)
    option = ["--imatrix", str(imatrix)] if imatrix else []
    command = [tool("llama-quantize"), *option, models[name], theirs, file_type, "1"]
    run_to_end(command, check=True, idle_s=60)
    metadata, tensors = contents(ours)
    their_metadata, their_tensors = contents(theirs)
    assert tensors == their_tensors
    assert "stardraft" in metadata.pop("general.quantized_by")
    assert metadata == their_metadata
    assert (report.n_fallback > 0) == (name == "odd" and file_type != "Q8_0")
    assert ("quantize.imatrix.chunks_count" in metadata) == weighted


def test_an_importance_matrix_changes_the_weights_and_is_told_of(
    models: dict[str, Path], matrices: dict[str, Path], tmp_path: Path
) -> None:
    plain, weighted = tmp_path / "plain.gguf", tmp_path / "weighted.gguf"
    quantize(models["fitting"], plain, "Q4_K_M", n_threads=1)
    report = quantize(models["fitting"], weighted, "Q4_K_M", imatrix=matrices["fitting"], n_threads=1)
    assert contents(plain)[1] != contents(weighted)[1]
    assert report.imatrix_chunks == 4
    assert report.imatrix_datasets[0].endswith("text.txt")
    assert report.n_unimportant == 1, "the embedding"
    metadata = contents(weighted)[0]
    assert metadata["quantize.imatrix.file"] == str(matrices["fitting"])[:127]
    assert metadata["quantize.imatrix.entries_count"] == 24


def test_what_the_source_says_of_itself_is_kept(models: dict[str, Path], tmp_path: Path) -> None:
    def add(writer: Any) -> None:
        writer.add_string("general.license", "bigcode-openrail-m")
        writer.add_string("general.base_model.0.repo_url", "https://example.org/bigcode/starcoder2-3b")
        writer.add_uint32("starcoder2.attention.sliding_window", 256)

    source, out = rewrite(models["odd"], tmp_path / "source.gguf", add), tmp_path / "out.gguf"
    quantize(source, out, "Q8_0", n_threads=1)
    before, after = contents(source)[0], contents(out)[0]
    changed = {"general.file_type", "general.quantized_by", "general.quantization_version"}
    assert {key: after[key] for key in before.keys() - changed} == {
        key: before[key] for key in before.keys() - changed
    }
    assert after.keys() - before.keys() <= changed
    assert fim_tokens(read_header(out)) == fim_tokens(read_header(source))
    assert read_header(out).file_type == "Q8_0"


def test_a_tensor_gets_the_type_that_is_asked_for_and_pure_keeps_none_better(
    models: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.gguf"
    report = quantize(models["fitting"], out, "Q4_K_M", embedding_type="Q8_0", n_threads=1)
    types = {tensor.name: tensor.type for tensor in read_header(out).tensors}
    assert types["token_embd.weight"] == "Q8_0"
    assert report.types["Q6_K"] > 0
    report = quantize(models["fitting"], out, "Q4_K_M", pure=True, n_threads=1)
    assert set(report.types) == {"F32", "Q4_K"}


def test_progress_goes_through_all_tensors(models: dict[str, Path], tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    quantize(
        models["odd"],
        tmp_path / "out.gguf",
        "Q8_0",
        n_threads=1,
        on_progress=lambda done, total, tensor: seen.append((done, total, tensor)),
    )
    names = [tensor.name for tensor in read_header(models["odd"]).tensors]
    assert [done for done, _, _ in seen] == list(range(len(names)))
    assert {total for _, total, _ in seen} == {len(names)}
    assert sorted(tensor for _, _, tensor in seen) == sorted(names)


def test_a_quantized_source_is_refused_unless_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    with pytest.raises(ModelError, match="quantized already"):
        quantize(BUILT_IN, out, "Q4_K_M")
    assert not out.exists()
    report = quantize(BUILT_IN, out, "Q5_0", allow_requantize=True)
    assert "worse" in report.warnings[0]
    assert read_header(out).file_type == "Q5_0"


def test_the_source_itself_is_never_the_target(models: dict[str, Path], tmp_path: Path) -> None:
    source, other_name = tmp_path / "source.gguf", tmp_path / "link.gguf"
    source.write_bytes(models["odd"].read_bytes())
    other_name.hardlink_to(source)
    with pytest.raises(RequestError, match="would overwrite"):
        quantize(source, other_name, "Q8_0")
    assert source.read_bytes() == models["odd"].read_bytes()


def test_what_is_no_sound_model_never_reaches_llama_cpp(models: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(models["odd"].read_bytes()[:-1000])
    with pytest.raises(ModelFormatError, match="truncated"):
        quantize(cut, tmp_path / "out.gguf", "Q8_0")
    foreign = rewrite(
        models["odd"],
        tmp_path / "foreign.gguf",
        lambda writer: writer.add_string("general.type", "adapter"),
    )
    with pytest.raises(ModelUnsupportedError, match="part of one"):
        quantize(foreign, tmp_path / "out.gguf", "Q8_0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.gguf", "foreign.gguf"]


def test_an_importance_matrix_of_another_model_is_refused(
    models: dict[str, Path], matrices: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelFormatError, match="another model"):
        quantize(models["fitting"], tmp_path / "out.gguf", "Q4_K_M", imatrix=matrices["odd"])
    with pytest.raises(ModelFormatError, match="another kind"):
        quantize(models["fitting"], tmp_path / "out.gguf", "Q4_K_M", imatrix=models["odd"])
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_crash_of_llama_cpp_is_one_sentence(models: dict[str, Path], tmp_path: Path) -> None:
    def crash(done: int, _total: int, _tensor: str) -> None:
        for child in psutil.Process().children() if done == 0 else ():
            if any("quantize.process" in part for part in command_of(child)):
                child.send_signal(signal.SIGSEGV)

    with pytest.raises(EngineCrashedError, match=r"that quantized .* was ended by SIGSEGV \(11\)"):
        quantize(models["fitting"], tmp_path / "out.gguf", "IQ4_XS", n_threads=1, on_progress=crash)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def limit_on_file_sizes(n_bytes: int) -> Iterator[None]:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@posix
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9999])
def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(
    models: dict[str, Path], tmp_path: Path, share: float
) -> None:
    """In the header, in the middle, and in the last bytes, which llama.cpp itself does not notice."""
    n_bytes = int(len(contents_of(models["odd"], tmp_path)) * share)
    with limit_on_file_sizes(n_bytes), pytest.raises(ModelError, match="the disk took"):
        quantize(models["odd"], tmp_path / "out.gguf", "Q8_0", n_threads=1)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_written(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    needed = len(contents_of(models["odd"], tmp_path))
    usage = shutil.disk_usage(tmp_path)
    started: list[int] = []

    def quantize_with(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=free))
        quantize(
            models["odd"],
            tmp_path / "out.gguf",
            "Q8_0",
            n_threads=1,
            on_progress=lambda done, _total, _tensor: started.append(done),
        )

    with pytest.raises(ModelError, match="GB free"):
        quantize_with(int(needed * 0.95))
    assert started == []
    assert list(tmp_path.iterdir()) == []
    quantize_with(int(needed * 1.05))


def contents_of(source: Path, folder: Path) -> bytes:
    out = folder / "full.gguf"
    quantize(source, out, "Q8_0", n_threads=1)
    written = out.read_bytes()
    out.unlink()
    return written


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that a core quantizes for seconds."""
    return write_tiny_model(tmp_path_factory.mktemp("slow") / "model.gguf", hidden=512, ffn=256, dtype="F16")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_of_a_command_that_was_ended(
    slow_model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = command_line(slow_model, tmp_path / "out.gguf", "--type", "IQ4_XS", "--threads", "1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until(lambda: any(path.stat().st_size for path in tmp_path.iterdir()), what="it writes")
        (child,) = psutil.Process(running.pid).children()
        running.send_signal(number)
        stderr = finish(running).stderr
    assert running.returncode == (-number if number == signal.SIGKILL else 130)
    assert b"Traceback" not in stderr
    wait_until(lambda: not list(tmp_path.iterdir()), what="the unfinished file is deleted")
    wait_until(lambda: not child.is_running(), what="the quantizing process has gone")


def test_what_a_killed_run_left_is_deleted_and_a_running_ones_is_not(
    models: dict[str, Path], tmp_path: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    dead, alive, other = (
        tmp_path / name for name in (f".out.gguf.{gone.pid}", f".out.gguf.{os.getppid()}", ".out.gguf.txt")
    )
    for path in (dead, alive, other):
        path.touch()
    quantize(models["odd"], tmp_path / "out.gguf", "Q8_0", n_threads=1)
    assert sorted(tmp_path.iterdir()) == sorted([alive, other, tmp_path / "out.gguf"])


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "stardraftd", "quant", "quantize", *map(str, arguments)]


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return stardraft(dict(os.environ), "quant", "quantize", *map(str, arguments))


def test_the_command_tells_what_it_made(models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    done = run(models["odd"], out, "--threads", "1")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    unwrapped = " ".join(done.stdout.split())
    assert f"{out}: {out.stat().st_size:,} bytes" in unwrapped
    assert "do not fit the blocks of Q4_K_M" in unwrapped
    done = run(models["odd"], out, "--type", "Q8_0", "--json", "--force", "--threads", "1")
    report = json.loads(done.stdout)
    assert (report["file_type"], report["size_bytes"]) == ("Q8_0", out.stat().st_size)


def test_without_llama_cpp_the_command_says_what_to_install(models: dict[str, Path], tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['llama_cpp'] = None; from stardraftd.cli.edge import run; "
        "sys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, *command_line(models["odd"], tmp_path / "out.gguf")[3:]]
    refused = run_to_end(command, text=True, idle_s=60)
    assert refused.returncode == 1
    assert "stardraft setup engine" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_overwrites_nothing_unasked(models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "mine.gguf"
    out.write_text("mine", encoding="utf-8")
    refused = run(models["odd"], out)
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert out.read_text(encoding="utf-8") == "mine"


def test_the_commands_choices_are_those_of_the_quantizer_by_llama_cpps_numbers() -> None:
    from typing import get_type_hints

    from stardraft_quant.cli.quantize import quantize as command

    (offered, _option) = get_args(get_type_hints(command, include_extras=True)["file_type"])
    assert get_args(offered) == get_args(FileType) == tuple(FILE_TYPES)
    assert {name: HEADER_FILE_TYPES[number] for name, number in FILE_TYPES.items()} == {
        name: name for name in FILE_TYPES
    }
