"""Golden cases of where a generation ends; tests/data/engine/boundaries.toml has them, for anyone to add."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraftd.engine.decode.boundary import Boundary
from stardraftd.lexing.names import language_of

CASES = tomllib.loads(
    (Path(__file__).parents[1] / "data" / "engine" / "boundaries.toml").read_text(encoding="utf-8")
)["case"]

BLOCKS = [
    case
    for case in tomllib.loads(
        (Path(__file__).parents[1] / "data" / "lsp" / "filters" / "blocks.toml").read_text(encoding="utf-8")
    )["case"]
    if "indentation" not in case.get("why", [])  # which the engine leaves as it is
]


def cut(boundary: Boundary, generated: str, sizes: int) -> tuple[str, str]:
    shown = ""
    for start in range(0, len(generated), sizes):
        shown += boundary.feed(generated[start : start + sizes])
        if boundary.reason:
            break
    return shown + boundary.finish(), boundary.reason or ""


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden(case: dict[str, str], size: int) -> None:
    boundary = Boundary(case["mode"], case["before"], case["after"], case.get("language", ""))  # type: ignore[arg-type]
    assert cut(boundary, case["generated"], size) == (case["shown"], case["reason"])


@pytest.mark.parametrize("case", BLOCKS, ids=lambda case: case["name"])
def test_a_block_ends_where_the_language_server_has_its_end(case: dict[str, str]) -> None:
    language = language_of(case["language"])
    boundary = Boundary("block", case["before"], case.get("after", ""), language)
    shown, _reason = cut(boundary, case["generated"], 3)
    assert shown == case["shown"]


@given(
    st.sampled_from(["line", "block", "free"]),
    st.text("ab(){}'\n \t", max_size=20),
    st.text("ab(){}'\n \t", max_size=20),
    st.text("ab(){}'\n \t", max_size=40),
    st.integers(1, 7),
)
def test_how_the_text_arrives_in_pieces_makes_no_difference(
    mode: str, before: str, after: str, generated: str, size: int
) -> None:
    whole = cut(Boundary(mode, before, after), generated, 1000)  # type: ignore[arg-type]
    assert cut(Boundary(mode, before, after), generated, size) == whole  # type: ignore[arg-type]


@given(st.text("ab(){}'\n \t", max_size=20), st.text("ab(){}'\n \t", max_size=40))
def test_nothing_is_invented(before: str, generated: str) -> None:
    shown, _ = cut(Boundary("free", before, ""), generated, 1)
    assert shown.replace(" ", "").replace("\t", "") in generated.replace(" ", "").replace("\t", "")
