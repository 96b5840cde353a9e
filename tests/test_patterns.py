"""No text makes a pattern slow: every regular expression of this project meets the worst texts there are
for it.

Patterns are found in the source (those that are written where they are used) and in the modules' tables. What
RE2 matches (`stardraftd.patterns`) needs no trial; everything else is tried with texts of 30,000 characters
that are made from its own parse tree, in a process of its own, and may take a fifth of a second for each.
"""

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stardraft_lsp.context.access.kinds import has_generated_name, is_generated
from stardraft_lsp.context.index.definitions import PlainOutliner, agreement
from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraft_lsp.filters.ends import half_word
from stardraft_lsp.syntax.lexing import is_only_closers, opener_of
from stardraftd.patterns import IDENTIFIER, Linear, Words, linear
from tests.support.waiting import seconds
from tests.test_walls import SOURCES, source_files

USES = {"compile", "search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn"}
# Patterns made at run time, by the module and function that make them, and of what.
MADE_AT_RUN_TIME = {
    "stardraftd.lexing.scanner": "a prefix of lexing/lexis.py's texts; tried below",
    "stardraftd.lexing.patterns": "of the tables of lexing/lexis.py; tried below",
    "stardraft_lsp.ahead.declarations": "one escaped word",
    "stardraftd.builds.library": "of fixed words around a file's name",
    "stardraftd.models.catalogue": "two parts of a bounded class",
    "stardraftd.setup.uninstall": "patterns of this program's own file names",
    "stardraft_quant.convert.metadata": "of this program's own keys",
}


def calls_of_re(file: Path) -> list[tuple[int, str, ast.Call]]:
    """Line, function and call of everything that `re` is asked in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [
        (node.lineno, node.func.attr, node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in USES
    ]


def test_every_pattern_is_in_reach_of_the_trial() -> None:
    """Written as a constant, or in a module's table, or listed above with the reason."""
    for package in SOURCES:
        for name, file in source_files(package):
            source = file.read_text(encoding="utf-8")
            assert "from re import" not in source, f"{name} hides its use of re from this test"
            assert "fnmatch" not in source, (
                f"{name}: stardraft_lsp.settings.globs has the matcher for file names"
            )
            if "import re" not in source:
                continue
            in_functions = {
                call
                for function in ast.walk(ast.parse(source))
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
                for call in ast.walk(function)
                if isinstance(call, ast.Call)
            }
            lines = {call.lineno for call in in_functions}
            for line, use, call in calls_of_re(file):
                is_constant = isinstance(call.args[0], ast.Constant)
                is_in_table = use == "compile" and line not in lines
                assert is_constant or is_in_table or name in MADE_AT_RUN_TIME, f"{name}:{line}: re.{use}"


def test_no_text_makes_a_pattern_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.slow_patterns"],
        capture_output=True,
        text=True,
        timeout=seconds(150),
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    said = json.loads(done.stdout)
    assert said["slow"] == []
    assert said["tried"] > 60


def test_the_trial_sees_what_backtracks() -> None:
    from tests.support.slow_patterns import is_slow

    assert is_slow(r"[A-Za-z][a-z]*(?:[_.:/-]?[A-Za-z][a-z]*)*\d?", 0)
    assert is_slow(r"\s+as\s+\S+$", 0)
    assert is_slow(r"(?:[\s)]|\(\))*[:{]?\s*", 0)
    assert not is_slow(r"[^\W\d]\w{2,40}", 0)
    assert not is_slow(r"\r\n|\n|\r", 0)


# --- the places where a text is asked about, with what made them slow ----------------------------------

LONG = 100_000


@pytest.mark.parametrize(
    "ask",
    [
        lambda: is_only_closers(" " * LONG + "y;"),
        lambda: is_only_closers(")" * LONG + "x"),
        lambda: is_only_closers("()" * LONG + "x"),
        lambda: is_only_closers("</a" * LONG + "x"),
        lambda: opener_of("do |" + "a" * LONG, "ruby", is_whole=True),
        lambda: opener_of("function(" * (LONG // 9), "lua", is_whole=True),
        lambda: PlainOutliner().imports("from a import (" * LONG, "python"),
        lambda: PlainOutliner().imports("import " + " " * LONG, "javascript"),
        lambda: PlainOutliner().imports("use " * LONG, "rust"),
        lambda: has_generated_name("-bundle.js" * LONG + "x"),
        lambda: is_generated("do not edit" + "\n \t" * LONG),
        lambda: agreement("/index" * LONG, "a.b"),
        lambda: half_word(Draft("foo " + "(" * LONG, ended="cut"), Around.at("", "")),
    ],
    ids=lambda ask: ask.__code__.co_names[0],
)
def test_no_place_is_slow_for_any_text(ask: Callable[[], object]) -> None:
    began = time.process_time()
    ask()
    assert time.process_time() - began < 2


# --- RE2, as it is used here ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", [r"(?:a+)+b", r"(?:a|aa)*c", r"^(?:[A-Za-z][a-z]*-?)*\d$", r".*.*.*.*=.*"]
)
def test_what_takes_backtracking_forever_is_answered(pattern: str) -> None:
    assert linear(pattern).search("a" * 200_000) is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\w+", "größe naïve 変数 x1_y"),
        (r"[\w.]+", "größe.naïve 変数"),
        (r"[^\w\s]+", "größe++ \u00a0-- 変数"),
        (r"\s+", "a\u00a0\t\u2003b\vc\x85d"),
        (r"\S+", "a\u00a0b\tc"),
        (r"\d+", "12 ٣٤ ½"),
        (r"[]a]+", "]a]b"),
        (r"[^]a]+", "]a]b"),
        (r"\\w", r"\w"),
    ],
)
def test_classes_mean_what_they_mean_to_re(pattern: str, text: str) -> None:
    assert linear(pattern).findall(text) == re.findall(pattern, text)


def test_an_identifier_is_one_in_every_script() -> None:
    assert linear(IDENTIFIER).findall("größe 2x _a 変数 1") == ["größe", "x", "_a", "変数"]


def test_places_are_counted_in_characters_and_half_characters_do_no_harm() -> None:
    found = linear("key").search("ü😀\ud83d key")
    assert found is not None
    assert found.span() == (4, 7)


def test_words_are_found_whatever_their_case() -> None:
    assert sorted(Words(["ghp_", "akia", "s."]).within("x AKIA1 Ghp_")) == ["akia", "ghp_"]


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)", "(", r"[\W]"])
def test_what_is_not_a_pattern_of_re2_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        linear(pattern)


def test_a_compiled_pattern_is_linear() -> None:
    assert isinstance(linear("a"), Linear)
