"""How many bytes a model takes, beside what llama.cpp itself decides and logs."""

import ctypes
import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stardraftd.gguf.reading import read_header
from stardraftd.models.catalogue import SHAPES, Shape, shape_of
from stardraftd.models.memory import (
    HEADER_BYTES,
    QUANTIZATIONS,
    Quantization,
    cells,
    compute_bytes,
    kv_bytes_per_token,
    need,
    output_bytes,
    tensors,
    weights,
    weights_of,
)
from stardraftd.paths import builtin_model_path
from tests.support.processes import run_to_end

N_VOCAB = 512  # of the models made here: quickly written
SMALL = Shape("small", 9, 256, 512, 4, 2, 512, 10_000.0, vocabulary=N_VOCAB)
THREE_B = SHAPES["starcoder2-3b"]
FILE_TYPES = {"Q8_0": 7, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18}  # llama.h, enum llama_ftype

# Only a process of its own may load llama.cpp; this one loads a model as the engine does and prints the log.
LOG = """
import json, sys
from collections import deque
from pathlib import Path
from stardraftd.engine.native import backend, llama

backend._log_lines = deque(maxlen=100_000)
backend.open_backend()
path, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
model = llama.Model(path, gpu_layers=0, use_mmap=False)
logs = [backend.recent_log(100_000)]
for n_cells, batch_tokens, kv_type in cases:
    backend._log_lines.clear()
    llama.Context(model, n_cells=n_cells, n_sequences=32, n_batch=batch_tokens, n_micro_batch=batch_tokens,
                  n_threads=1, flash_attention="off" if kv_type == "f16" else "auto", kv_type=kv_type).close()
    logs.append(backend.recent_log(100_000))
print(json.dumps(logs))
"""


def logged(path: Path, cases: list[tuple[int, int, str]]) -> list[dict[str, float]]:
    """The bytes of each kind of buffer: first those of the model, then those of each context."""
    pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')
    run = run_to_end(
        [sys.executable, "-c", LOG, str(path), json.dumps(cases)], text=True, check=True, idle_s=60
    )
    sizes: list[dict[str, float]] = []
    for log in json.loads(run.stdout.splitlines()[-1]):
        found: dict[str, float] = {}
        for kind, mebibytes in re.findall(r"(model|KV|compute|output) buffer size = +([\d.]+) MiB", log):
            found[kind] = found.get(kind, 0.0) + float(mebibytes) * 2**20
        sizes.append(found)
    return sizes


# --- against llama.cpp ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cases",
    [[(512, 512, "f16"), (8000, 512, "f16"), (16384, 512, "f16"), (16384, 128, "f16"), (8192, 512, "q8_0")]],
)
def test_the_built_in_models_memory_is_what_llama_cpp_logs(cases: list[tuple[int, int, str]]) -> None:
    path = builtin_model_path()
    header = read_header(path)
    shape = shape_of(header, "built in")
    of_model, *of_contexts = logged(path, cases)
    assert weights_of(shape.layers, header.tensors).total_bytes == pytest.approx(of_model["model"], rel=0.01)
    for (n, batch_tokens, kv_type), log in zip(cases, of_contexts, strict=True):
        kv = cells(n) * kv_bytes_per_token(shape, kv_type)  # type: ignore[arg-type]
        assert kv == pytest.approx(log["KV"], rel=0.01)
        assert output_bytes(shape) == pytest.approx(log["output"], rel=0.01)
        buffers = compute_bytes(shape, cells(n), flash_attention=kv_type != "f16", batch_tokens=batch_tokens)
        assert log["compute"] * 0.999 <= buffers <= log["compute"] * 1.06


def test_attention_decides_the_buffers_of_a_long_context_exactly(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason='pip install "stardraft[quant]"')
    from tests.support.tiny_models import write_tiny_model

    path = write_tiny_model(
        tmp_path / "wide.gguf", layers=1, hidden=512, ffn=1024, heads=16, kv_heads=4, vocabulary=N_VOCAB
    )
    shape = shape_of(read_header(path), "wide")
    _, short, long = logged(path, [(2048, 512, "f16"), (8192, 512, "f16")])
    for n, log in ((2048, short), (8192, long)):
        assert compute_bytes(shape, n, flash_attention=False) == pytest.approx(log["compute"], rel=0.001)


@pytest.mark.parametrize("quantization", sorted(FILE_TYPES))
def test_each_tensor_has_the_type_that_llama_cpps_quantizer_gives_it(
    tmp_path: Path, quantization: Quantization
) -> None:
    pytest.importorskip("gguf", reason='pip install "stardraft[quant]"')
    llama_cpp: Any = pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')
    from tests.support.tiny_models import write_tiny_model

    plain, made = tmp_path / "f16.gguf", tmp_path / "made.gguf"
    write_tiny_model(
        plain, layers=9, hidden=256, ffn=512, heads=4, kv_heads=2, dtype="F16", vocabulary=N_VOCAB
    )
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[quantization]
    assert llama_cpp.llama_model_quantize(str(plain).encode(), str(made).encode(), ctypes.byref(params)) == 0
    theirs = {tensor.name: (tensor.type, tensor.size_bytes) for tensor in read_header(made).tensors}
    assert {
        tensor.name: (tensor.type, tensor.size_bytes) for tensor in tensors(SMALL, quantization)
    } == theirs
    assert weights(SMALL, quantization) == weights_of(9, read_header(made).tensors)


# --- published sizes, and logs of the 3B shape as they were read ---------------------------------------


@pytest.mark.parametrize(
    ("quantization", "file_bytes"),
    [("Q4_K_M", 1_887_904_896), ("Q8_0", 3_224_556_672), ("F16", 6_064_559_200)],
)
def test_the_files_of_the_3b_have_their_published_sizes(quantization: Quantization, file_bytes: int) -> None:
    assert weights(THREE_B, quantization).total_bytes + HEADER_BYTES == pytest.approx(file_bytes, rel=0.001)


@pytest.mark.parametrize(
    ("name", "n_cells", "batch_tokens", "flash", "mebibytes"),
    [
        ("starcoder2-3b", 2048, 512, False, 131.01),
        ("starcoder2-3b", 4096, 512, False, 231.01),
        ("starcoder2-3b", 8192, 512, False, 431.01),
        ("starcoder2-3b", 16384, 512, False, 831.01),
        ("starcoder2-3b", 8192, 1024, False, 862.02),
        ("starcoder2-3b", 8192, 128, False, 107.75),
        ("starcoder2-3b", 512, 512, False, 114.00),
        ("starcoder2-3b", 131072, 512, True, 170.09),
        ("starcoder2-7b", 8192, 512, False, 639.01),
        ("starcoder2-7b", 65536, 512, True, 127.09),
        ("starcoder2-15b", 16384, 512, False, 1630.01),
        ("starcoder2-15b", 131072, 512, True, 212.09),
    ],
)
def test_compute_buffers_are_those_that_llama_cpp_logged(
    name: str, n_cells: int, batch_tokens: int, flash: bool, mebibytes: float
) -> None:
    found = compute_bytes(SHAPES[name], n_cells, flash_attention=flash, batch_tokens=batch_tokens)
    assert found / 2**20 == pytest.approx(mebibytes, rel=0.001)


def test_a_token_of_the_3b_takes_30720_bytes_of_cache() -> None:
    assert kv_bytes_per_token(THREE_B, "f16") == 30_720
    assert kv_bytes_per_token(THREE_B, "q8_0") == 16_320
    assert cells(8000) == 8192


# --- among devices -------------------------------------------------------------------------------------


def test_all_layers_on_a_gpu_leave_the_embedding_in_ram_and_have_it_twice_when_tied() -> None:
    found = weights(THREE_B, "Q4_K_M")
    whole = THREE_B.layers + 1
    assert found.tied
    assert found.in_ram_bytes(whole) == found.embedding_bytes
    assert found.on_gpu_bytes(whole) == found.total_bytes
    assert found.in_ram_bytes(0) == found.total_bytes
    assert found.on_gpu_bytes(0) == 0


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_each_layer_that_moves_to_the_gpu_moves_its_weights_and_its_cache(quantization: Quantization) -> None:
    found = weights(SMALL, quantization)
    needs = [need(SMALL, found, context_tokens=1024, gpu_layers=n) for n in range(1, SMALL.layers + 2)]
    for one, more in pairwise(needs):
        assert more.kv_vram_bytes > one.kv_vram_bytes
        assert more.weights_vram_bytes > one.weights_vram_bytes
        assert one.kv_bytes == more.kv_bytes
        assert one.weights_bytes == more.weights_bytes
    assert needs[-1].kv_ram_bytes == 0


def test_an_untied_embedding_is_not_read_for_each_token() -> None:
    from stardraftd.gguf.reading import TensorInfo

    infos = (
        TensorInfo("token_embd.weight", (64, 100), "F16", 0, 12_800),
        TensorInfo("output.weight", (64, 100), "F16", 12_800, 12_800),
        TensorInfo("blk.0.attn_q.weight", (64, 64), "F16", 25_600, 8_192),
    )
    found = weights_of(1, infos)
    assert not found.tied
    assert found.read_per_token_bytes == 20_992
    assert found.on_gpu_bytes(2) == 20_992
    assert found.in_ram_bytes(2) == 12_800
