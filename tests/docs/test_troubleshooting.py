"""What stardraft says of itself, in states, reasons and errors, is explained in docs/troubleshooting.md."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from stardraft_lsp.status import SILENCE_TEXTS, Silence, State
from stardraftd.cli.output.errors import FAILED, INTERRUPTED, NOT_RUNNING, WRONG_INPUT
from stardraftd.errors import StardraftError
from tests.docs.documents import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")


def words(literal: Any) -> Iterator[str]:
    """The texts of a Literal, or of a union of them."""
    for one in get_args(literal):
        yield from [one] if isinstance(one, str) else words(one)


def errors(base: type[StardraftError]) -> Iterator[type[StardraftError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == StardraftError.__module__:
            yield from errors(child)


@pytest.mark.parametrize("reason", sorted(set(words(Silence)) - {""}))
def test_every_reason_for_silence_is_explained_beside_its_sentence(reason: str) -> None:
    said = PAGE[PAGE.index("## The editor says\n") : PAGE.index("## The errors, one by one\n")]
    rows = [line for line in said.splitlines() if line.startswith("|")]
    (row,) = [line for line in rows if f"`{reason}`" in line.split("|")[1]]
    assert SILENCE_TEXTS.get(reason, "") in row


@pytest.mark.parametrize("state", sorted(words(State)))
def test_every_state_is_explained(state: str) -> None:
    assert f"\n| `{state}` |" in PAGE


@pytest.mark.parametrize("code", [0, FAILED, WRONG_INPUT, NOT_RUNNING, INTERRUPTED])
def test_every_exit_code_is_explained(code: int) -> None:
    assert f"\n| {code} | " in PAGE


@pytest.mark.parametrize("error", list(errors(StardraftError)), ids=lambda error: error.__name__)
def test_every_error_is_explained(error: type[StardraftError]) -> None:
    assert f"\n| `{error.code}` | `{error.__name__}` |" in PAGE
