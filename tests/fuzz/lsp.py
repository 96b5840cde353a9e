"""The language server's editor, gone mad: any bytes, any JSON, any field of the specification with any value.

Among it goes a document that is edited properly, in one of the three encodings. What must hold: the server
takes every next message, answers every request once, has the document's text, and makes no mistake of its
own (one that is logged as such).
"""

import asyncio
import json
import logging
from random import Random
from typing import Any

import pytest
from lsprotocol import types

from tests.fuzz import Deadline, Report
from tests.support.home import isolated_home
from tests.support.in_process import QUIET, InProcess, serving
from tests.support.specification import MESSAGES, WRONG, changed, example, paths
from tests.support.waiting import wait_until_async

CASES = 150
CASES_A_SERVER = 25
MESSAGES_A_CASE = 20
URI = "file:///shop/edited.py"
MOST_CHARS = 2_000
PIECES = ("a", "x = 1", "(", '"', "\n", "\r\n", "\r", "é", "😀", "\u2028", "\ud83d", "中文", "", "`" * 3)
METHODS: tuple[tuple[str, Any], ...] = (
    *MESSAGES,
    ("initialized", types.InitializedParams),
    ("initialize", types.InitializeParams),
    ("no/such/method", types.Position),
)


def run(random: Random, deadline: Deadline) -> Report:
    """Cases until the deadline. A case is a stretch of the stream; a few servers read them all."""
    report = Report()
    mistakes: list[str] = []
    handler = _Mistakes(mistakes)
    log = logging.getLogger("stardraft_lsp")
    log.addHandler(handler)
    was_propagating, log.propagate = log.propagate, False
    try:
        asyncio.run(_run(random, deadline, report, mistakes))
    finally:
        log.removeHandler(handler)
        log.propagate = was_propagating
    return report


class _Mistakes(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._found.append(f"{record.getMessage()}: {error!r}")


async def _run(random: Random, deadline: Deadline, report: Report, mistakes: list[str]) -> None:
    with isolated_home() as home, pytest.MonkeyPatch.context() as patch:
        cases = iter(deadline.cases())
        is_going_on = True
        while is_going_on:
            async with serving(home, patch) as server:
                editor = _Editor(random, server)
                for _ in range(CASES_A_SERVER):
                    case = next(cases, None)
                    is_going_on = case is not None
                    if not is_going_on:
                        break
                    report.n_cases += 1
                    mistakes.clear()
                    faults = [*await editor.case(report), *mistakes]
                    report.faults += [f"case {case}: {fault}" for fault in faults]


class _Editor:
    """What one server is told, and what it has to have made of it."""

    def __init__(self, random: Random, server: InProcess) -> None:
        self._random = random
        self._server = server
        self._n_ids = 0
        self._asked: list[Any] = []
        self._encoding = random.choice(("utf-8", "utf-16", "utf-32"))
        general = {"positionEncodings": [random.choice(("utf-7", 5, None)), self._encoding]}
        server.initialize(capabilities={"general": general}, initializationOptions=QUIET)
        self._text = 's = "😀"\r\n'
        server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": self._text}})
        server.sent.clear()

    async def case(self, report: Report) -> list[str]:
        """Sends some messages; what is wrong afterwards."""
        self._asked.clear()
        stream = b""
        for _ in range(MESSAGES_A_CASE):
            kind = self._random.choice(("edit", "edit", "field", "field", "value", "bytes"))
            report.outcomes[kind] += 1
            stream += getattr(self, f"_{kind}")()
        stream += self._framed(self._request("stardraft/status", None))
        cuts = sorted(self._random.randrange(len(stream)) for _ in range(self._random.randrange(5)))
        await self._server.feed(*[one for one in _cut(stream, cuts) if one])
        return await self._faults()

    async def _faults(self) -> list[str]:
        answered = self._server.answered
        try:
            await wait_until_async(lambda: all(number in answered() for number in self._asked), 10)
        except AssertionError:
            return [f"not answered: {[number for number in self._asked if number not in answered()]}"]
        found = []
        twice = [number for number in self._asked if answered().count(number) != 1]
        if twice:
            found.append(f"answered more than once: {twice}")
        self._server.sent.clear()
        if self._server.text(URI) != self._text:
            found.append(f"another text: {self._server.text(URI)!r} for {self._text!r} in {self._encoding}")
            self._text = "\n"
            self._server.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": self._text}})
        return found

    # --- kinds of what is sent ----------------------------------------------------------------------------

    def _edit(self) -> bytes:
        """A proper change of the document, with odd things beside it."""
        changes = [self._change() for _ in range(self._random.choice((1, 1, 1, 3)))]
        document = {"uri": URI, "version": self._random.choice((1, None, 4.0, "x", -1))}
        params = {"textDocument": document, "contentChanges": changes}
        return self._framed({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params})

    def _change(self) -> dict[str, Any]:
        new = "".join(self._random.choices(PIECES, k=self._random.randrange(4)))
        if len(self._text) > MOST_CHARS or self._random.random() < 0.05:
            self._text = new
            return {"text": new, **self._random.choice(({}, {"range": None}, {"rangeLength": "x"}))}
        start, end = sorted((self._place(), self._place()))
        end = min(end, self._place_after(start + self._random.choice((0, 0, 1, 20))))
        span = [self._position(start), self._position(end)]
        self._text = self._text[:start] + new + self._text[end:]
        return {"range": self._random.choice((span, {"start": span[0], "end": span[1]})), "text": new}

    def _place(self) -> int:
        return self._place_after(self._random.randint(0, len(self._text)))

    def _place_after(self, index: int) -> int:
        """An index where an editor's cursor can be: not inside of a CRLF."""
        index = min(index, len(self._text))
        return index + (self._text[index - 1 : index + 1] == "\r\n")

    def _position(self, index: int) -> dict[str, Any]:
        before = self._text[:index].replace("\r\n", "\n").replace("\r", "\n")
        column = before.rpartition("\n")[2]
        code, width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[
            self._encoding
        ]
        n_units = len(column.encode(code, "surrogatepass")) // width
        return {"line": before.count("\n"), "character": self._random.choice((n_units, float(n_units)))}

    def _field(self) -> bytes:
        """A message of the protocol with one value wrong, as a request or as a notification."""
        method, of = self._random.choice(METHODS)
        whole = example(of)
        params = changed(whole, self._random.choice(list(paths(whole))), self._random.choice(WRONG))
        if self._random.random() < 0.5:
            return self._framed(self._request(method, params))
        return self._framed({"jsonrpc": "2.0", "method": method, "params": params})

    def _value(self) -> bytes:
        """JSON that may be no message at all."""
        value = self._json(3)
        if isinstance(value, dict):
            value |= self._random.choice(({}, {"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "id": None}))
            value.pop("method", None)
        return self._framed(value)

    def _json(self, depth: int) -> Any:
        if depth == 0 or self._random.random() < 0.3:
            return self._random.choice((None, True, 0, -1, 1e300, 2**70, "", "text", "\ud83d"))
        if self._random.random() < 0.5:
            return [self._json(depth - 1) for _ in range(self._random.randrange(4))]
        keys = ("jsonrpc", "id", "params", "result", "error", "textDocument", "uri", "position")
        return {key: self._json(depth - 1) for key in self._random.sample(keys, self._random.randrange(5))}

    def _bytes(self) -> bytes:
        """What stands between two messages and is none."""
        length = self._random.choice((b"0", b"-3", b"x", b"7", b"99999999999", b"4000"))
        return self._random.choice(
            (
                self._random.randbytes(self._random.randrange(50)),
                b"\r\n" * self._random.randrange(4),
                b"Content-Length: " + length + b"\r\n\r\n{}",
                b"Content-Length: " + length,
                b"content-type: text\r\n\r\n",
                b"Content-Length: 11\r\n\r\n{'no json'}",
                self._framed({"jsonrpc": "2.0", "method": "cut/short"})[: self._random.randrange(60)],
            )
        )

    # --- how it is sent -----------------------------------------------------------------------------------

    def _request(self, method: str, params: Any) -> dict[str, Any]:
        self._n_ids += 1
        number: Any = self._random.choice((self._n_ids, f"id {self._n_ids}", self._n_ids + 0.5))
        self._asked.append(number)
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}

    def _framed(self, message: Any) -> bytes:
        body = json.dumps(message, ensure_ascii=self._random.random() < 0.5).encode("utf-8", "surrogatepass")
        head = self._random.choice(
            (
                b"Content-Length: %d\r\n\r\n",
                b"content-length:%d\r\n\r\n",
                b"CONTENT-LENGTH :  %d \n\n",
                b"X-Other: 1\r\nContent-Length: %d\r\nContent-Type: x; charset=utf-8\r\n\r\n",
            )
        )
        return head % len(body) + body


def _cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
