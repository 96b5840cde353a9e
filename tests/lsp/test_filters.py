"""What is shown of what a model says: golden cases in tests/data/lsp/filters, and what holds for any text.

Each file there begins with how a case is written; a user adds one without reading code.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stardraft_lsp.filters import Around, FilterSettings, Indentation, Pipeline, Shown

FOLDER = Path(__file__).parents[1] / "data" / "lsp" / "filters"
FILES = sorted(FOLDER.glob("*.toml"))
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in FILES
    for case in tomllib.loads(file.read_text(encoding="utf-8"))["case"]
]
MAY_SHRINK = {"repeats_above", "loop", "license", "half_word", "dangling"}


def pipeline_of(case: dict[str, Any]) -> Pipeline:
    around = Around.at(
        case["before"],
        case.get("after", ""),
        language=case.get("language", "python"),
        path=case.get("path", "src/shelf.py"),
        mode=case.get("mode", "block"),
    )
    changes = {key: case[key] for key in ("max_lines", "auto_closed") if key in case}
    if "indentation" in case:
        tabs = case["indentation"] == "tabs"
        changes["indentation"] = Indentation(tabs, 4 if tabs else case["indentation"])
    around = Around(**{**{name: getattr(around, name) for name in around.__dataclass_fields__}, **changes})
    return Pipeline(around, FilterSettings(can_replace=case.get("can_replace", True)))


@pytest.mark.parametrize("case", CASES)
def test_golden(case: dict[str, Any]) -> None:
    reason = "max_tokens" if case.get("cut_off") else "end"
    shown = pipeline_of(case).finish(case["generated"], finish_reason=reason)
    assert (shown.text, list(shown.why), shown.replaces) == (
        case["shown"],
        case.get("why", []),
        case.get("replaces", 0),
    )


@pytest.mark.parametrize("case", CASES)
def test_what_is_shown_while_it_grows_is_the_beginning_of_what_is_shown_in_the_end(
    case: dict[str, Any],
) -> None:
    pipeline = pipeline_of(case)
    generated = case["generated"]
    so_far = ""
    for n in range(1, len(generated) + 1):
        shown = pipeline.feed(generated[:n])
        if not MAY_SHRINK & {*shown.why, *case.get("why", [])}:
            assert shown.text.startswith(so_far), "it shrank"
        so_far = shown.text
        if shown.is_final:
            assert so_far == case["shown"], "final, and yet not what is shown in the end"
            return
    assert case["shown"].startswith(so_far) or MAY_SHRINK & set(case.get("why", []))


def test_there_are_cases_of_every_filter() -> None:
    from typing import get_args

    from stardraft_lsp.filters import Why

    told = {why for case in CASES for why in case.values[0].get("why", [])}
    assert set(get_args(Why)) - told == {"unsure_from_the_start", "unsure_from_here"}


# --- any text ------------------------------------------------------------------------------------

PIECES = [
    *"ab (){}[]'\"\n\t;,:#=.",
    "    ",
    "\n    ",
    "foo",
    "return x",
    "<fim_middle>",
    "\r",
    "\ufffd",
    "else",
]
LINES = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
PLACES = st.builds(
    Around.at,
    LINES.map(lambda text: text.replace("\r", "")),
    LINES.map(lambda text: text.replace("\r", "")),
    language=st.sampled_from(["python", "javascript", "rust", "lua", ""]),
    path=st.sampled_from(["", "src/a.py"]),
    mode=st.sampled_from(["line", "block", "free"]),
)
REPLACING = st.booleans()


@given(PLACES, LINES, REPLACING)
@example(Around.at("foo(", ")\n", mode="block"), "a):\n  b", True)
def test_accepting_gives_what_was_shown_and_touches_only_the_cursors_line(
    around: Around, generated: str, can_replace: bool
) -> None:
    shown = Pipeline(around, FilterSettings(can_replace)).finish(generated)
    rest = around.suffix.partition("\n")[0]
    assert 0 <= shown.replaces <= (len(rest) if can_replace else 0)
    document = shown.accepted(around.prefix, around.suffix)
    assert document == around.prefix + shown.text + around.suffix[shown.replaces :]
    covered = "".join(around.suffix[: shown.replaces].split())
    said = iter(shown.text)
    assert all(char in said for char in covered), "what it takes the place of is in it, in the same order"


@given(PLACES, LINES, REPLACING)
def test_what_is_final_does_not_change_with_what_the_model_says_next(
    around: Around, generated: str, can_replace: bool
) -> None:
    pipeline = Pipeline(around, FilterSettings(can_replace))
    for n in range(1, len(generated)):
        shown = pipeline.feed(generated[:n])
        if shown.is_final:
            after = pipeline.finish(generated)
            assert (after.text, after.replaces) == (shown.text, shown.replaces)
            return


@given(PLACES, LINES, REPLACING)
def test_what_grows_does_not_shrink_but_for_the_reasons_that_are_told(
    around: Around, generated: str, can_replace: bool
) -> None:
    pipeline = Pipeline(around, FilterSettings(can_replace))
    so_far = ""
    for n in range(1, len(generated) + 1):
        last = n == len(generated)
        shown: Shown = pipeline.finish(generated) if last else pipeline.feed(generated[:n])
        if not shown.text.startswith(so_far):
            assert MAY_SHRINK & set(shown.why)
        so_far = shown.text


@given(PLACES, LINES)
def test_what_was_shown_is_shown_as_it_is_when_it_comes_again(around: Around, generated: str) -> None:
    pipeline = Pipeline(around, FilterSettings(can_replace=False))
    once = pipeline.finish(generated).text
    twice = pipeline.finish(once).text
    assert not once or once.startswith(twice)


@given(PLACES, LINES)
def test_the_same_input_gives_the_same_output(around: Around, generated: str) -> None:
    assert Pipeline(around).finish(generated) == Pipeline(around).finish(generated)
