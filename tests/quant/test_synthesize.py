"""Random models of a true shape: the same tensors in the same types as llama.cpp's quantizer makes them."""

import ctypes
import os
from pathlib import Path

import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')

from stardraft_quant.shared.tokenizer_source import built_in_model
from stardraft_quant.synthesize import FILE_TYPES, FileType, synthesize, tensors
from stardraftd.errors import ModelError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from stardraftd.models.catalogue import SHAPES, Shape
from tests.cli.program import stardraft
from tests.support.tiny_models import random_model

SMALL = Shape("small", 9, 256, 512, 4, 2, 512, 10000.0)
N_VOCAB = 49_152


def described(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.type, tuple(tensor.shape)) for tensor in read_header(path).tensors}


@pytest.mark.parametrize("file_type", ["Q4_K_M", "Q8_0"])
def test_every_tensor_has_the_type_that_llama_cpps_quantizer_gives_it(
    tmp_path: Path, file_type: FileType
) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')
    plain, quantized, drawn = (tmp_path / name for name in ("f16.gguf", "quantized.gguf", "drawn.gguf"))
    synthesize(SMALL, "F16", plain, tokenizer_from=random_model())
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[file_type]
    code = llama_cpp.llama_model_quantize(str(plain).encode(), str(quantized).encode(), ctypes.byref(params))
    assert code == 0
    synthesize(SMALL, file_type, drawn, tokenizer_from=random_model())
    assert described(drawn) == described(quantized)


def test_the_weights_have_the_deviation_of_a_fresh_model_and_the_seed_decides_them(tmp_path: Path) -> None:
    import gguf
    import numpy as np

    for file_type in FILE_TYPES:
        one, same, other = (tmp_path / f"{file_type}-{name}.gguf" for name in ("one", "same", "other"))
        for path, seed in ((one, 1), (same, 1), (other, 2)):
            synthesize(SMALL, file_type, path, tokenizer_from=random_model(), seed=seed)
        assert one.read_bytes() == same.read_bytes()
        assert one.read_bytes() != other.read_bytes()
        for tensor in gguf.GGUFReader(one).tensors:
            if (
                not tensor.name.endswith("weight")
                or not tensor.name.startswith("blk.")
                or "norm" in tensor.name
            ):
                continue
            weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            assert abs(float(weights.std()) - 0.02) < 0.001, tensor.name
            assert abs(float(weights.mean())) < 0.001, tensor.name


def test_the_3b_has_the_published_sizes() -> None:
    sizes = {
        file_type: sum(tensor.size_bytes for tensor in tensors(SHAPES["starcoder2-3b"], N_VOCAB, file_type))
        for file_type in FILE_TYPES
    }
    # The files of the real model's shape, less some 1.75 MB of header and tokenizer.
    published = {"F16": 6_064_559_200, "Q8_0": 3_224_556_672, "Q4_K_M": 1_887_904_896}
    for file_type, size in published.items():
        assert 1_700_000 < size - sizes[file_type] < 1_800_000, file_type


def test_the_tokenizer_and_its_sentinels_are_the_real_ones(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    synthesize(SMALL, "Q8_0", path, tokenizer_from=built_in_model())
    assert fim_tokens(read_header(path)) == fim_tokens(read_header(built_in_model()))
    assert read_header(path).vocabulary_size == N_VOCAB


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        synthesize(SMALL, "Q8_0", tmp_path / "m.gguf", tokenizer_from=random_model(), on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_and_a_folder_that_is_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        synthesize(SMALL, "Q8_0", tmp_path / "no" / "m.gguf", tokenizer_from=random_model())
    vast = Shape("vast", 30_000, 3072, 12288, 24, 2, 512, 10000.0)
    with pytest.raises(ModelError, match="GB free"):
        synthesize(vast, "F16", tmp_path / "m.gguf", tokenizer_from=random_model())


def test_a_file_that_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_text("mine", encoding="utf-8")
    refused = stardraft(dict(os.environ), "quant", "synthesize", str(path))
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_what_it_says_is_as_long_for_whoever_asks_and_never_ends(tmp_path: Path, file_type: FileType) -> None:
    pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')
    from stardraftd.engine.native import backend, llama
    from stardraftd.engine.native.loading import load
    from stardraftd.protocol.engine import EngineSettings
    from tests.support.engines import ask, slow_engine

    path = tmp_path / "model.gguf"
    synthesize(SMALL, file_type, path, tokenizer_from=random_model())
    backend.open_backend()
    settings = EngineSettings(model_path=str(path), context_tokens=1024, gpu_layers=0)
    loaded = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
    try:
        for prefix in ("", "import os\n\n", "def total(items):\n    return ", "x = [1, 2"):
            asked = ask(slow_engine(loaded), prefix, "\n\nend\n")
            assert asked.figures.n_generated == 8
            assert set(asked.text) <= set(" $%?@^~")
            assert len(asked.text) == 16
    finally:
        loaded.close()
