"""The trees of open documents: equal to what a fresh parse gives, whatever was typed, and never late."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stardraft_lsp.syntax.languages import GRAMMARS, grammar_of, keywords_of, language_of, rules_of
from stardraft_lsp.syntax.measure import Measure
from stardraft_lsp.syntax.outline_rules import OUTLINE_RULES
from stardraft_lsp.syntax.place import place_at
from stardraft_lsp.syntax.trees import DocumentTree, Trees, changed_part

PIECES = [
    "def f(x):\r\n    return x\r\n",
    "x = '😀😀'\n",
    "class Größe:\n\tpass\n",
    '"""\n',
    "(",
    ")",
    "{",
    "}",
    "'",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "😀",
    "é",
    "\ud83d",
    "\u2028",
    "function g() { return `a${b}`; }\n",
    "# c\n",
    "",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), TEXTS, st.booleans()), max_size=8)


def dump(tree: DocumentTree) -> list[tuple[object, ...]]:
    """Every node's type and positions, which the S-expression leaves out."""
    assert tree.tree is not None
    found: list[tuple[object, ...]] = []
    waiting = [tree.tree.root_node]
    while waiting:
        node = waiting.pop()
        found.append(
            (node.type, node.start_byte, node.end_byte, node.start_point, node.end_point, node.is_missing)
        )
        waiting.extend(reversed(node.children))
    return found


def fresh(text: str, language: str) -> DocumentTree:
    grammar = grammar_of(language)
    assert grammar is not None
    tree = DocumentTree(grammar, text)
    assert tree.parse(10_000)
    return tree


@pytest.mark.parametrize("language", ["python", "javascript"])
@settings(deadline=None, max_examples=150)
@given(text=TEXTS, edits=EDITS)
@example(text="x = '😀'\r\n", edits=[(0.5, 1, "\ud83d", False), (0.0, 0, "é", True)])
def test_random_edits_keep_text_bytes_and_places_equal_to_a_fresh_start(
    language: str, text: str, edits: list[tuple[float, int, str, bool]]
) -> None:
    """The incremental tree, too, where both parse: with errors, tree-sitter may mend them otherwise."""
    grammar = grammar_of(language)
    assert grammar is not None
    tree = DocumentTree(grammar, text)
    for where, n_removed, new, parses in edits:
        start = round(where * len(text))
        end = min(start + n_removed, len(text))
        text = text[:start] + new + text[end:]
        tree.edit(start, end, new)
        if parses:
            assert tree.parse(10_000)
    assert tree.measure.text == text
    assert tree.measure.source == text.encode("utf-8", "surrogatepass")
    for offset in range(len(text) + 1):
        byte = len(text[:offset].encode("utf-8", "surrogatepass"))
        assert tree.measure.byte(offset) == byte
        assert tree.measure.offset(byte) == offset
    assert tree.parse(10_000)
    assert tree.is_fresh
    expected = fresh(text, language)
    assert tree.tree is not None
    assert expected.tree is not None
    assert tree.tree.root_node.end_byte == expected.tree.root_node.end_byte
    if not expected.tree.root_node.has_error:
        assert dump(tree) == dump(expected)


@given(TEXTS, TEXTS)
def test_the_changed_part_makes_the_new_text_of_the_old(old: str, new: str) -> None:
    start, end, text = changed_part(old, new)
    assert old[:start] + text + old[end:] == new


@given(TEXTS, st.data())
def test_points_count_bytes_behind_the_last_lf(text: str, data: st.DataObject) -> None:
    measure = Measure(text)
    for _ in range(4):
        offset = data.draw(st.integers(0, len(text)))
        before = text[:offset].encode("utf-8", "surrogatepass")
        assert measure.point(offset) == (before.count(b"\n"), len(before) - before.rfind(b"\n") - 1)


BIG = "def f(x):\n    return [x, 'ä', {x: 1}]\n\n" * 2000


def test_a_parse_that_does_not_end_in_its_budget_goes_on_at_the_next_call() -> None:
    grammar = grammar_of("python")
    assert grammar is not None
    tree = DocumentTree(grammar, BIG)
    assert not tree.parse(0)
    assert tree.tree is None
    n_calls = 1
    while not tree.parse(1):
        n_calls += 1
        assert n_calls < 10_000
    assert dump(tree) == dump(fresh(BIG, "python"))


def test_typing_while_a_long_parse_runs_loses_neither() -> None:
    grammar = grammar_of("python")
    assert grammar is not None
    tree = DocumentTree(grammar, BIG)
    text = BIG
    for _ in range(10_000):
        if len(text) < len(BIG) + 40:
            tree.edit(100, 100, "ö")
            text = text[:100] + "ö" + text[100:]
        if tree.parse(1):
            break
    assert tree.is_fresh
    assert tree.measure.text == text
    assert dump(tree) == dump(fresh(text, "python"))


def test_the_old_tree_is_there_shifted_and_stale_until_the_new_one_is() -> None:
    tree = fresh("x = 1\ndef f():\n    pass\n", "python")
    tree.edit(0, 0, "# ä\n")
    assert not tree.is_fresh
    place = place_at(tree.measure.text, tree.measure.text.index("pass"), "python", tree)
    assert place.source == "stale_tree"
    scope = place.scope
    assert scope is not None
    assert scope.start == tree.measure.text.index("def")


def test_a_whole_new_text_takes_the_place_of_the_old() -> None:
    tree = fresh("x = 1\n", "python")
    tree.replace("😀 = 2\r\ny = 3")
    assert tree.parse(10_000)
    assert dump(tree) == dump(fresh("😀 = 2\r\ny = 3", "python"))


def test_the_tree_with_a_text_in_it_leaves_the_document_alone() -> None:
    tree = fresh("x = 1\n", "python")
    before = dump(tree)
    probe = tree.with_text(4, 5, "f(😀)", 10_000)
    assert probe is not None
    assert probe.root_node.end_byte == len("x = f(😀)\n".encode())
    assert dump(tree) == before
    assert tree.is_fresh


def test_documents_have_trees_of_their_own_and_catch_up_with_edits_that_were_not_told() -> None:
    trees = Trees()
    first = trees.of("a", "python", "x = 1\n")
    assert first is not None
    trees.edit("a", 5, 5, "2")
    assert trees.of("a", "python", "x = 12\n") is first
    assert trees.of("b", "python", "y = 1\n") is not first
    assert trees.of("a", "python", "z = 12\n") is first
    assert first.measure.text == "z = 12\n"
    trees.close("a")
    assert trees.of("a", "python", "z = 12\n") is not first


def test_a_file_that_is_too_large_has_no_tree() -> None:
    trees = Trees(max_source_bytes=1000)
    assert trees.of("a", "python", "x" * 5_000_000) is None
    small = trees.of("b", "python", "ä" * 400)
    assert small is not None
    trees.edit("b", 0, 0, "ä" * 200)
    assert trees.of("b", "python", "ä" * 600) is None


def test_trees_that_were_not_used_for_long_are_forgotten() -> None:
    trees = Trees(max_kept_bytes=1000)
    first = trees.of("a", "python", "x" * 600)
    assert trees.of("b", "python", "y" * 600) is not None
    assert trees.of("a", "python", "x" * 600) is not first


def test_a_language_without_grammar_has_no_tree() -> None:
    assert Trees().of("a", "brainfuck", "+") is None
    assert grammar_of("markdown") is None
    assert keywords_of("markdown") == frozenset()


@pytest.mark.parametrize(
    ("language_id", "path", "language"),
    [
        ("python", "", "python"),
        ("Python", "a.txt", "python"),
        ("javascriptreact", "", "javascript"),
        ("typescriptreact", "", "tsx"),
        ("shellscript", "", "shell"),
        ("plaintext", "src/a.rs", "rust"),
        ("", "C:\\a\\B.CS", "csharp"),
        ("", "a.kt", "kotlin"),
        ("", "Makefile", "makefile"),
        ("fortran", "a.py", "fortran"),
    ],
)
def test_the_editors_language_decides_and_the_suffix_where_it_says_nothing(
    language_id: str, path: str, language: str
) -> None:
    assert language_of(language_id, path) == language


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_node_type_in_the_rules_is_one_of_its_grammars(language: str) -> None:
    grammar = grammar_of(language)
    assert grammar is not None
    rules, outline = rules_of(language), OUTLINE_RULES[language]
    names = {
        *rules.scopes,
        *rules.strings,
        *rules.comments,
        *rules.code_in_strings,
        *outline.definitions,
        *outline.containers,
        *outline.imports,
        *outline.bodies,
    }
    assert not {name for name in names if grammar.id_for_node_kind(name, True) is None}


def test_keywords_come_from_the_grammar() -> None:
    assert {"def", "return", "lambda"} <= keywords_of("python")
    assert "name" not in keywords_of("python")
