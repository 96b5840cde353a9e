"""Importance matrices: llama-imatrix's numbers, its file format both ways, and files that may be anything."""

import json
import os
import random
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')

import gguf
import msgspec
import numpy as np

from stardraft_quant.code.files import code_files
from stardraft_quant.imatrix import Settings, imatrix_of_code, imatrix_of_text
from stardraft_quant.imatrix.file import Entry, ImportanceMatrix, read_imatrix, write_imatrix
from stardraft_quant.imatrix.rows import code_rows
from stardraft_quant.quantize import quantize
from stardraftd.errors import EngineCrashedError, ModelError, ModelFormatError, RequestError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from tests.cli.program import stardraft
from tests.support.home import command_of
from tests.support.llama_cpp import tool
from tests.support.processes import run_to_end
from tests.support.tiny_models import BUILT_IN, real_tokenizer, rewrite, write_tiny_model

CODE = Path(__file__).parents[2] / "quant" / "stardraft_quant" / "train"
CHUNK = 64
WHOLE_TEXT = Settings(n_chunks=0, context_tokens=CHUNK, n_threads=1)


def write_mixture_of_experts(path: Path) -> Path:
    """A random Qwen3-MoE of two layers and eight experts, two of which see each token."""
    hidden, ffn, heads, kv_heads, experts, n_vocab = 64, 32, 4, 2, 8, 512
    tokens, types, merges = real_tokenizer()
    known = set(tokens[:n_vocab])
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "qwen3moe")
    writer.add_block_count(2)
    writer.add_context_length(512)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_expert_feed_forward_length(ffn)
    writer.add_expert_count(experts)
    writer.add_expert_used_count(2)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(hidden // heads)
    writer.add_value_length(hidden // heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(tokens[:n_vocab])
    writer.add_token_types(types[:n_vocab])
    writer.add_token_merges([one for one in merges if {*one.split(" "), one.replace(" ", "")} <= known])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (n_vocab, hidden), "output_norm": (hidden,)}
    for layer in range(2):
        shapes |= {
            f"blk.{layer}.{name}": shape
            for name, shape in {
                "attn_norm": (hidden,),
                "attn_q": (hidden, hidden),
                "attn_k": (hidden // heads * kv_heads, hidden),
                "attn_v": (hidden // heads * kv_heads, hidden),
                "attn_output": (hidden, hidden),
                "attn_q_norm": (hidden // heads,),
                "attn_k_norm": (hidden // heads,),
                "ffn_norm": (hidden,),
                "ffn_gate_inp": (experts, hidden),
                "ffn_gate_exps": (experts, ffn, hidden),
                "ffn_up_exps": (experts, ffn, hidden),
                "ffn_down_exps": (experts, hidden, ffn),
            }.items()
        }
    for name, shape in shapes.items():
        values = rng.standard_normal(shape) / np.sqrt(shape[-1]) if len(shape) > 1 else np.ones(shape)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_with_bos(path: Path) -> Path:
    plain = write_tiny_model(path.with_name("plain.gguf"), layers=2, vocabulary=512)
    return rewrite(plain, path, lambda writer: writer.add_bool("tokenizer.ggml.add_bos_token", True))


MODELS: dict[str, Callable[[Path], Path]] = {
    "built-in": lambda _path: BUILT_IN,
    "with-bos": write_with_bos,
    "experts": write_mixture_of_experts,
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(CODE.joinpath("corpus.py").read_text(encoding="utf-8")[:3000] + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.gguf"
    return write_tiny_model(path, layers=2, hidden=256, ffn=256, dtype="F16", vocabulary=512)


def llama_imatrix(model: Path, text: Path, out: Path, *options: str) -> None:
    sizes = ["-c", str(CHUNK), "-b", str(CHUNK), "-t", "1", "--no-ppl"]
    command = [tool("llama-imatrix"), "-m", model, "-f", text, "-o", out, *sizes, *options]
    run_to_end(command, check=True, idle_s=120)


@pytest.mark.parametrize("name", MODELS)
def test_the_numbers_are_those_of_llama_imatrix(tmp_path: Path, text: Path, name: str) -> None:
    model = MODELS[name](tmp_path / "model.gguf")
    ours, theirs = tmp_path / "ours.gguf", tmp_path / "theirs.gguf"
    report = imatrix_of_text(model, ours, text, WHOLE_TEXT)
    llama_imatrix(model, text, theirs)
    one, other = read_imatrix(ours), read_imatrix(theirs)
    assert one.entries.keys() == other.entries.keys()
    assert report.n_entries == len(one.entries) > 0
    for weight, entry in one.entries.items():
        assert np.array_equal(entry.counts, other.entries[weight].counts), weight
        # llama-imatrix adds in single precision, one after another: its own rounding is that large.
        np.testing.assert_allclose(entry.sums, other.entries[weight].sums, rtol=1e-4, err_msg=weight)
    assert (one.datasets, one.n_chunks, one.chunk_tokens) == (
        other.datasets,
        other.n_chunks,
        other.chunk_tokens,
    )
    assert ours.stat().st_size == theirs.stat().st_size
    if name == "experts":
        assert len(one.entries["blk.0.ffn_down_exps.weight"].counts) == 8


def test_a_file_of_llama_imatrix_written_again_is_the_same_bytes(
    tmp_path: Path, text: Path, model: Path
) -> None:
    llama_imatrix(model, text, tmp_path / "theirs.gguf")
    write_imatrix(tmp_path / "again.gguf", read_imatrix(tmp_path / "theirs.gguf"))
    assert (tmp_path / "again.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()


@pytest.mark.parametrize("form", ["gguf", "dat"])
def test_llama_imatrix_files_of_both_forms_quantize_as_in_llama_quantize(
    tmp_path: Path, text: Path, model: Path, form: str
) -> None:
    matrix = tmp_path / f"theirs.{form}"
    llama_imatrix(model, text, matrix, "--output-format", form)
    assert read_imatrix(matrix).legacy == (form == "dat")
    ours, theirs = tmp_path / "ours.gguf", tmp_path / "theirs.gguf.out"
    quantize(model, ours, "Q4_K_M", imatrix=matrix, n_threads=1)
    command = [tool("llama-quantize"), "--imatrix", matrix, model, theirs, "Q4_K_M", "1"]
    run_to_end(command, check=True, idle_s=60)
    one, other = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    assert [(t.name, t.data.tobytes()) for t in one.tensors] == [
        (t.name, t.data.tobytes()) for t in other.tensors
    ]
    for key in ("quantize.imatrix.dataset", "quantize.imatrix.chunks_count"):
        assert one.fields[key].contents() == other.fields[key].contents()


def test_code_is_evaluated_in_fim_form_for_a_seed_always_the_same(tmp_path: Path) -> None:
    documents = code_files([CODE])
    settings = Settings(n_chunks=3, context_tokens=128, seed=1, n_threads=1)
    files = {name: tmp_path / f"{name}.gguf" for name in ("one", "same", "other")}
    seen: list[tuple[int, int]] = []
    report = imatrix_of_code(
        BUILT_IN, files["one"], documents, settings, on_progress=lambda *at: seen.append(at)
    )
    imatrix_of_code(BUILT_IN, files["same"], documents, settings)
    imatrix_of_code(BUILT_IN, files["other"], documents, msgspec.structs.replace(settings, seed=2))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert files["one"].read_bytes() == files["same"].read_bytes()
    assert files["one"].read_bytes() != files["other"].read_bytes()
    assert (report.n_chunks, report.n_tokens, report.n_files) == (3, 3 * 128, len(documents))
    matrix = read_imatrix(files["one"])
    assert matrix.datasets == ("code in FIM form: train",), "names, and no paths"
    assert {int(entry.counts[0]) for entry in matrix.entries.values()} == {3 * 128}


@pytest.mark.parametrize("repository_form", [True, False])
def test_rows_hold_the_sentinels_that_the_model_has(repository_form: bool) -> None:
    tokens = fim_tokens(read_header(BUILT_IN))
    if not repository_form:
        tokens = msgspec.structs.replace(tokens, repository=None, separator=None)

    def encode(text: str) -> list[int]:
        return [1000] * (len(text) // 4 + 1)

    rows = list(code_rows(code_files([CODE]), encode, tokens, seed=0, n=40, columns=512))
    assert [len(row) for row in rows] == [512] * 40
    found = {token for row in rows for token in row if token < 1000}
    wanted = {tokens.prefix, tokens.suffix, tokens.middle, tokens.end_of_text}
    if repository_form:
        assert tokens.repository is not None
        assert tokens.separator is not None
        wanted |= {tokens.repository, tokens.separator}
    assert found == wanted
    spm = [
        row
        for row in rows
        for at, token in enumerate(row[:-1])
        if row[at : at + 2] == [tokens.prefix, tokens.suffix]
    ]
    assert bool(spm) == repository_form, "plain PSM where the model may not know the other form"


SOUND = ImportanceMatrix(
    {"blk.0.ffn_up.weight": Entry(np.arange(8, dtype=np.float32).reshape(2, 4), np.array([3, 5]))},
    ("x",),
    1,
    512,
)


def sound_bytes(folder: Path) -> bytes:
    write_imatrix(folder / "sound.gguf", SOUND)
    return (folder / "sound.gguf").read_bytes()


def patched(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def patch(raw: bytes) -> bytes:
        assert raw.count(old) == 1
        return raw.replace(old, new)

    return patch


f32 = struct.Struct("<f").pack
DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _raw: b"", "neither"),
    "text": (lambda _raw: b"\xff\xff\xff\x7fnot a matrix", "number of entries"),
    "truncated": (lambda raw: raw[:-60], "truncated"),
    "header-cut": (lambda raw: raw[:100], "truncated"),
    "nan": (patched(f32(6.0), f32(float("nan"))), "not finite"),
    "infinite": (patched(f32(6.0), f32(float("inf"))), "not finite"),
    "negative": (patched(f32(6.0), f32(-6.0)), "negative"),
    "vast-count": (patched(f32(3.0) + f32(5.0), f32(3.0) + f32(1e30)), "a count of"),
    "other-kind": (
        patched(b"imatrix" + struct.pack("<Q", 16), b"adapter" + struct.pack("<Q", 16)),
        "another",
    ),
    "no-counts": (patched(b"weight.counts", b"weight.c0unts"), "no counts"),
    "vast": (patched(struct.pack("<QQ", 4, 2), struct.pack("<QQ", 1 << 40, 1 << 20)), "values"),
    "missing-key": (patched(b"imatrix.chunk_size", b"imatrix.chunk_zize"), "is missing"),
    "array": (patched(b"imatrix.datasets", b"imatrix.datazets"), "another kind"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    change, reason = DAMAGED[name]
    path = tmp_path / "damaged"
    path.write_bytes(change(sound_bytes(tmp_path)))
    with pytest.raises(ModelFormatError, match=reason) as refused:
        read_imatrix(path)
    assert "imatrix" in refused.value.hint


def test_whatever_the_bytes_are_nothing_but_a_refusal_comes_of_them(tmp_path: Path) -> None:
    sound = sound_bytes(tmp_path)
    name = b"blk.0.ffn_up.weight"
    legacy = struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii4fi", 2, 4, 1, 2, 3, 4, 2)
    path = tmp_path / "mutated"
    rng, refused = random.Random(0), 0
    for _ in range(400):
        raw = bytearray(rng.choice([sound, legacy]))
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        path.write_bytes(raw[: rng.randint(0, len(raw))] if rng.random() < 0.2 else raw)
        try:
            values = read_imatrix(path).importances()
        except ModelFormatError:
            refused += 1
        else:
            assert all(np.isfinite(value).all() for value in values.values())
    assert 50 < refused < 400


def test_an_expert_that_saw_nothing_weighs_all_its_inputs_alike() -> None:
    sums = np.array([[2.0, 4.0], [0.0, 0.0]], np.float32)
    matrix = ImportanceMatrix({"w": Entry(sums, np.array([2, 0]))}, (), 1, 512)
    assert matrix.importances()["w"].tolist() == [1.0, 2.0, 1.0, 1.0]


class StoppedError(Exception):
    pass


def stop(done: int, _total: int) -> None:
    if done:
        raise StoppedError


def crash(done: int, _total: int) -> None:
    for child in psutil.Process().children() if done == 0 else ():
        if any("imatrix.process" in part for part in command_of(child)):
            child.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(("on_progress", "error"), [(stop, StoppedError), (crash, EngineCrashedError)])
def test_nothing_is_left_of_a_run_that_was_ended(
    tmp_path: Path, on_progress: Callable[[int, int], None], error: type[Exception]
) -> None:
    settings = Settings(n_chunks=500, context_tokens=512, n_threads=1)
    with pytest.raises(error):
        imatrix_of_code(
            BUILT_IN, tmp_path / "out.gguf", code_files([CODE]), settings, on_progress=on_progress
        )
    assert list(tmp_path.iterdir()) == []
    assert not [
        child for child in psutil.Process().children() if "imatrix.process" in " ".join(command_of(child))
    ]


def test_a_model_that_computes_no_numbers_is_told(tmp_path: Path, text: Path, model: Path) -> None:
    broken = tmp_path / "broken.gguf"
    raw = bytearray(model.read_bytes())
    header = read_header(model)
    norm = next(tensor for tensor in header.tensors if tensor.name == "blk.0.attn_norm.weight")
    start = header.data_offset + norm.offset
    raw[start : start + 4] = f32(float("inf"))
    broken.write_bytes(raw)
    with pytest.raises(ModelError, match="not finite"):
        imatrix_of_text(broken, tmp_path / "out.gguf", text, WHOLE_TEXT)
    assert list(tmp_path.iterdir()) == [broken]


def test_a_short_text_and_a_chunk_of_no_size_are_refused(tmp_path: Path, model: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("def f(): pass\n", encoding="utf-8")
    out = tmp_path / "out.gguf"
    with pytest.raises(RequestError, match="two chunks of 64"):
        imatrix_of_text(model, out, short, WHOLE_TEXT)
    with pytest.raises(RequestError, match="16 tokens"):
        imatrix_of_text(model, out, short, Settings(context_tokens=16))
    with pytest.raises(RequestError, match="could not be read"):
        imatrix_of_text(model, out, tmp_path / "none.txt", WHOLE_TEXT)


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return stardraft(dict(os.environ), "quant", "imatrix", *map(str, arguments))


def test_the_command_goes_from_a_folder_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    done = run(BUILT_IN, out, CODE, "--chunks", 2, "--context", 64, "--threads", 1, "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["n_chunks"] == read_imatrix(out).n_chunks == 2
    again = run(BUILT_IN, out, CODE)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)


def test_the_command_wants_code_or_a_text_and_not_both(tmp_path: Path, text: Path) -> None:
    for given in ([], [CODE, "--text", text]):
        refused = run(BUILT_IN, tmp_path / "out.gguf", *given)
        assert refused.returncode == 2
        assert "--text" in refused.stderr
