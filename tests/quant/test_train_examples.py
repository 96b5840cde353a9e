"""Examples: they parse back to the training format, and the file's text comes back out of them."""

import random
from collections import Counter

import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("tokenizers", reason='install it with pip install "stardraft[quant]"')

from tokenizers import Tokenizer

from stardraft_quant.code.document import Document
from stardraft_quant.code.fim_examples import Examples, cut_at_cursor, rest_of_line_tasks
from stardraft_quant.shared.tokenizer_source import built_in_model
from stardraft_quant.train.corpus import standard_library
from stardraft_quant.train.evaluate import encoder
from stardraft_quant.train.tokenizer import load_tokenizer, special_tokens
from stardraftd.errors import RequestError
from stardraftd.gguf.fim_tokens import FimTokens

TRICKY = (
    'TEXT = "<fim_middle> and <|endoftext|> are text here, in a file that is long enough to be cut"\n'
    'if TEXT:\n\tnames = ["Zoë", "名前", "🦆", "1234567890"]\n    \n    # trailing   spaces   \n'
    "def f(a, b=2):\n    return {'a': a, 'b': [b, 0x1F, 3.14e-10]}\n" * 4
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer()


@pytest.fixture(scope="module")
def tokens() -> FimTokens:
    return special_tokens()


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    source = standard_library()
    texts = {
        name: (source.root / name).read_text("utf-8") for name in ("bisect.py", "fnmatch.py", "shlex.py")
    }
    return [
        Document(name, "python", "PSF-2.0", "", False, text)
        for name, text in {**texts, "tricky.py": TRICKY}.items()
    ]


def is_special(token: int, tokens: FimTokens) -> bool:
    return token <= max(
        tokens.prefix,
        tokens.middle,
        tokens.suffix,
        tokens.pad or 0,
        tokens.separator or 0,
        tokens.repository or 0,
    )


def parse(ids: list[int], tokens: FimTokens) -> tuple[str, list[int], list[int], list[int], list[int]]:
    """(form, files, prefix, suffix, middle). In SPM the middle is part of the prefix: nothing parts them."""
    assert is_special(ids[-1], tokens)
    assert ids[-1] in (tokens.end_of_text, tokens.separator)
    ids, end = ids[:-1], ids[-1]
    if tokens.prefix not in ids:
        assert not any(is_special(token, tokens) for token in ids)
        assert end == tokens.end_of_text
        return "plain", [], ids, [], []
    start = ids.index(tokens.prefix)
    files, rest = ids[:start], ids[start + 1 :]
    assert all(token in (tokens.repository, tokens.separator) for token in files if is_special(token, tokens))
    assert not files or files[-1] == tokens.separator
    assert files or end == tokens.end_of_text
    sentinels = [token for token in rest if is_special(token, tokens)]
    assert sentinels == [tokens.suffix, tokens.middle]
    at_suffix, at_middle = rest.index(tokens.suffix), rest.index(tokens.middle)
    before, between, behind = rest[:at_suffix], rest[at_suffix + 1 : at_middle], rest[at_middle + 1 :]
    if at_suffix == 0:
        return "spm", files, behind, between, []
    return "psm", files, before, between, behind


def test_every_example_has_the_training_format_and_gives_its_source_back(
    tokenizer: Tokenizer, tokens: FimTokens, documents: list[Document]
) -> None:
    examples = Examples(documents, encoder(tokenizer), tokens)
    rng = random.Random(0)
    forms: Counter[str] = Counter()
    n_in_repository = n_named = n_other = 0
    for _ in range(1500):
        form, files, prefix, suffix, middle = parse(examples.draw(rng), tokens)
        forms[form] += 1
        n_in_repository += bool(files)
        n_named += bool(files and files[0] == tokens.repository)
        n_other += files.count(tokens.separator or -1) == 2
        text = tokenizer.decode(prefix + middle, skip_special_tokens=False)
        text += tokenizer.decode(suffix, skip_special_tokens=False)
        for document in documents:
            text = text.removeprefix(f"{document.path}\n")
        assert any(text in document.text for document in documents)
    assert 60 < forms["plain"] < 190
    assert 0.44 < forms["psm"] / (forms["psm"] + forms["spm"]) < 0.56
    assert 0.29 < n_in_repository / (forms["psm"] + forms["spm"]) < 0.41
    assert n_named > 20
    assert n_other > 100


def test_the_parts_of_a_prompt_are_laid_out_as_the_engine_lays_them_out(
    tokenizer: Tokenizer, tokens: FimTokens, documents: list[Document]
) -> None:
    """The two programs were written apart, from the same description: they have to agree to the token."""
    pytest.importorskip("llama_cpp", reason='install it with pip install "stardraft[engine]"')
    from stardraftd.engine.native.backend import open_backend
    from stardraftd.engine.native.llama import Model

    open_backend()
    encode = encoder(tokenizer)
    examples = Examples(documents, encode, tokens)
    with Model(built_in_model()) as model:
        for document in documents:
            assert encode(document.text) == list(model.tokenize(document.text.encode()))
        for task in rest_of_line_tasks(documents, 50, 0):
            prefix, suffix = (
                list(model.tokenize(text.encode()))
                for text in (f"{task.path}\n{task.cut.prefix}", task.cut.suffix)
            )
            pre, suf, mid = tokens.prefix, tokens.suffix, tokens.middle
            head = f"{task.path}\n"
            assert examples.prompt("psm", head, task.cut) == [pre, *prefix, suf, *suffix, mid]
            assert examples.prompt("spm", head, task.cut) == [pre, suf, *suffix, mid, *prefix]


def test_most_middles_end_where_a_line_ends(documents: list[Document]) -> None:
    rng = random.Random(0)
    cuts = [cut_at_cursor(rng, rng.choice(documents).text[:1000]) for _ in range(1000)]
    pieces = {document.text[:1000] for document in documents}
    assert all(cut.prefix + cut.middle + cut.suffix in pieces for cut in cuts)
    at_line_end = sum(cut.suffix[:1] in ("", "\n") for cut in cuts)
    one_line = sum("\n" not in cut.middle for cut in cuts)
    assert at_line_end > 880
    assert 600 < one_line < 850


def test_a_batch_depends_on_its_seed_and_number_alone(
    tokenizer: Tokenizer, tokens: FimTokens, documents: list[Document]
) -> None:
    one, other = (Examples(documents, encoder(tokenizer), tokens) for _ in range(2))
    one.batch(1, 0, 2, 128)
    assert one.batch(1, 1, 2, 128) == other.batch(1, 1, 2, 128)
    assert one.batch(1, 1, 2, 128) != one.batch(1, 2, 2, 128)
    assert one.batch(1, 1, 2, 128) != one.batch(2, 1, 2, 128)
    assert [len(row) for row in one.batch(3, 3, 4, 100)] == [100] * 4


def test_tasks_are_lines_that_something_is_missing_of(documents: list[Document]) -> None:
    for task in rest_of_line_tasks(documents, 200, 0):
        assert "\n" not in task.cut.middle
        assert len(task.cut.middle.strip()) >= 3
        assert task.cut.prefix.rpartition("\n")[2].strip()
        assert task.cut.suffix[:1] in ("", "\n")


def test_files_without_a_line_to_finish_are_refused_and_not_searched_for_ever() -> None:
    short = Document("a.py", "a", "MIT", "", False, "a\n" * 200)
    with pytest.raises(RequestError, match="no line to finish"):
        next(rest_of_line_tasks([short], 1, seed=0))
