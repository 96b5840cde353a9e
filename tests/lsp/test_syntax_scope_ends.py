"""Where a generated block ends: golden cases, and what holds while text still comes."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from stardraft_lsp.syntax.languages import grammar_of
from stardraft_lsp.syntax.place import Place, place_at
from stardraft_lsp.syntax.scope_end import by_indentation, scope_end
from stardraft_lsp.syntax.trees import DocumentTree

FOLDER = Path(__file__).parents[1] / "data" / "lsp" / "syntax" / "scope_ends"
CURSOR = "‸"


@dataclass(frozen=True)
class Case:
    language: str
    title: str
    before: str
    behind: str
    generated: str
    kept: str

    def __str__(self) -> str:
        return f"{self.language}: {self.title}"


def read_cases(path: Path) -> list[Case]:
    cases = []
    for part in path.read_text(encoding="utf-8").split("=== ")[1:]:
        title, _, rest = part.partition("\n")
        document, generated, kept = rest.split("---\n")
        before, mark, behind = document.partition(CURSOR)
        assert mark, f"{path.name}: {title}: no cursor"
        cases.append(
            Case(path.stem, title, before, behind, generated.removesuffix("\n"), kept.removesuffix("\n"))
        )
    return cases


CASES = [case for path in sorted(FOLDER.glob("*.txt")) for case in read_cases(path)]


def place_and_tree(case: Case) -> tuple[Place, DocumentTree | None]:
    text = case.before + case.behind
    grammar = grammar_of(case.language)
    tree = DocumentTree(grammar, text) if grammar is not None else None
    if tree is not None:
        assert tree.parse(10_000)
    return place_at(text, len(case.before), case.language, tree), tree


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_block_ends_with_its_scope(case: Case) -> None:
    place, tree = place_and_tree(case)
    n = scope_end(place, case.generated, case.behind, tree, budget_ms=10_000)
    assert case.generated[:n] == case.kept


@pytest.mark.parametrize("case", CASES, ids=str)
def test_while_text_comes_a_final_verdict_is_that_of_the_whole(case: Case) -> None:
    place, _tree = place_and_tree(case)
    whole = by_indentation(place, case.generated, case.behind, is_whole=True)
    for n in range(len(case.generated) + 1):
        so_far = by_indentation(place, case.generated[:n], case.behind)
        assert so_far.n_characters <= n
        if so_far.is_final:
            assert so_far.n_characters == whole.n_characters


def test_a_verdict_is_final_before_everything_was_generated() -> None:
    text = "def f():\n    "
    place = place_at(text, len(text), "python")
    assert by_indentation(place, "return 1\n\n\ndef g():\n    r").is_final
    assert not by_indentation(place, "return 1\n\n\n").is_final


def test_the_end_is_the_same_for_characters_outside_of_ascii() -> None:
    text = "s = '😀'\nfunction f() {\n"
    grammar = grammar_of("javascript")
    assert grammar is not None
    tree = DocumentTree(grammar, text + "\n}\n")
    assert tree.parse(10_000)
    place = place_at(text + "\n}\n", len(text), "javascript", tree)
    generated = "g('😀');\n}\nh('ä');"
    n = scope_end(place, generated, "\n}\n", tree, budget_ms=10_000)
    assert generated[:n] == "g('😀');"
