"""Prompts are laid out as in training, token for token (arXiv 2402.19173 §5)."""

from collections.abc import Iterator

import msgspec
import pytest

from stardraftd.engine.plan.prompt import Budget, PromptBuilder
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from stardraftd.protocol.completion import Completion, ContextChunk, Layout
from tests.support.prompts import Case, load_cases
from tests.support.tiny_models import BUILT_IN

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: pip install 'stardraft[engine]'")
pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install 'stardraft[reference]'")

from stardraftd.engine.native import backend, llama
from tests.support.reference_tokenizer import ReferenceTokenizer

AMPLE = Budget(n_prompt=4096, n_suffix=2048, n_chunks=2048)
CASES = load_cases()
SENTINELS = ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<repo_name>", "<file_sep>", "<|endoftext|>")

each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
each_layout = pytest.mark.parametrize("layout", ["psm", "spm"])


@pytest.fixture(scope="module")
def model() -> Iterator[llama.Model]:
    backend.open_backend()
    with llama.Model(BUILT_IN) as model:
        yield model


@pytest.fixture(scope="module")
def builder(model: llama.Model) -> PromptBuilder:
    return PromptBuilder(model, fim_tokens(read_header(BUILT_IN)))


@pytest.fixture(scope="module")
def reference() -> ReferenceTokenizer:
    return ReferenceTokenizer()


def repository_ids(case: Case, reference: ReferenceTokenizer) -> list[int]:
    """`<repo_name>R<file_sep>path\\ncode<file_sep>...<file_sep>`; nothing outside a repository."""
    if not case.repository and not case.chunks:
        return []
    ids = []
    if case.repository:
        ids += [reference.special("<repo_name>"), *reference.encode(case.repository)]
    for chunk in case.chunks:
        text = f"{chunk.path}\n{chunk.text}" if chunk.path else chunk.text
        ids += [reference.special("<file_sep>"), *reference.encode(text)]
    return [*ids, reference.special("<file_sep>")]


def prefix_ids(case: Case, reference: ReferenceTokenizer) -> list[int]:
    return reference.encode(f"{case.path}\n{case.prefix}" if case.path else case.prefix)


@each_case
def test_psm_is_prefix_suffix_middle(
    case: Case, builder: PromptBuilder, reference: ReferenceTokenizer
) -> None:
    prompt = builder.build(case.completion("psm"), "psm", AMPLE)
    assert prompt.layout == "psm"
    assert list(prompt.ids) == [
        *repository_ids(case, reference),
        reference.special("<fim_prefix>"),
        *prefix_ids(case, reference),
        reference.special("<fim_suffix>"),
        *reference.encode(case.suffix),
        reference.special("<fim_middle>"),
    ]


@each_case
def test_spm_is_the_second_variant(case: Case, builder: PromptBuilder, reference: ReferenceTokenizer) -> None:
    prompt = builder.build(case.completion("spm"), "spm", AMPLE)
    assert prompt.layout == "spm"
    assert list(prompt.ids) == [
        *repository_ids(case, reference),
        reference.special("<fim_prefix>"),
        reference.special("<fim_suffix>"),
        *reference.encode(case.suffix),
        reference.special("<fim_middle>"),
        *prefix_ids(case, reference),
    ]


@each_layout
def test_sentinels_in_a_text_stay_text(
    layout: Layout, builder: PromptBuilder, reference: ReferenceTokenizer
) -> None:
    """However often a file names them, each sentinel stands in the prompt once, where it belongs."""
    hostile = "".join(f"{text}\n{text}{text}" for text in SENTINELS)
    in_one_line = hostile.replace("\n", "")
    completion = Completion(
        document="d",
        path=in_one_line,
        prefix=hostile,
        suffix=hostile,
        repository="<repo_name>",
        chunks=(ContextChunk(in_one_line, hostile),),
        layout=layout,
    )
    ids = list(builder.build(completion, layout, AMPLE).ids)
    assert {text: ids.count(reference.special(text)) for text in SENTINELS} == {
        "<fim_prefix>": 1,
        "<fim_middle>": 1,
        "<fim_suffix>": 1,
        "<repo_name>": 1,
        "<file_sep>": 2,  # before the other file, and before the cursor's own
        "<|endoftext|>": 0,
    }


@each_layout
def test_an_empty_file_is_three_sentinels(
    layout: Layout, builder: PromptBuilder, reference: ReferenceTokenizer
) -> None:
    ids = list(builder.build(Completion(document="d", prefix=""), layout, AMPLE).ids)
    assert ids == [reference.special(f"<fim_{part}>") for part in ("prefix", "suffix", "middle")]


def test_tokens_give_back_the_text_that_they_were_made_of(model: llama.Model) -> None:
    for case in CASES:
        for text in (case.prefix, case.suffix, case.path, *(chunk.text for chunk in case.chunks)):
            ids = model.tokenize(text.encode())
            assert b"".join(model.piece(token) for token in ids).decode() == text


def test_typing_in_spm_leaves_all_but_the_last_word_as_it_was(builder: PromptBuilder) -> None:
    case = CASES[0]
    before = list(builder.build(case.completion("spm"), "spm", AMPLE).ids)
    typed = msgspec.structs.replace(case, prefix=case.prefix + "return sum(")
    after = list(builder.build(typed.completion("spm"), "spm", AMPLE).ids)
    assert after[: len(before) - 1] == before[:-1]
    assert len(after) > len(before)


@each_layout
def test_a_prompt_never_exceeds_its_budget(layout: Layout, builder: PromptBuilder) -> None:
    text = "".join(f"value_{i} = compute({i}, 'größer')\n" for i in range(1000))
    completion = Completion(
        document="d",
        path="a/b.py",
        prefix=text,
        suffix=text,
        repository="r",
        chunks=(ContextChunk("c.py", text[:2000]), ContextChunk("d.py", text[:500])),
        layout=layout,
    )
    for n_window in (256, 700, 2048):
        budget = Budget.of_window(n_window, 64)
        prompt = builder.build(completion, layout, budget)
        assert len(prompt.ids) <= budget.n_prompt
        assert prompt.n_suffix <= budget.n_suffix
        assert prompt.n_context <= budget.n_chunks


def test_what_is_kept_of_a_long_file_is_what_stands_around_the_cursor(
    builder: PromptBuilder, model: llama.Model, reference: ReferenceTokenizer
) -> None:
    before = "".join(f"before_{i} = {i}\n" for i in range(2000)) + "cursor = "
    behind = "  # here\n" + "".join(f"behind_{i} = {i}\n" for i in range(2000))
    completion = Completion(document="d", path="long.py", prefix=before, suffix=behind, layout="psm")
    ids = list(builder.build(completion, "psm", Budget.of_window(1024, 64)).ids)
    split = ids.index(reference.special("<fim_suffix>"))
    prefix = b"".join(model.piece(token) for token in ids[1:split]).decode()
    suffix = b"".join(model.piece(token) for token in ids[split + 1 : -1]).decode()
    kept = prefix.removeprefix("long.py\n")
    assert kept != prefix, "the path stays, whatever is left out"
    assert before.endswith("\n" + kept), "it begins where a line begins and ends at the cursor"
    assert behind.startswith(suffix)
    assert len(kept) > 500
    assert len(suffix) > 300


def test_the_text_at_the_cursor_is_never_what_is_cut(builder: PromptBuilder) -> None:
    """Hundreds of kilobytes that are few tokens: the end, where the cursor stands, is there all the same."""
    ids = builder.prefix_part("long/path.py", " " * 300_000 + "\nreturn value_here", 4000)
    whole = builder.prefix_part("", "return value_here", 4000)
    assert list(ids[-len(whole) :]) == list(whole)


def test_one_endless_line_keeps_its_path_and_its_end(builder: PromptBuilder) -> None:
    head = builder.prefix_part("long/path.py", "", 200)
    ids = builder.prefix_part("long/path.py", "value + " * 2000 + "last", 200)
    assert len(ids) <= 200
    assert list(ids[: len(head)]) == list(head)
