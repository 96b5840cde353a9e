"""Whatever stands in a document, wherever the cursor is: an answer, and nothing loaded before its time."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stardraft_lsp.syntax.amount import amount_at, reconsidered
from stardraft_lsp.syntax.check import breaks
from stardraft_lsp.syntax.chunks import chunks_of_text
from stardraft_lsp.syntax.gates import gate_at
from stardraft_lsp.syntax.languages import GRAMMARS, RULES, grammar_of
from stardraft_lsp.syntax.outline import identifiers_near, outline_of_text
from stardraft_lsp.syntax.place import place_at
from stardraft_lsp.syntax.scope_end import by_indentation, scope_end
from stardraft_lsp.syntax.trees import DocumentTree

CODE = [
    "def f(x):\n",
    "    return 'a'\r\n",
    "class A {\n",
    "import a from 'b';\n",
    "#include <a>\n",
    "use a::{b, c};\n",
    "<?php ",
    "do |x|",
    "then\n",
    "end\n",
    "fi\n",
    "fn ",
    "x",
    "12",
]
SIGNS = [*"()[]{}'`\"#:;\t \n\r", '"""', "${", "//", "/*", "*/", "--[[", "]]", "=begin\n", "=> ", "-> ", "|"]
QUOTES = ['R"(', 'r#"', '@"', "<<~EOS\n", "<<<<<<< a\n", "=======\n", ">>>>>>> b\n"]
ODD = ["\r\n", "😀", "é", "\ud83d", "\u2028", "\x00"]
PIECES = st.sampled_from([*CODE, *SIGNS, *QUOTES, *ODD])
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@pytest.mark.parametrize("language", sorted({*GRAMMARS, *RULES, "nobody's"}))
@settings(deadline=None, max_examples=15)
@given(text=TEXTS, new=TEXTS, data=st.data())
def test_there_is_an_answer_for_every_text(language: str, text: str, new: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    grammar = grammar_of(language)
    tree = DocumentTree(grammar, text) if grammar is not None else None
    if tree is not None and data.draw(st.booleans()):
        assert tree.parse(10_000)
    if tree is not None and data.draw(st.booleans()):
        text = text[:offset] + new + text[offset:]
        tree.edit(offset, offset, new)
    place = place_at(text, offset, language, tree)
    gate = gate_at(place, text)
    wanted = reconsidered(place, amount_at(place, gate), new.partition("\n")[0])
    assert (wanted.amount == "nothing") == (gate is not None)
    assert all(0 <= scope.start <= scope.end <= len(text) for scope in place.scopes)
    assert 0 <= by_indentation(place, new, text[offset:]).n_characters <= len(new)
    assert 0 <= scope_end(place, new, text[offset:], tree, budget_ms=10_000) <= len(new)
    if tree is not None:
        assert breaks(tree, offset, offset, new, budget_ms=10_000) in (None, True, False)
    outline_of_text(text, language, budget_ms=10_000)
    identifiers_near(text, offset, language)
    chunks_of_text(text, language, 5, budget_ms=10_000)


def test_nothing_of_tree_sitter_is_loaded_before_the_first_tree() -> None:
    program = (
        "import sys\n"
        "from stardraft_lsp.syntax import amount, check, chunks, gates, outline, place, scope_end, trees\n"
        "def loaded(): return sorted(name for name in sys.modules if name.startswith('tree_sitter'))\n"
        "assert place.place_at('x = 1', 5, 'python').kind == 'code'\n"
        "assert not loaded(), loaded()\n"
        "assert trees.Trees().of('a', 'go', 'package a').parse(10_000)\n"
        "assert 'tree_sitter_go' in loaded() and 'tree_sitter_python' not in loaded(), loaded()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
