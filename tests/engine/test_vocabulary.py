"""The special tokens are found in what files say and leave out, and ids that cannot be are refused."""

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from stardraftd.errors import ModelError, ModelFormatError, ModelUnsupportedError
from stardraftd.gguf.fim_tokens import FimTokens, fim_tokens
from stardraftd.gguf.reading import read_header
from tests.support.tiny_models import BUILT_IN, rewrite, write_tiny_model

STARCODER2 = FimTokens(prefix=1, middle=2, suffix=3, pad=4, repository=5, separator=6, end_of_text=0)

TOKENS = "tokenizer.ggml.tokens"
TYPES = "tokenizer.ggml.token_type"
EOS = "tokenizer.ggml.eos_token_id"
FIM_KEYS = tuple(f"tokenizer.ggml.fim_{part}_token_id" for part in ("pre", "mid", "suf", "pad", "rep", "sep"))
NORMAL, CONTROL = 1, 3


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.gguf"
    return write_tiny_model(path, vocabulary=320, hidden=32, ffn=32)


@pytest.fixture
def variant(small: Path, tmp_path: Path) -> Callable[..., Path]:
    """The small model with `ids` for keys (None leaves a key out), other `texts` and `types` of tokens."""
    fields = gguf.GGUFReader(small).fields
    tokens, kinds = fields[TOKENS].contents(), fields[TYPES].contents()

    def write(
        ids: dict[str, int | None] | None = None,
        texts: dict[int, str] | None = None,
        types: dict[int, int] | None = None,
        *,
        no_types: bool = False,
    ) -> Path:
        ids = ids or {}

        def add(writer: gguf.GGUFWriter) -> None:
            for key, index in ids.items():
                if index is not None:
                    writer.add_uint32(key, index)
            writer.add_token_list([(texts or {}).get(i, token) for i, token in enumerate(tokens)])
            if not no_types:
                writer.add_token_types([(types or {}).get(i, kind) for i, kind in enumerate(kinds)])

        return rewrite(small, tmp_path / "variant.gguf", add, drop=(*ids, TOKENS, TYPES))

    return write


def found(path: Path) -> FimTokens:
    return fim_tokens(read_header(path))


def refusal(path: Path, kind: type[ModelError] = ModelFormatError) -> str:
    header = read_header(path)
    with pytest.raises(kind) as caught:
        fim_tokens(header)
    assert type(caught.value) is kind
    assert caught.value.hint
    return str(caught.value)


def test_the_built_in_model_names_all_of_its_tokens() -> None:
    assert found(BUILT_IN) == STARCODER2


@pytest.mark.parametrize("absent", [FIM_KEYS, FIM_KEYS[:3], FIM_KEYS[4:], FIM_KEYS[1:2]])
def test_tokens_whose_keys_are_absent_are_found_by_their_text(
    absent: tuple[str, ...], variant: Callable[..., Path]
) -> None:
    assert found(variant(dict.fromkeys(absent))) == STARCODER2


def test_tokens_are_found_by_their_text_without_token_types_too(variant: Callable[..., Path]) -> None:
    assert found(variant(dict.fromkeys((*FIM_KEYS, EOS)), no_types=True)) == STARCODER2


def test_the_keys_of_older_files_are_understood(variant: Callable[..., Path]) -> None:
    ids: dict[str, int | None] = dict.fromkeys(FIM_KEYS)
    ids |= {
        f"tokenizer.ggml.{part}_token_id": 20 + i for i, part in enumerate(("prefix", "middle", "suffix"))
    }
    tokens = found(variant(ids))
    assert (tokens.prefix, tokens.middle, tokens.suffix) == (20, 21, 22)


@pytest.mark.parametrize(
    ("prefix", "middle", "suffix"),
    [
        ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
        ("<fim-prefix>", "<fim-middle>", "<fim-suffix>"),
        ("<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜fim▁hole｜>"),
        ("▁<PRE>", "▁<MID>", "▁<SUF>"),
        ("<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>"),
    ],
)
def test_the_spellings_of_other_families_are_known(
    prefix: str, middle: str, suffix: str, variant: Callable[..., Path]
) -> None:
    path = variant(
        dict.fromkeys(FIM_KEYS), {1: "<a>", 2: "<b>", 3: "<c>", 10: suffix, 11: prefix, 12: middle}
    )
    tokens = found(path)
    assert (tokens.prefix, tokens.middle, tokens.suffix) == (11, 12, 10)


def test_optional_tokens_may_be_absent(variant: Callable[..., Path]) -> None:
    tokens = found(variant(dict.fromkeys(FIM_KEYS), {4: "<a>", 5: "<b>", 6: "<c>"}))
    assert (tokens.pad, tokens.repository, tokens.separator) == (None, None, None)


def test_a_model_without_fim_tokens_is_refused(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "plain.gguf", vocabulary=320, hidden=32, ffn=32, fim=False)
    sentence = refusal(path, ModelUnsupportedError)
    assert "has no fill-in-the-middle tokens (prefix, middle, suffix missing)" in sentence
    assert "cannot complete code inside a file" in sentence


def test_sentinels_of_two_families_do_not_make_one_set(variant: Callable[..., Path]) -> None:
    path = variant(dict.fromkeys(FIM_KEYS), {2: "<|fim_middle|>"})
    assert "fill-in-the-middle" in refusal(path, ModelUnsupportedError)


def test_ordinary_text_is_not_taken_for_a_sentinel(variant: Callable[..., Path]) -> None:
    """An old HTML tag in a vocabulary is no sentinel of a model that knows no filling in."""
    texts = {1: "<x1>", 2: "<x2>", 3: "<x3>", 300: "<PRE>", 301: "<MID>", 302: "<SUF>"}
    path = variant(dict.fromkeys(FIM_KEYS), texts, dict.fromkeys((300, 301, 302), NORMAL))
    assert "fill-in-the-middle" in refusal(path, ModelUnsupportedError)


def test_a_model_that_never_ends_is_refused(variant: Callable[..., Path]) -> None:
    path = variant({EOS: None}, {0: "<start>"})
    assert "which token ends a text" in refusal(path, ModelUnsupportedError)


@pytest.mark.parametrize("key", [*FIM_KEYS, EOS])
def test_an_id_outside_the_vocabulary_is_refused(key: str, variant: Callable[..., Path]) -> None:
    assert f"'{key}' is 320, not an id in its vocabulary of 320 tokens" in refusal(variant({key: 320}))


def test_an_id_of_ordinary_text_is_refused(variant: Callable[..., Path]) -> None:
    sentence = refusal(variant({FIM_KEYS[0]: 300}))
    assert f"'{FIM_KEYS[0]}' names token 300 as the prefix token" in sentence
    assert "ordinary text" in sentence


def test_swapped_ids_are_refused(variant: Callable[..., Path]) -> None:
    path = variant({FIM_KEYS[1]: 3, FIM_KEYS[2]: 2})
    assert "as the middle token, but its text is '<fim_suffix>', which is the suffix token" in refusal(path)


def test_one_id_for_two_sentinels_is_refused(variant: Callable[..., Path]) -> None:
    """Control tokens without a telling text could each be anything, but not two things at once."""
    assert "token 20 is named as both its prefix and its middle" in refusal(
        variant({FIM_KEYS[0]: 20, FIM_KEYS[1]: 20})
    )


def test_padding_with_the_end_of_text_is_allowed(variant: Callable[..., Path]) -> None:
    assert found(variant({FIM_KEYS[3]: 0})).pad == 0
