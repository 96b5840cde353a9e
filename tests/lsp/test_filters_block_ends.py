"""A block as the editor gets it: with the document's syntax, each of the golden blocks is shown whole."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from stardraft_lsp.filters import Around, Pipeline
from stardraft_lsp.filters.ends import BlockEnd
from stardraft_lsp.syntax.amount import amount_at
from stardraft_lsp.syntax.languages import grammar_of, language_of
from stardraft_lsp.syntax.place import place_at
from stardraft_lsp.syntax.trees import DocumentTree

FOLDER = Path(__file__).parents[1] / "data" / "lsp" / "filters"
CASES = [
    case
    for name in ("blocks", "strings")
    for case in tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["case"]
    if case.get("mode") == "block"
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['language']}: {case['name']}")
def test_with_the_documents_syntax_a_block_ends_where_its_text_has_its_end(case: dict[str, Any]) -> None:
    before, after = case["before"], case.get("after", "")
    language = language_of(case["language"])
    grammar = grammar_of(language)
    tree = DocumentTree(grammar, before + after) if grammar is not None else None
    if tree is not None:
        assert tree.parse(10_000)
    place = place_at(before + after, len(before), language, tree)
    wanted = amount_at(place, configured="block")
    end = BlockEnd(place, wanted, lambda: tree.snapshot() if tree is not None else None)
    around = Around.at(before, after, language=case["language"], mode="block")
    assert Pipeline(around, block_end=end).finish(case["generated"]).text == case["shown"]
