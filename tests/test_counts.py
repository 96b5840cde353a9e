"""No sentence says "1 minutes": each number in front of a noun goes through `console.prose.counted`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [file for folder in ("daemon", "lsp", "quant") for file in sorted((ROOT / folder).rglob("*.py"))]
# A noun in the plural right behind a value. "tokens/s" is a unit, which has no singular.
PLURAL = re.compile(
    r" (?:tokens|suggestions|files|threads|layers|entries|places|weights|bytes|characters|times|tasks|rows"
    r"|events|checks|traces|lines|chunks|items|models|minutes|requests|tensors|dimensions|days|values|problems"
    r"|warnings|cells|runs|words)\b(?!/)"
)
# What is more than one whatever happens: a constant, and a span or size that is shown with its decimals.
ALWAYS_MANY = re.compile(r"_?[A-Z][A-Z0-9_]+")


def uncounted(tree: ast.AST) -> Iterator[str]:
    for string in ast.walk(tree):
        if not isinstance(string, ast.JoinedStr):
            continue
        for value, text in zip(string.values, string.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                continue
            form = ast.unparse(value.format_spec) if value.format_spec is not None else ""
            is_counted = isinstance(value.value, ast.Call) and ast.unparse(value.value.func) == "counted"
            if PLURAL.match(str(text.value)) and "." not in form and not is_counted:
                name = ast.unparse(value.value)
                if not ALWAYS_MANY.fullmatch(name.rpartition(".")[2]):
                    yield f"{name}{text.value}"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_count_agrees_with_its_noun(file: Path) -> None:
    assert not list(uncounted(ast.parse(file.read_text(encoding="utf-8"))))


def test_a_count_that_does_not_agree_is_seen() -> None:
    assert list(uncounted(ast.parse('f"{n} minutes left"'))) == ["n minutes left"]
    assert not list(uncounted(ast.parse('f"{MAX_FILES} files; {speed:.1f} tokens/s"')))
