"""Training and export: bit-equal again, bit-equal resumed, and the same model in llama.cpp as in torch."""

import json
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("tokenizers", reason='install it with pip install "stardraft[quant]"')

import numpy as np
import torch
from msgspec.structs import replace

from stardraft_quant.code.document import Document
from stardraft_quant.code.lines import Stop
from stardraft_quant.train.corpus import standard_library
from stardraft_quant.train.evaluate import EngineRunner, TorchRunner, encoder, line_stop
from stardraft_quant.train.export import ExportType, export_checkpoint
from stardraft_quant.train.model import TINY, Starcoder2
from stardraft_quant.train.tokenizer import load_tokenizer, special_tokens
from stardraft_quant.train.training import CHECKPOINT, Settings, Training, learning_rate, load_model
from stardraftd.errors import ModelError, ModelFormatError, RequestError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from stardraftd.models.catalogue import Shape

TOY = Shape("toy", layers=2, hidden=64, ffn=96, heads=4, kv_heads=2, context=256, rope_base=10_000.0)
SETTINGS = Settings(
    shape=TOY, steps=5, rows=2, columns=64, warm_up=2, negatives=500, seed=3, device="cpu", precision="f32"
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    source = standard_library()
    names = ("bisect.py", "fnmatch.py", "shlex.py", "heapq.py")
    return [
        Document(name, "python", "PSF-2.0", name, name == "heapq.py", (source.root / name).read_text("utf-8"))
        for name in names
    ]


TOKENIZER = cache(load_tokenizer)  # reading it takes a second


def training(documents: list[Document], settings: Settings = SETTINGS) -> Training:
    tokenizer = TOKENIZER()
    return Training(
        settings, documents, encoder(tokenizer), special_tokens(), n_vocab=tokenizer.get_vocab_size()
    )


def assert_same_weights(one: Training, other: Training) -> None:
    theirs = other.model.state_dict()
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, theirs[name]), name


@pytest.fixture(scope="module")
def trained(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Path]:
    run = training(documents)
    folder = tmp_path_factory.mktemp("run")
    run.run(5, folder=folder, log_every=1)
    return run, folder


def test_the_same_seed_gives_the_same_weights_bit_for_bit(
    documents: list[Document], trained: tuple[Training, Path]
) -> None:
    again, other = training(documents), training(documents, replace(SETTINGS, seed=4))
    before = again.model.blk[0].attn_q.weight.clone()
    again.run(5)
    other.run(5)
    assert_same_weights(trained[0], again)
    assert not torch.equal(before, again.model.blk[0].attn_q.weight)
    assert not torch.equal(other.model.token_embd.weight, again.model.token_embd.weight)


def test_a_resumed_run_equals_an_uninterrupted_one(
    documents: list[Document], trained: tuple[Training, Path], tmp_path: Path
) -> None:
    first = training(documents)
    first.run(2, folder=tmp_path)
    second = training(documents)
    second.resume(tmp_path / CHECKPOINT)
    assert second.step == 2
    second.run(5, folder=tmp_path)
    assert_same_weights(trained[0], second)


def test_a_checkpoint_of_another_run_is_refused(
    documents: list[Document], trained: tuple[Training, Path], tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="other settings: negatives, seed"):
        training(documents, replace(SETTINGS, seed=9, negatives=0)).resume(trained[1] / CHECKPOINT)
    with pytest.raises(RequestError, match="another corpus"):
        training([*documents[1:], replace(documents[0], sha256="x")]).resume(trained[1] / CHECKPOINT)
    (tmp_path / "text").write_text("not a checkpoint")
    with pytest.raises(ModelFormatError, match="is not a checkpoint"):
        load_model(tmp_path / "text")


def test_a_few_steps_lower_the_loss_and_the_log_says_so(documents: list[Document], tmp_path: Path) -> None:
    run = training(documents, replace(SETTINGS, steps=30, learning_rate=1e-2))
    before = run.held_out_loss()
    assert before == pytest.approx(np.log(49_152), abs=0.5)  # a fresh model knows nothing
    run.run(30, folder=tmp_path, log_every=10)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert lines[-1]["held_out_loss"] < before - 1


def test_the_sampled_loss_estimates_the_full_one(documents: list[Document]) -> None:
    """With all of the vocabulary sampled it is the full loss; with a part of it, it is close."""
    full, all_sampled, sampled = (
        training(documents, replace(SETTINGS, negatives=n)) for n in (0, 49_152, 6144)
    )
    ids = torch.randint(0, 49_152, (2, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for run in (full, all_sampled, sampled):
            run.model.token_embd.weight.mul_(20)
        exact, same, close = (
            float(run._loss(run.model(ids), ids.roll(-1, 1))) for run in (full, all_sampled, sampled)
        )
    assert same == pytest.approx(exact, abs=1e-4)
    assert close == pytest.approx(exact, abs=0.05)


def test_the_learning_rate_warms_up_stays_and_falls_to_a_fiftieth() -> None:
    settings = Settings(steps=1000, warm_up=100, learning_rate=1.0)
    rates = [learning_rate(settings, step) for step in (0, 49, 99, 449, 725, 999)]
    assert rates == pytest.approx([0.01, 0.5, 1.0, 1.0, 0.5, 0.02], abs=1e-6)


def test_the_default_shape_is_the_shipped_models() -> None:
    from stardraft_quant.shared.tokenizer_source import built_in_model

    shipped = {tensor.name: tuple(tensor.shape) for tensor in read_header(built_in_model()).tensors}
    with torch.device("meta"):
        model = Starcoder2(TINY, 49_152)
    ours = {name: tuple(reversed(value.shape)) for name, value in model.state_dict().items()}
    assert ours == shipped


@pytest.fixture(scope="module")
def checkpoint(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model whose biases and norms are not all 0 and 1, so that none can be mixed up."""
    run = training(documents)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in run.model.named_parameters():
            scale = 0.3 if value.dim() == 1 else 0.06
            noise = torch.randn(value.shape, generator=generator) * scale
            value.copy_(noise + 1 if name.endswith("norm.weight") else noise)
    path = tmp_path_factory.mktemp("untrained") / CHECKPOINT
    run.save(path)
    return path


@pytest.mark.parametrize(("file_type", "tolerance"), [("F16", 0.02), ("Q8_0", 0.08)])
def test_an_export_is_the_same_model_in_llama_cpp(
    checkpoint: Path, tmp_path: Path, file_type: ExportType, tolerance: float
) -> None:
    pytest.importorskip("llama_cpp", reason='install it with pip install "stardraft[engine]"')
    out = tmp_path / "toy.gguf"
    assert export_checkpoint(checkpoint, out, file_type) == out.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["toy.gguf"]
    assert fim_tokens(read_header(out)) == special_tokens()
    ids = encoder(TOKENIZER())("def add(a, b):\n    return a + b\n" * 4)
    reference = TorchRunner(checkpoint)
    expected = reference.logits(ids)
    with EngineRunner(out, n_cells=256) as engine:
        got = engine.logits(ids)
        scale = float(expected.std())
        assert scale > 0.3  # logits that say something
        assert float(np.abs(got - expected).max()) < tolerance * scale * 5
        assert float(np.abs(got - expected).mean()) < tolerance * scale
        if file_type == "F16":
            stop = line_stop(TOKENIZER(), special_tokens())
            assert engine.greedy(ids, stop) == reference.greedy(ids, stop)


def test_the_shipped_weights_write_the_same_text_in_torch_as_in_the_engine() -> None:
    """The architecture is the shipped file's: weights that have learnt something show any difference."""
    pytest.importorskip("llama_cpp", reason='install it with pip install "stardraft[engine]"')
    import gguf

    from stardraft_quant.shared.tokenizer_source import built_in_model

    model = Starcoder2(TINY, 49_152)
    model.load_state_dict(
        {
            tensor.name: torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
            for tensor in gguf.GGUFReader(built_in_model()).tensors
        }
    )
    encode, fim = encoder(TOKENIZER()), special_tokens()
    before, behind = (
        "class Stack:\n    def push(self, item):\n        self.items.",
        "\n\n    def pop(self):\n",
    )
    ids = [fim.prefix, fim.suffix, *encode(behind), fim.middle, *encode(before)]
    generated: list[int] = []
    with torch.no_grad():
        for _ in range(8):
            generated.append(int(model.logits(model(torch.tensor([[*ids, *generated]])))[0, -1].argmax()))
    with EngineRunner(built_in_model(), n_cells=256) as engine:
        stop = Stop(frozenset(), frozenset(), n_most=8)
        assert engine.greedy(ids, stop) == generated
    assert len(set(generated)) > 4
    assert TOKENIZER().decode(generated).strip()


def test_an_export_is_all_or_nothing(checkpoint: Path, tmp_path: Path) -> None:
    from stardraft_quant.train.export import export

    model = load_model(checkpoint)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    del weights["blk.1.ffn_down.bias"]
    with pytest.raises(ModelFormatError, match=r"blk\.1\.ffn_down\.bias"):
        export(weights, TOY, tmp_path / "broken.gguf", "F16")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ModelError, match="cannot be written"):
        export_checkpoint(checkpoint, tmp_path / "nowhere" / "model.gguf", "F16")
