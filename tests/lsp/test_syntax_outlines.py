"""What is in a file: golden outlines by language, names near a place, and files cut into pieces."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stardraft_lsp.syntax.chunks import chunks_of_text
from stardraft_lsp.syntax.imports import imports_in
from stardraft_lsp.syntax.languages import GRAMMARS, grammar_of
from stardraft_lsp.syntax.outline import (
    EMPTY,
    Outline,
    identifiers_near,
    outline_of_document,
    outline_of_text,
)
from stardraft_lsp.syntax.outline_rules import OUTLINE_RULES
from stardraft_lsp.syntax.trees import DocumentTree

FILES = sorted((Path(__file__).parents[1] / "data" / "lsp" / "syntax" / "outlines").glob("*.txt"))


def as_text(outline: Outline) -> str:
    lines = [
        f"import {found.module}" + (": " + ", ".join(found.names) if found.names else "")
        for found in outline.imports
    ]
    lines += [
        f"{one.kind} {one.name} [{one.container}] {one.start_line}-{one.end_line}: {one.signature}"
        for one in outline.definitions
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_outline_has_definitions_and_imports(path: Path) -> None:
    source, _, expected = path.read_text(encoding="utf-8").partition("=====\n")
    assert as_text(outline_of_text(source, path.stem, budget_ms=10_000)) == expected


def test_every_grammar_has_a_golden_outline() -> None:
    assert {*(path.stem for path in FILES), "tsx"} == set(GRAMMARS) == set(OUTLINE_RULES)


def test_an_open_documents_outline_comes_from_its_tree() -> None:
    grammar = grammar_of("python")
    assert grammar is not None
    tree = DocumentTree(grammar, "def größe(x):\n    return x\n")
    assert outline_of_document(tree, "python") == EMPTY
    assert tree.parse(10_000)
    assert as_text(outline_of_document(tree, "python")) == "function größe [] 0-2: def größe(x):\n"


def test_a_file_with_an_error_in_it_has_an_outline_of_the_rest() -> None:
    outline = outline_of_text("def f(:\n\n\ndef g(x):\n    pass\n", "python", budget_ms=10_000)
    assert "g" in [definition.name for definition in outline.definitions]


def test_nothing_is_said_of_what_has_no_grammar_or_is_too_large() -> None:
    assert outline_of_text("fun a() {}", "kotlin") == EMPTY
    assert outline_of_text("x = 1\n" * 200_000, "python") == EMPTY
    assert imports_in("import a", "kotlin") == ()


def test_names_near_a_place_are_the_nearest_first_without_keywords() -> None:
    text = "far = 1\n\nnear = 2\nreturn closest + \nbelow = 3\n"
    assert identifiers_near(text, text.index("+ ") + 2, "python") == ("closest", "near", "far", "below")
    assert "near" not in identifiers_near(text, text.index("+ ") + 2, "python", n_lines=1)


LINES = st.lists(
    st.sampled_from(
        [
            "def f():",
            "    return 1",
            "class A:",
            "    def g(self):",
            "        pass",
            "",
            "# note",
            "x = 1",
            "import a",
            '"""',
            "(",
        ]
    ),
    max_size=60,
)


@pytest.mark.parametrize("language", ["python", "kotlin"])
@settings(deadline=None, max_examples=80)
@given(lines=LINES, max_lines=st.integers(1, 20))
def test_every_line_with_text_is_in_one_piece_and_none_is_too_long(
    language: str, lines: list[str], max_lines: int
) -> None:
    chunks = chunks_of_text("\n".join(lines), language, max_lines, budget_ms=10_000)
    covered = [number for chunk in chunks for number in range(chunk.start_line, chunk.end_line)]
    assert covered == sorted(set(covered))
    assert {number for number, line in enumerate(lines) if line.strip()} <= set(covered)
    assert all(0 < chunk.n_lines <= max_lines for chunk in chunks)


def test_functions_and_methods_are_pieces_of_their_own_with_their_comments() -> None:
    method = "    # does\n    def m{}(self):\n" + "        pass\n" * 8
    text = "import a\n\n# adds\n@cached\ndef add():\n" + "    pass\n" * 8
    text += "\nclass A:\n    size = 0\n\n" + "".join(method.format(number) for number in range(3))
    chunks = chunks_of_text(text, "python", 20, budget_ms=10_000)
    lines = text.split("\n")
    first_lines = [lines[chunk.start_line].strip() for chunk in chunks if chunk.is_definition]
    assert first_lines == ["# adds", "class A:", "# does", "# does", "# does"]


@pytest.mark.parametrize("language", sorted({path.stem for path in FILES}))
def test_a_golden_file_is_cut_at_its_definitions(language: str) -> None:
    path = next(path for path in FILES if path.stem == language)
    source, _, _expected = path.read_text(encoding="utf-8").partition("=====\n")
    chunks = chunks_of_text(source, language, 4, budget_ms=10_000)
    assert any(chunk.is_definition for chunk in chunks)
    assert all(0 < chunk.n_lines <= 4 for chunk in chunks)
