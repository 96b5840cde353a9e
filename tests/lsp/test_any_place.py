"""Wherever the cursor stands in a line, what the model says of the rest of it gives that line.

tests/data/lsp/any_place.txt has a line of code for each line: its language, a tab, and the code, in which `▸`
stands before the end of what an editor closes by itself and `◂` before the closer; a closer of several
characters stands in `⟨⟩`. At each place the editor has closed what is open there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stardraft_lsp.filters import Around, FilterSettings, Pipeline

LINES = (
    (Path(__file__).parents[1] / "data" / "lsp" / "any_place.txt").read_text(encoding="utf-8").splitlines()
)


def parsed(marked: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The code, and of each pair where its opener ends, where its closer begins, and the closer."""
    code, waiting, pairs = "", [], []
    while marked:
        mark, marked = marked[0], marked[1:]
        if mark == "▸":
            waiting.append(len(code))
        elif mark == "◂":
            closer, marked = marked[1:].split("⟩", 1) if marked[0] == "⟨" else (marked[0], marked[1:])
            pairs.append((waiting.pop(), len(code), closer))
            code += closer
        else:
            code += mark
    return code, pairs


def places(marked: str) -> Iterator[tuple[str, str, str]]:
    """Each place in a line: what is before the cursor, what the editor put behind it, and what is to come."""
    code, pairs = parsed(marked)
    for at in range(1, len(code)):
        if any(start < at < start + len(closer) for _, start, closer in pairs):
            continue
        around = sorted(((begin, closer) for begin, end, closer in pairs if begin < at <= end), reverse=True)
        yield code[:at], "".join(closer for _, closer in around), code[at:]


def squeezed(text: str) -> str:
    return "".join(text.split()).rstrip(";,")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.replace("▸", "").replace("◂", "")[:60])
def test_the_rest_of_a_line_is_never_doubled_and_nothing_of_it_is_missing(line: str) -> None:
    language, marked = line.split("\t", 1)
    for before, closers, rest in places(marked):
        shown = Pipeline(Around.at(before, f"{closers}\n", language=language)).finish(rest)
        if not shown.text:
            left = squeezed(rest).removesuffix(squeezed(closers))
            assert len(left) < 2 or "hides_rest" in shown.why or left in '"""', f"{before}|{closers}"
            continue
        accepted = squeezed(shown.accepted(before, closers))
        assert accepted == squeezed(before + rest) or (
            "hides_rest" in shown.why and squeezed(before + rest).startswith(accepted)
        ), f"{before}|{closers}"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.replace("▸", "").replace("◂", "")[:60])
def test_an_editor_that_only_inserts_gets_what_fits_before_its_own_closers(line: str) -> None:
    language, marked = line.split("\t", 1)
    code, pairs = parsed(marked)
    for before, closers, rest in places(marked):
        if not closers:
            continue
        around = Around.at(before, f"{closers}\n", language=language)
        shown = Pipeline(around, FilterSettings(can_replace=False)).finish(rest)
        closes_at = max((begin, end) for begin, end, _ in pairs if begin < len(before) <= end)[1]
        assert shown.replaces == 0
        assert code[len(before) : closes_at].startswith(shown.text.rstrip()), f"{before}|{closers}"
