"""Gates, amounts that are reconsidered, and candidates that break a file."""

import pytest

from stardraft_lsp.syntax.amount import amount_at, reconsidered
from stardraft_lsp.syntax.check import breaks, breaks_without, rank
from stardraft_lsp.syntax.gates import GATE_TEXTS, Gate, GateSettings, gate_at
from stardraft_lsp.syntax.languages import grammar_of
from stardraft_lsp.syntax.place import Place, place_at
from stardraft_lsp.syntax.trees import DocumentTree


def tree_of(text: str, language: str) -> DocumentTree:
    grammar = grammar_of(language)
    assert grammar is not None
    tree = DocumentTree(grammar, text)
    assert tree.parse(10_000)
    return tree


def place_in(marked: str, language: str = "python") -> tuple[Place, str]:
    before, _, behind = marked.partition("‸")
    text = before + behind
    return place_at(text, len(before), language, tree_of(text, language)), text


@pytest.mark.parametrize(
    ("marked", "settings", "code"),
    [
        ("# a‸", GateSettings(in_comments=True), None),
        ("# a‸", GateSettings(in_strings=True), "in_comment"),
        ("x = 'a‸'", GateSettings(in_strings=True), None),
        ('"""Doc ‸"""', GateSettings(in_docstrings=True), None),
        ('"""Doc ‸"""', GateSettings(in_strings=True), "in_docstring"),
        ("x = ‸ + 1", GateSettings(mid_line=True), None),
        ("x = ‸ + 1", GateSettings(), "text_behind"),
        ("x = [" + "1, " * 1000 + "‸]", GateSettings(), "long_line"),
        ("x = ‸", GateSettings(max_file_bytes=3), "file_too_large"),
    ],
)
def test_settings_open_and_close_gates(marked: str, settings: GateSettings, code: str | None) -> None:
    place, text = place_in(marked)
    gate = gate_at(place, text, settings=settings)
    assert (gate.code if gate else None) == code


@pytest.mark.parametrize("marked", ["wo‸rd", "# a‸", "x = 1‸", "pass‸", "‸", "x = ‸ + 1"])
def test_asking_by_hand_passes_every_gate_but_the_size(marked: str) -> None:
    place, text = place_in(marked)
    assert gate_at(place, text) is not None
    assert gate_at(place, text, invoked=True, is_read_only=True) is None
    small = GateSettings(max_file_bytes=len(text) - 1)
    assert gate_at(place, text, settings=small, invoked=True) == Gate("file_too_large")


def test_a_file_that_cannot_be_written_gets_no_suggestions() -> None:
    place, text = place_in("x = ‸")
    assert gate_at(place, text, is_read_only=True) == Gate("read_only")


def test_every_gate_has_a_sentence() -> None:
    for code in GATE_TEXTS:
        assert Gate(code).sentence.endswith(".")


def test_a_closed_gate_means_nothing_is_wanted() -> None:
    place, text = place_in("pass‸")
    wanted = amount_at(place, gate_at(place, text))
    assert (wanted.amount, wanted.reason, wanted.max_lines) == ("nothing", "gate", 0)
    assert wanted.gate == Gate("line_complete")


def test_a_configured_amount_is_kept_whatever_comes() -> None:
    place, _ = place_in("def f():‸")
    wanted = amount_at(place, configured="line")
    assert wanted.amount == "line"
    assert reconsidered(place, wanted, " if a:") == wanted
    assert amount_at(place, configured="block", max_block_lines=7).max_lines == 7


def test_a_block_has_a_ceiling() -> None:
    place, _ = place_in("def f():‸")
    assert amount_at(place, max_block_lines=5).max_lines == 5
    line, _ = place_in("if a‸")
    assert reconsidered(line, amount_at(line, max_block_lines=5), ":", 5).max_lines == 5


@pytest.mark.parametrize(
    ("marked", "language", "first_line", "amount", "reason"),
    [
        ("def f():\n    if‸", "python", " a:", "block", "first_line_opens"),
        ("def f():\n    x‸", "python", " = 1", "line", "in_line"),
        ("x = foo‸", "python", "(", "block", "first_line_opens"),
        ("x = 'a‸'", "python", " b:", "line", "not_code"),
        ("x = ‸ + 1", "python", "a[", "line", "text_behind"),
        ("func‸", "javascript", "tion add(a) {", "block", "first_line_opens"),
        ("function f() {\n  a();\n  ‸\n}\n", "javascript", "}", "line", "first_line_closes"),
        ("function f() {\n  a();\n  ‸\n}\n", "javascript", "b({});", "block", "empty_line_in_scope"),
        ("def f\n  ‸\nend\n", "ruby", "end", "line", "first_line_closes"),
        ("de‸", "ruby", "f add(a)", "block", "first_line_opens"),
        ("def f():‸", "python", " return 1", "block", "behind_opener"),
    ],
)
def test_an_amount_is_reconsidered_after_the_first_line(
    marked: str, language: str, first_line: str, amount: str, reason: str
) -> None:
    place, _ = place_in(marked, language)
    wanted = reconsidered(place, amount_at(place), first_line)
    assert (wanted.amount, wanted.reason) == (amount, reason)


@pytest.mark.parametrize(
    ("marked", "language", "text", "verdict"),
    [
        ("def f():\n    return 1\n‸", "python", "x = 2\n", False),
        ("def f():\n    return 1\n‸", "python", "x = (\n", True),
        ("def f():\n    ‸pass\n", "python", "return )\n    ", True),
        ("function f() {\n  ‸\n}\n", "javascript", "return [1];", False),
        ("function f() {\n  ‸\n}\n", "javascript", "return [1];\n}", True),
        ("int f() {\n  ‸\n}\n", "c", 'puts("😀");', False),
        ("x = (‸\n", "python", "1)", False),
        ("x = (‸\n", "python", "1, 2", None),
        ("func f() {\n\t‸\n}\n", "go", "if a {", True),
    ],
)
def test_a_candidate_breaks_what_parsed(marked: str, language: str, text: str, verdict: bool | None) -> None:
    before, _, behind = marked.partition("‸")
    tree = tree_of(before + behind, language)
    assert breaks(tree, len(before), len(before), text, budget_ms=10_000) is verdict


def test_errors_elsewhere_are_not_the_candidates_doing() -> None:
    before = "x = 1 1\n\n\n" + "def f():\n    return 1\n\n\n" * 500
    tree = tree_of("y = 1\n" + before + "z = 3\n", "python")
    end = len("y = 1\n" + before)
    assert breaks(tree, end, end, "a = 1\n", budget_ms=10_000) is False


def test_of_a_stale_tree_or_without_time_nothing_is_known() -> None:
    tree = tree_of("x = 1\n" * 3000, "python")
    assert breaks(tree, 0, 0, "y = (", budget_ms=0) is None
    tree.edit(0, 0, "z = 1\n")
    assert breaks(tree, 0, 0, "y = (", budget_ms=10_000) is None


def test_a_line_being_typed_is_compared_with_the_file_without_it() -> None:
    text = "def f():\n    return foo(\n\n\ndef g():\n    pass\n"
    tree = tree_of(text, "python")
    at = text.index("foo(") + 4
    start = text.index("    return")
    assert breaks_without(tree, at, at, "1)", line_start=start, budget_ms=10_000) is False
    assert breaks_without(tree, at, at, "1))", line_start=start, budget_ms=10_000) is True


def test_what_breaks_a_file_ranks_last_and_equals_keep_their_order() -> None:
    verdicts = {"a": True, "b": None, "c": False, "d": True, "e": None}
    assert rank("abcde", verdicts.get) == ["b", "c", "e", "a", "d"]
