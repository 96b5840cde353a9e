"""The index of chunks: what it finds, what it forgets, and its bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stardraft_lsp.context.index import Index, Piece
from stardraft_lsp.context.index.chunking import LineChunker
from stardraft_lsp.context.index.scan import finish
from stardraft_lsp.context.index.syntax_chunking import SyntaxChunker

ROOM = 1 << 30
Files = dict[str, list[set[int]]]


def index_of(files: Files, max_chunks: int = 10_000, max_files: int = 10_000) -> Index:
    index = Index(max_chunks, max_files, ROOM)
    for path, chunks in files.items():
        put(index, path, chunks)
    return index


def put(index: Index, path: str, chunks: list[set[int]]) -> None:
    finish(
        index.replace(
            path, "stamp", "python", [Piece(10 * i, 10, numbers) for i, numbers in enumerate(chunks)]
        )
    )


def found(index: Index, numbers: set[int], n_most: int = 1_000) -> set[tuple[str, int]]:
    return {(hit.ref.path, hit.ref.first_line // 10) for hit in index.search(numbers, {"python"}, n_most)}


def test_the_chunk_that_shares_the_rarest_words_is_first() -> None:
    common = set(range(20))
    index = index_of({f"{i}.py": [common | {100 + i}] for i in range(50)})
    best, *_ = index.search({1, 2, 3, 107}, {"python"}, 5)
    assert best.ref.path == "7.py"


def test_what_is_not_wanted_is_not_found() -> None:
    index = index_of({"a.py": [{1, 2}], "b.py": [{1, 2}]})
    assert {hit.ref.path for hit in index.search({1}, {"python"}, 5, besides={"a.py"})} == {"b.py"}
    assert index.search({1}, {"rust"}, 5) == []


def test_a_definition_is_found_by_its_name() -> None:
    index = Index(100, 100, ROOM)
    finish(index.replace("a.py", 1, "python", [Piece(0, 5, {1}), Piece(5, 7, {2}, defined={99})]))
    assert index.with_number(99, {"python"}) == [("a.py", 5, 7)]
    assert index.with_number(99, {"go"}) == []
    assert index.with_number(98, {"python"}) == []


def test_a_full_index_takes_no_more_and_has_room_again_when_something_goes() -> None:
    index = index_of({f"{i}.py": [{i}] for i in range(10)}, max_files=4)
    assert len(index) == 4
    assert index.is_full
    assert index.remove("0.py")
    assert not index.remove("0.py")
    put(index, "new.py", [{7}])
    assert found(index, {7}) == {("new.py", 0)}


def test_chunks_are_bounded_too() -> None:
    index = index_of({"a.py": [{i} for i in range(100)]}, max_chunks=30)
    assert index.n_chunks == 30


def test_memory_is_bounded() -> None:
    index = Index(10_000, 10_000, 8 * (1 << 17) + 20_000)
    for i in range(1_000):
        put(index, f"{i}.py", [{i, i + 1, i + 2}])
    assert len(index) < 100
    assert index.size_bytes < 8 * (1 << 17) + 21_000


def test_a_file_replaced_while_it_is_read_in_steps_has_its_new_chunks_only() -> None:
    index = Index(100, 100, ROOM)
    slow = index.replace("a.py", 1, "python", [Piece(0, 1, {1}), Piece(10, 1, {1}), Piece(20, 1, {1})])
    next(slow)
    put(index, "a.py", [{2}])
    put(index, "b.py", [{3}])
    finish(slow)
    assert found(index, {1, 2, 3}) == {("a.py", 0), ("b.py", 0)}


CHUNKS = st.lists(st.sets(st.integers(0, 40), min_size=1, max_size=6), max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcd"), CHUNKS),
        st.tuples(st.just("remove"), st.sampled_from("abcd"), st.just([])),
        st.tuples(st.just("sweep"), st.sampled_from("abcd"), CHUNKS),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sets(st.integers(0, 40), min_size=1))
def test_after_any_changes_it_finds_what_a_plain_search_would(
    steps: list[tuple[str, str, list[set[int]]]], wanted: set[int]
) -> None:
    """Removals, replacements, and sweeps with changes in the middle of them."""
    index = Index(10_000, 100, ROOM)
    files: Files = {}
    for what, path, chunks in steps:
        if what == "put":
            put(index, path, chunks)
            files[path] = chunks
        elif what == "remove":
            index.remove(path)
            files.pop(path, None)
        else:
            sweep = index.sweep()
            next(sweep, None)
            put(index, path, chunks)
            files[path] = chunks
            finish(sweep)  # type: ignore[arg-type]  # an iterator of steps
    expected = {
        (path, i) for path, chunks in files.items() for i, numbers in enumerate(chunks) if numbers & wanted
    }
    assert found(index, wanted) == expected
    assert index.n_chunks == sum(map(len, files.values()))
    assert set(index.paths()) == set(files)


@given(
    st.lists(st.sampled_from(["", "    ", "def f():", "    x = 1", "}", "y" * 300]), max_size=120),
    st.integers(1, 40),
)
def test_chunks_are_whole_lines_in_order_and_nothing_is_lost(lines: list[str], most_lines: int) -> None:
    covered: list[int] = []
    for first_line, n_lines in LineChunker(most_lines, 800).chunks(lines, "a.py"):
        assert 1 <= n_lines <= most_lines
        assert lines[first_line].strip()
        assert lines[first_line + n_lines - 1].strip()
        assert n_lines == 1 or sum(len(line) + 1 for line in lines[first_line : first_line + n_lines]) <= 800
        covered += range(first_line, first_line + n_lines)
    assert covered == sorted(set(covered))
    assert {number for number, line in enumerate(lines) if line.strip()} <= set(covered)


def test_a_chunk_begins_where_a_definition_does() -> None:
    lines = [line for i in range(10) for line in (f"def f{i}():", "    a = 1", "    b = 2", "")]
    chunks = list(LineChunker(10, 10_000).chunks(lines, "a.py"))
    assert all(lines[first_line].startswith("def") for first_line, _ in chunks)


def test_an_open_documents_chunks_are_its_definitions_and_bounded() -> None:
    short = "def small(a):\n    return a\n"
    long = "def large(a):\n" + "".join(f"    first_{i} = 'a' * {i}\n" for i in range(70))
    lines = f"import os\n\n\n{short}\n\n{long}\n\n{short}".split("\n")
    for path in ("a.py", "a.unknown"):
        chunks = list(SyntaxChunker(20, 300).chunks(lines, path))
        texts = [lines[chunk.first_line : chunk.first_line + chunk.n_lines] for chunk in chunks]
        assert [line for text in texts for line in text if line] == [line for line in lines if line]
        assert all(len(text) <= 20 and sum(len(line) + 1 for line in text) <= 300 for text in texts)
        if path == "a.py":  # small ones are joined, and a large one begins a chunk of its own
            assert [text[0] for text in texts if text[0].startswith("def ")] == [
                "def large(a):",
                "def small(a):",
            ]
