"""In editors with a completion list only, typing is not a wish: nothing but evidence makes it one."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stardraft_lsp.session import Ask
from stardraft_lsp.session.question import SUPERSEDED, Answer
from tests.support.in_process import InProcess, serving

URI = "file:///shop/shelf.py"


@pytest.fixture
async def server(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    async with serving(home, monkeypatch) as found:
        found.initialize()
        found.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "\n"}})
        yield found


class Asked:
    """Whether each question was taken for one that somebody asked; and the next answers."""

    def __init__(self) -> None:
        self.invoked: list[bool] = []
        self.answer = Answer(reason="nothing_to_suggest")


@pytest.fixture
def asked(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()

    async def suggest(_document: Any, _offset: int, ask: Ask) -> Answer:
        found.invoked.append(ask.invoked)
        return found.answer

    monkeypatch.setattr(server.editor, "suggest", suggest)
    return found


def typed(server: InProcess, column: int, text: str = "x") -> None:
    here = {"line": 0, "character": column}
    change = {"range": {"start": here, "end": here}, "text": text}
    server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": [change]})


async def ask(server: InProcess, column: int, kind: Any = 1, line: int = 0) -> None:
    context = {} if kind is None else {"context": {"triggerKind": kind}}
    await server.answer(
        "textDocument/completion",
        {"textDocument": {"uri": URI}, "position": {"line": line, "character": column}, **context},
    )


async def test_what_editors_send_for_each_typed_letter_was_not_asked_for(
    server: InProcess, asked: Asked
) -> None:
    for column in range(4):
        typed(server, column)
        await ask(server, column + 1)
    assert asked.invoked == [False] * 4


async def test_who_asks_again_where_nothing_was_typed_has_asked(server: InProcess, asked: Asked) -> None:
    typed(server, 0)
    await ask(server, 1)
    await ask(server, 1)
    await ask(server, 0, line=1)
    typed(server, 1)
    await ask(server, 2)
    await ask(server, 2)
    assert asked.invoked == [False, True, True, False, True]


async def test_before_anything_is_typed_a_question_is_somebodys(server: InProcess, asked: Asked) -> None:
    await ask(server, 0)
    assert asked.invoked == [True]


@pytest.mark.parametrize("kind", [2, 3, None, "x", 1.5])
async def test_other_kinds_are_never_somebodys(kind: Any, server: InProcess, asked: Asked) -> None:
    await ask(server, 0, kind)
    await ask(server, 0, kind)
    assert asked.invoked == [False, False]


async def test_a_question_that_was_overtaken_has_had_no_answer(server: InProcess, asked: Asked) -> None:
    typed(server, 0)
    asked.answer = SUPERSEDED
    await ask(server, 1)
    await ask(server, 1)
    assert asked.invoked == [False, False]


async def test_a_deletion_is_typing_too(server: InProcess, asked: Asked) -> None:
    typed(server, 0, "xy")
    await ask(server, 2)
    start, end = {"line": 0, "character": 1}, {"line": 0, "character": 2}
    change = {"range": {"start": start, "end": end}, "text": ""}
    server.notify("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": [change]})
    await ask(server, 1)
    assert asked.invoked == [False, False]
