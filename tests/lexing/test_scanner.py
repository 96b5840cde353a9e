"""What a scanner makes of text: what is open, whatever it is nested in, and that no text makes it slow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraftd.lexing.lexis import LEXES
from stardraftd.lexing.lines import code_of
from stardraftd.lexing.scanner import Scanner, frames, open_at_end

# Enough to be minutes for whatever is quadratic; tests end after three.
N_CHARACTERS = 100_000
SIGNS = [
    *"()[]{}<>'\"`#$/\\-=%@;|&\n ",
    "a",
    '"""',
    "'''",
    "${",
    "#{",
    "<<A\n",
    "/*",
    "*/",
    "--[[",
    'r#"',
    "A\n",
]


def opened(text: str, language: str) -> list[str]:
    return [frame.begin for frame in frames(open_at_end(text, language))]


@pytest.mark.parametrize(
    ("language", "text", "open_there"),
    [
        ("python", 'print(f"Hello {na', ["{", '"', "("]),
        ("python", "f'{x!r:>{w}}' + f(", ["("]),
        ("javascript", "f(`a ${ `b${c}` + `${{a: 1}.a}`} ", ["`", "("]),
        ("javascript", 'x = /[/"(]/; y = a / b / (', ["("]),
        ("rust", "fn f<'a>(c: char) { if c == '(' && a < b { f(\"", ['"', "(", "{", "{"]),
        ("cpp", 'a->b(1\'000, R"x()")x", std::vector<', ["<", "("]),
        ("shell", 'echo $# ${#a} a#b "$(ls ', ["$(", '"']),
        ("ruby", "x = f(<<~A, <<B)\n (\n A\n (\nB\ny(", ["("]),
        ("lua", "--[==[ ( ]] ]==] f([[", ["[[", "("]),
        ("csharp", 'var x = $@"a {f("', ['"', "(", "{", '$@"']),
        ("html", "<a b='(' c=\"", ['"', "<"]),
    ],
)
def test_what_is_open_at_the_end(language: str, text: str, open_there: list[str]) -> None:
    assert opened(text, language) == open_there


def test_a_line_without_comments_and_the_insides_of_strings() -> None:
    assert code_of("x = f('#', \"a'b\")  # c(", "python") == 'x = f("", "")  '
    assert code_of("a = `x${b}y` // (", "javascript") == 'a = "" '


@pytest.mark.parametrize("language", ["python", "javascript", "tsx", "rust", "cpp", "shell", "ruby", "lua"])
@pytest.mark.parametrize("unit", ["(", "`${", 'f"{', "a<", "/[", "'", "r#", "<<A\n", "[=", "$("])
def test_no_text_makes_it_slow_or_deep(language: str, unit: str) -> None:
    text = unit * (N_CHARACTERS // len(unit) // 4)
    scanner = Scanner(language, text)
    assert sum(1 for _ in scanner.read()) <= 2 * len(text)
    assert scanner.at == len(text)


@given(st.sampled_from(sorted(LEXES)), st.lists(st.sampled_from(SIGNS), max_size=30).map("".join), st.data())
def test_reading_goes_on_from_where_it_stood(language: str, text: str, data: st.DataObject) -> None:
    scanner = Scanner(language, text)
    list(scanner.read(data.draw(st.integers(0, len(text)))))
    list(scanner.read())
    assert scanner.at == len(text)
    opened_and_closed = 0
    for event in Scanner(language, text).read():
        opened_and_closed += {"open": 1, "lone": 0}.get(event.kind, -1)
        assert 0 <= event.start <= event.end <= len(text)
    assert opened_and_closed >= 0
