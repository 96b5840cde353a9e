"""A checkpoint is untrusted: whatever is wrong with it is said in a sentence, before anything is written."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("safetensors", reason='install it with pip install "stardraft[quant]"')

from safetensors.numpy import load_file, save_file

from stardraft_quant.convert import Provenance, convert
from stardraftd.errors import (
    ModelError,
    ModelFormatError,
    ModelNotFoundError,
    ModelUnsupportedError,
    RequestError,
)
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from tests.support.checkpoints import write_plain_checkpoint


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plain_checkpoint(tmp_path_factory.mktemp("original") / "checkpoint", shards=2)


@pytest.fixture
def checkpoint(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "checkpoint"))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.glob(".*"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def refused(checkpoint: Path, error: type[ModelError], sentence: str) -> ModelError:
    out = checkpoint.parent / "out.gguf"
    with pytest.raises(error, match=sentence) as caught:
        convert(checkpoint, out)
    assert not out.exists()
    assert caught.value.hint
    return caught.value


def test_the_checkpoint_that_the_tests_damage_is_sound(checkpoint: Path, tmp_path: Path) -> None:
    report = convert(checkpoint, tmp_path / "out.gguf")
    assert fim_tokens(read_header(tmp_path / "out.gguf")).separator == 6
    assert (report.n_nan, report.n_infinite, report.notes) == (0, 0, ())


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, ModelUnsupportedError, "LlamaForCausalLM"),
        ({"architectures": None}, ModelUnsupportedError, "without 'architectures'"),
        ({"hidden_act": "relu"}, ModelUnsupportedError, "hidden_act"),
        ({"norm_type": "rms_norm"}, ModelUnsupportedError, "norm_type"),
        ({"rope_scaling": {"type": "linear", "factor": 4}}, ModelUnsupportedError, "linear"),
        ({"rope_scaling": [4]}, ModelFormatError, "rope_parameters"),
        ({"rope_theta": -1}, ModelFormatError, "rope_theta"),
        ({"norm_epsilon": "small"}, ModelFormatError, "norm_epsilon"),
        ({"num_hidden_layers": 10**9}, ModelFormatError, "num_hidden_layers"),
        ({"num_hidden_layers": True}, ModelFormatError, "num_hidden_layers"),
        ({"num_attention_heads": 3}, ModelFormatError, "do not fit together"),
        ({"hidden_size": 64}, ModelFormatError, "has the shape"),
        ({"intermediate_size": 7}, ModelFormatError, "has the shape"),
        ({"num_hidden_layers": 2}, ModelFormatError, "missing in .*model.layers.1"),
        ({"use_bias": False}, ModelFormatError, "bias' that a StarCoder2"),
        ({"tie_word_embeddings": False}, ModelFormatError, "missing in .*lm_head"),
        ({"head_dim": 64}, ModelUnsupportedError, "heads of 64"),
        ({"sliding_window": -4}, ModelFormatError, "sliding_window"),
        ({"pad_token_id": 10**6}, ModelFormatError, "pad_token_id"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    checkpoint: Path, changes: dict[str, Any], error: type[ModelError], sentence: str
) -> None:
    edit(checkpoint / "config.json", lambda config: config.update(changes))
    refused(checkpoint, error, sentence)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'])
def test_a_configuration_that_is_no_json_object_is_refused(checkpoint: Path, content: bytes) -> None:
    checkpoint.joinpath("config.json").write_bytes(content)
    refused(checkpoint, ModelFormatError, "config.json")


@pytest.mark.parametrize(
    "name",
    ["../x.safetensors", "/etc/x.safetensors", "a/x.safetensors", "a\\x.safetensors", "..", "x.bin", "", 7,
     "\u0000.safetensors", ".x.safetensors", "C:x.safetensors"],
)  # fmt: skip
def test_an_index_may_not_name_files_elsewhere(checkpoint: Path, name: object) -> None:
    for place in (checkpoint.parent, checkpoint / "a"):
        place.mkdir(exist_ok=True)
        shutil.copy(checkpoint / "model-00001-of-00002.safetensors", place / "x.safetensors")
    index = checkpoint / "model.safetensors.index.json"
    edit(index, lambda content: content["weight_map"].update({"model.norm.bias": name}))
    refused(checkpoint, ModelFormatError, "in the same folder")


def test_links_to_weights_are_followed_as_the_hubs_cache_has_them(checkpoint: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for index, file in enumerate(sorted(checkpoint.iterdir())):
        file.rename(blobs / str(index))
        file.symlink_to(Path("..", "blobs", str(index)))
    convert(checkpoint, tmp_path / "out.gguf")
    assert read_header(tmp_path / "out.gguf").n_layers == 1


def test_what_is_missing_is_named(checkpoint: Path) -> None:
    shard = checkpoint / "model-00002-of-00002.safetensors"
    kept = shard.read_bytes()
    shard.unlink()
    refused(checkpoint, ModelNotFoundError, "missing in .*: model-00002-of-00002.safetensors")
    shard.symlink_to("nowhere")
    refused(checkpoint, ModelNotFoundError, "missing in .*: model-00002-of-00002.safetensors")
    shard.unlink()
    shard.write_bytes(kept)
    edit(checkpoint / "model.safetensors.index.json", lambda content: content.pop("weight_map"))
    refused(checkpoint, ModelFormatError, "weight_map")
    checkpoint.joinpath("model.safetensors.index.json").unlink()
    refused(checkpoint, ModelNotFoundError, "neither model.safetensors nor")
    checkpoint.joinpath("pytorch_model.bin").write_bytes(b"a pickle")
    refused(checkpoint, ModelUnsupportedError, "any program")
    checkpoint.joinpath("config.json").unlink()
    refused(checkpoint, ModelNotFoundError, "no config.json")
    refused(checkpoint / "nowhere", ModelNotFoundError, "no folder")


def test_an_index_that_differs_from_its_files_is_refused(checkpoint: Path) -> None:
    index = checkpoint / "model.safetensors.index.json"
    kept = index.read_text(encoding="utf-8")
    edit(index, lambda content: content["weight_map"].update({"extra": "model-00001-of-00002.safetensors"}))
    refused(checkpoint, ModelFormatError, "'extra' is in")
    index.write_text(kept, encoding="utf-8")
    edit(index, lambda content: content["weight_map"].pop("model.norm.bias"))
    refused(checkpoint, ModelFormatError, "does not name")


def header(**entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        b"\xff" * 8,
        (1 << 40).to_bytes(8, "little") + b"{}",
        (20 << 20).to_bytes(8, "little") + b"{}" + bytes(21 << 20),
        header() + b"x",
        b"\x02" + bytes(7) + b"[]",
        header(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}) + bytes(4),
        header(a={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}),
        header(a={"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}) + bytes(8),
        header(a={"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}) + bytes(4),
        header(a={"dtype": "F32", "shape": [1 << 62, 16], "data_offsets": [0, 0]}),
        header(a={"dtype": "F32", "shape": [1], "data_offsets": [0]}) + bytes(4),
        header(a=7),
    ],
)
def test_a_damaged_weight_file_is_refused(checkpoint: Path, content: bytes) -> None:
    checkpoint.joinpath("model-00002-of-00002.safetensors").write_bytes(content)
    refused(checkpoint, ModelFormatError, "model-00002-of-00002.safetensors|missing")


def test_a_weight_file_that_was_cut_off_is_refused(checkpoint: Path) -> None:
    path = checkpoint / "model-00001-of-00002.safetensors"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 2)
    refused(checkpoint, ModelFormatError, "not a sound safetensors file")


def change_weights(checkpoint: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The second file's tensors, changed, and its names in the index."""
    path, index = checkpoint / "model-00002-of-00002.safetensors", checkpoint / "model.safetensors.index.json"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)

    def rename(content: dict[str, Any]) -> None:
        others = {name: file for name, file in content["weight_map"].items() if file != path.name}
        content["weight_map"] = others | dict.fromkeys(tensors, path.name)

    edit(index, rename)


def test_tensors_that_do_not_belong_are_refused(checkpoint: Path) -> None:
    import numpy as np

    change_weights(
        checkpoint, lambda tensors: tensors.update({"adapter.lora_A": np.zeros((2, 2), np.float32)})
    )
    refused(checkpoint, ModelFormatError, "adapter.lora_A")
    change_weights(checkpoint, lambda tensors: tensors.pop("adapter.lora_A"))
    change_weights(checkpoint, lambda tensors: tensors.update({"model.norm.bias": np.zeros(32, np.int64)}))
    refused(checkpoint, ModelUnsupportedError, "stored as I64")
    change_weights(checkpoint, lambda tensors: tensors.pop("model.norm.bias"))
    refused(checkpoint, ModelFormatError, "missing in .*model.norm.bias")


def test_weights_that_are_no_numbers_or_too_large_are_counted(checkpoint: Path, tmp_path: Path) -> None:
    import numpy as np

    change_weights(
        checkpoint,
        lambda tensors: (
            tensors["model.norm.bias"].__setitem__([3, 4], [np.nan, np.inf]),
            tensors["model.layers.0.mlp.c_proj.weight"].__setitem__((0, 0), 70_000.0),
        ),
    )
    report = convert(checkpoint, tmp_path / "out.gguf")
    assert (report.n_nan, report.n_infinite) == (1, 2)
    report = convert(checkpoint, tmp_path / "out.gguf", "F32", force=True)
    assert (report.n_nan, report.n_infinite) == (1, 1)


def test_a_second_copy_of_the_embedding_is_left_out_and_another_matrix_is_not_guessed_about(
    checkpoint: Path, tmp_path: Path
) -> None:
    embedding = load_file(checkpoint / "model-00001-of-00002.safetensors")["model.embed_tokens.weight"]
    change_weights(checkpoint, lambda tensors: tensors.update({"lm_head.weight": embedding}))
    report = convert(checkpoint, tmp_path / "out.gguf")
    assert "lm_head.weight is left out" in report.notes[0]
    assert "output.weight" not in {tensor.name for tensor in read_header(tmp_path / "out.gguf").tensors}
    tmp_path.joinpath("out.gguf").unlink()
    change_weights(checkpoint, lambda tensors: tensors.update({"lm_head.weight": embedding + 1}))
    refused(checkpoint, ModelFormatError, "holds other numbers")


def test_without_a_tokenizer_nothing_is_converted(checkpoint: Path) -> None:
    checkpoint.joinpath("tokenizer.json").unlink()
    refused(checkpoint, ModelNotFoundError, "no tokenizer.json")


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (lambda t: t["model"].update(type="Unigram"), ModelUnsupportedError, "not a BPE"),
        (lambda t: t["model"].update(byte_fallback=True), ModelUnsupportedError, "falls back"),
        (lambda t: t.update(normalizer={"type": "NFC"}), ModelUnsupportedError, "normalizes"),
        (lambda t: t.update(pre_tokenizer={"type": "ByteLevel"}), ModelUnsupportedError, "splits"),
        (lambda t: t.update(post_processor={"type": "TemplateProcessing"}), ModelUnsupportedError, "around"),
        (lambda t: t.update(added_tokens=[]), ModelUnsupportedError, "no <fim_prefix>"),
        (lambda t: t.update(added_tokens={}), ModelFormatError, "added_tokens"),
        (lambda t: t["model"].update(vocab=["a"]), ModelFormatError, "no vocabulary"),
        (lambda t: t["model"]["vocab"].update(extra=1), ModelFormatError, "id 1 is both"),
        (lambda t: t["model"]["vocab"].update(extra=60_000), ModelFormatError, "60,000"),
        (lambda t: t["model"]["vocab"].update(extra="1"), ModelFormatError, "no proper id"),
        (lambda t: t["model"]["vocab"].update({"\ud800": 400}), ModelFormatError, "not a text"),
        (lambda t: t["model"]["vocab"].update({"x" * 5000: 400}), ModelFormatError, "not a text"),
        (lambda t: t["model"].update(merges=[]), ModelFormatError, "no merges"),
        (lambda t: t["model"].update(merges=["a b c"]), ModelFormatError, "not a merge"),
        (lambda t: t["model"].update(merges=[["a"]]), ModelFormatError, "not a merge"),
        (lambda t: t["added_tokens"][0].update(content=None), ModelFormatError, "not a text"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_not_follow_is_refused(
    checkpoint: Path, change: Callable[[dict[str, Any]], object], error: type[ModelError], sentence: str
) -> None:
    edit(checkpoint / "tokenizer.json", change)
    refused(checkpoint, error, sentence)


def test_the_tokenizer_may_be_in_vocab_json_and_merges_txt(checkpoint: Path, tmp_path: Path) -> None:
    convert(checkpoint, tmp_path / "one.gguf")
    path = checkpoint / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    model = tokenizer["model"]
    checkpoint.joinpath("vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    lines = [
        "#version: 0.2",
        *(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]),
    ]
    checkpoint.joinpath("merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    refused(checkpoint, ModelUnsupportedError, "no <fim_prefix>")
    decoder = {str(entry["id"]): entry for entry in tokenizer["added_tokens"]}
    edit(checkpoint / "tokenizer_config.json", lambda options: options.update(added_tokens_decoder=decoder))
    convert(checkpoint, tmp_path / "two.gguf")
    assert tmp_path.joinpath("one.gguf").read_bytes() == tmp_path.joinpath("two.gguf").read_bytes()


def test_a_file_that_is_there_is_not_overwritten_unasked(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(RequestError, match="is there already"):
        convert(checkpoint, out)
    assert out.read_text(encoding="utf-8") == "mine"
    convert(checkpoint, out, force=True)
    assert read_header(out).n_layers == 1


def test_a_folder_that_is_not_there_is_named(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        convert(checkpoint, tmp_path / "no" / "out.gguf")


@pytest.mark.parametrize(
    "provenance",
    [Provenance("starcoder2"), Provenance("a/b/c"), Provenance("a/b", "main"), Provenance(license="a\nb")],
)
def test_a_provenance_that_cannot_be_is_refused(
    checkpoint: Path, tmp_path: Path, provenance: Provenance
) -> None:
    with pytest.raises(RequestError):
        convert(checkpoint, tmp_path / "out.gguf", provenance=provenance)
