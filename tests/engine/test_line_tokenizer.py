"""Lines that are looked up give the tokens that the whole text gives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.native import backend, llama
from stardraftd.engine.plan.line_tokenizer import LineTokenizer
from tests.support.tiny_models import BUILT_IN

ROOT = Path(__file__).parents[2]
ODD = "\n\n\n\t  \r\f\v\u00a0\u2028\u3000\u0085aZé漢😀e\u030109.,;:!?'\"()[]{}<>_-=+*/\\#@$%&|~^`'s'll"
texts = st.lists(st.one_of(st.sampled_from(ODD), st.sampled_from(["def ", "    ", "\n    ", "x = 1\n"]))).map(
    "".join
)


@pytest.fixture(scope="module")
def model() -> Iterator[llama.Model]:
    backend.open_backend()
    with llama.Model(BUILT_IN) as model:
        yield model


@pytest.fixture(scope="module")
def tokenizer(model: llama.Model) -> LineTokenizer:
    return LineTokenizer(model, "starcoder")


@given(text=texts)
def test_any_text_has_the_tokens_of_the_whole(
    tokenizer: LineTokenizer, model: llama.Model, text: str
) -> None:
    data = text.encode()
    assert tokenizer.tokenize(data) == model.tokenize(data)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "daemon/stardraftd").rglob("*.py"))[:40], ids=lambda file: file.name
)
def test_source_files_have_too_and_the_second_time_as_well(
    tokenizer: LineTokenizer, model: llama.Model, file: Path
) -> None:
    data = file.read_bytes()
    whole = model.tokenize(data)
    assert tokenizer.tokenize(data) == whole
    assert tokenizer.tokenize(data) == whole


def test_what_is_returned_belongs_to_the_caller(tokenizer: LineTokenizer) -> None:
    first = tokenizer.tokenize(b"value = 1\nvalue = 2")
    first.append(7)
    assert tokenizer.tokenize(b"value = 1\nvalue = 2") == first[:-1]


def test_other_pre_tokenizers_get_the_whole_text(model: llama.Model) -> None:
    asked: list[bytes] = []

    class Watched(llama.Model):
        def __init__(self) -> None:
            self.handle = None

        def tokenize(self, text: bytes) -> "object":  # type: ignore[override]
            asked.append(text)
            return model.tokenize(text)

    LineTokenizer(Watched(), "qwen2").tokenize(b"a)\nb)\nc")
    assert asked == [b"a)\nb)\nc"]
