"""Where a cursor stands, how much is asked for there, and which gate is closed: golden cases by language."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from stardraft_lsp.syntax.amount import amount_at
from stardraft_lsp.syntax.gates import gate_at
from stardraft_lsp.syntax.languages import GRAMMARS, grammar_of
from stardraft_lsp.syntax.place import Place, place_at
from stardraft_lsp.syntax.trees import DocumentTree

FOLDER = Path(__file__).parents[1] / "data" / "lsp" / "syntax" / "places"
CURSOR = "‸"


@dataclass(frozen=True)
class Case:
    language: str
    title: str
    expected: tuple[str, ...]
    text: str
    offset: int

    def __str__(self) -> str:
        return f"{self.language}: {self.title}"


def read_cases(path: Path) -> list[Case]:
    cases = []
    for part in path.read_text(encoding="utf-8").split("=== ")[1:]:
        head, _, marked = part.partition("\n")
        title, _, expected = head.rpartition(" :: ")
        before, mark, behind = marked.removesuffix("\n").partition(CURSOR)
        assert mark, f"{path.name}: {title}: no cursor"
        cases.append(Case(path.stem, title, tuple(expected.split(", ")), before + behind, len(before)))
    return cases


CASES = [case for path in sorted(FOLDER.glob("*.txt")) for case in read_cases(path)]
WITH_TREE = [case for case in CASES if case.language in GRAMMARS]
WITHOUT_TREE = [case for case in CASES if not case.title.endswith("(tree)")]


def judged(place: Place, text: str) -> tuple[str, ...]:
    wanted = amount_at(place)
    gate = gate_at(place, text)
    return (place.kind, wanted.amount, wanted.reason, *((gate.code,) if gate else ()))


def tree_of(text: str, language: str) -> DocumentTree:
    grammar = grammar_of(language)
    assert grammar is not None
    tree = DocumentTree(grammar, text)
    assert tree.parse(10_000)
    return tree


@pytest.mark.parametrize("case", WITH_TREE, ids=str)
def test_a_place_is_judged_with_the_tree(case: Case) -> None:
    place = place_at(case.text, case.offset, case.language, tree_of(case.text, case.language))
    assert place.source == "tree"
    assert judged(place, case.text) == case.expected


@pytest.mark.parametrize("case", WITHOUT_TREE, ids=str)
def test_a_place_is_judged_by_text_alone(case: Case) -> None:
    place = place_at(case.text, case.offset, case.language)
    assert place.source == "text"
    assert judged(place, case.text) == case.expected


@pytest.mark.parametrize("case", WITH_TREE, ids=str)
def test_crlf_changes_nothing(case: Case) -> None:
    before, behind = (
        part.replace("\n", "\r\n") for part in (case.text[: case.offset], case.text[case.offset :])
    )
    text = before + behind
    place = place_at(text, len(before), case.language, tree_of(text, case.language))
    assert judged(place, text) == case.expected
