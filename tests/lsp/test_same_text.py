"""Whatever editors do to a document, the server has their text: 10,000 random edits, in three encodings.

The text is seen where it matters: in what the daemon is sent. Edits hold astral characters, combining marks,
all line ends and none; several editors edit at once, and send several changes in one notification at times.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import GHOST_TEXT, Editor, editing
from tests.support.waiting import within

N_EDITS = 10_000
N_BETWEEN_LOOKS = 125
ENCODINGS = ("utf-8", "utf-16", "utf-32")
MAX_CHARS = 1500
PIECES = (
    "a",
    "x = 1",
    "(",
    ")",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "é",
    "é",
    "🚀",
    "𝒳",
    "\u2028",
    "\x0c",
    "中文",
    "",
    "",
)


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


class Buffer:
    """A document as an editor keeps it: a list of lines with their line ends, and nothing of the server's."""

    def __init__(self, editor: Editor, uri: str, encoding: str, seed: str) -> None:
        self.editor, self.uri, self.encoding = editor, uri, encoding
        self.random = random.Random(seed)
        self.text = "x = 1\r\ny = 2\n"
        editor.open(uri, self.text)

    def position(self, index: int) -> dict[str, int]:
        line = start = i = 0
        while i < index:
            is_crlf = self.text[i : i + 2] == "\r\n"
            if self.text[i] in "\r\n":
                i += 2 if is_crlf else 1
                line, start = line + 1, i
            else:
                i += 1
        before = self.text[start:index]
        units = {
            "utf-8": len(before.encode()),
            "utf-16": len(before.encode("utf-16-le")) // 2,
            "utf-32": len(before),
        }
        return {"line": line, "character": units[self.encoding]}

    def place(self) -> int:
        """An index that an editor's cursor can have: not inside of a CRLF."""
        index = self.random.randint(0, len(self.text))
        return index - 1 if self.text[index - 1 : index + 1] == "\r\n" else index

    def edit(self) -> dict[str, Any]:
        if self.random.random() < 0.01 or len(self.text) > MAX_CHARS:
            self.text = "".join(self.random.choices(PIECES, k=20))
            return {"text": self.text}
        start, end = sorted((self.place(), self.place()))
        end = min(end, start + self.random.choice((0, 0, 0, 1, 5, 40)))
        if self.text[end - 1 : end + 1] == "\r\n":
            end += 1
        new = "".join(self.random.choices(PIECES, k=self.random.randint(0, 3)))
        change = {"range": {"start": self.position(start), "end": self.position(end)}, "text": new}
        self.text = self.text[:start] + new + self.text[end:]
        return change

    def edits(self, n: int) -> None:
        while n > 0:
            at_once = min(n, self.random.choice((1, 1, 1, 2, 5)))
            self.editor.change(self.uri, *[self.edit() for _ in range(at_once)])
            n -= at_once

    async def check(self, daemon: StandIn) -> None:
        """Asks by hand, and looks at what the daemon got."""
        index = self.place()
        n_before = len(daemon.completions)
        asked = self.editor.ask(self.uri, **self.position(index))
        async with within(what="the daemon is asked"):
            while not (
                mine := [one for one in daemon.completions[n_before:] if one.request.document == self.uri]
            ):
                await asyncio.sleep(0.001)
        mine[0].say("z")
        mine[0].end()
        await self.editor.answer(asked)
        request = mine[0].request
        assert request.prefix == with_lf(self.text[:index])
        assert request.suffix == with_lf(self.text[index:])


def with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_after_any_edits_the_server_has_the_editors_text(
    encoding: str, home: dict[str, str], daemon: StandIn
) -> None:
    capabilities = {**GHOST_TEXT, "general": {"positionEncodings": [encoding]}}
    async with editing(home, initialize=False) as one, editing(home, initialize=False) as other:
        for editor in (one, other):
            await editor.initialize(capabilities)
        buffers = [
            Buffer(editor, f"file:///shop/{encoding}-{number}.py", encoding, f"{encoding} {number}")
            for number, editor in enumerate((one, other))
        ]
        for _ in range(N_EDITS // len(ENCODINGS) // len(buffers) // N_BETWEEN_LOOKS + 1):
            for buffer in buffers:
                buffer.edits(N_BETWEEN_LOOKS)
            for buffer in buffers:
                await buffer.check(daemon)
