"""The typing replay: every event is answered, sums are sums, and only what did the same is compared."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from rich.console import Console

from stardraft_quant.bench.peer import (
    AnswerCache,
    InfillRequest,
    LlamaServer,
    PeerError,
    infill_request,
    running_server,
)
from stardraft_quant.bench.typing.benchmark import TypingOptions, TypingReport, run_typing
from stardraft_quant.bench.typing.editor import Asked, has_whole_line, position
from stardraft_quant.bench.typing.figures import Figure, figures, n_decoded_in, quantile, refusals
from stardraft_quant.bench.typing.records import LLAMA_SERVER, OURS, Ask, Replay, Totals
from stardraft_quant.bench.typing.replay import continuations
from stardraft_quant.bench.typing.sides import PeerSide
from stardraft_quant.bench.typing.table import EXPLAINED, render
from stardraft_quant.bench.typing.traces import encode_trace, load_trace
from stardraft_quant.bench.typing.typist import make_trace
from stardraftd.errors import RequestError
from stardraftd.paths import builtin_model_path

BEFORE = "import sys\n\n\ndef first(items):\n    return items[0]\n"
AFTER = (
    BEFORE
    + '\n\ndef names(items):\n    found = [item.name for item in items]\n    print("named", len(found))\n'
)


# --- what is counted -------------------------------------------------------------------------------------


def test_positions_count_utf16_code_units() -> None:
    assert position("a\n𝔘b", 4) == {"line": 1, "character": 3}


def test_a_line_is_whole_when_the_first_with_anything_in_it_has_ended() -> None:
    assert [has_whole_line(text) for text in ("", "x", "\n", "\n  x", "\n  x\n", "x\ny")] == [
        False, False, False, False, True, True,
    ]  # fmt: skip


def test_what_was_then_written_ends_where_the_cursor_leaves() -> None:
    trace = make_trace("one\nstays\ntwo\n", "one x = 1\nstays\ntwo y\n", "t", 0)
    kinds = [event.kind for event in trace.events]
    written = continuations(trace)
    assert len(written) == len(trace.events) + 1
    first, second = (number for number, kind in enumerate(kinds) if kind == "jump")
    assert written[first + 1] == " x = 1"
    assert written[second + 1] == " y"
    assert written[second] == ""  # the last key of the first place


def test_quantiles_are_values_that_occurred() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.95) == 95.0


def an_ask(**fields: Any) -> Ask:
    return Ask(**{"event": 0, "what": "key", "is_answered": True, "by_model": True, "first_ms": 50.0,
                  "line_ms": 200.0, "end_ms": 250.0, **fields})  # fmt: skip


def figure(found: list[Figure], name: str) -> Figure:
    return next(one for one in found if one.name == name)


def test_tokens_of_the_background_and_of_superseded_requests_count_and_recalled_ones_count_once() -> None:
    asks = (
        an_ask(n_evaluated=2, n_generated=10, n_recalled=4, n_shown=20, n_kept=10),
        an_ask(by_model=False, n_shown=10, n_kept=10),
        an_ask(is_answered=False, n_evaluated=7, n_generated=3),
    )
    totals = Totals(n_evaluated=9, n_generated=9, n_evaluated_in_background=21, n_generated_in_background=11)
    ours = Replay(side=OURS, trace="t", run=0, load_ms=1, asks=asks, totals=totals)
    peers = msgspec.structs.replace(ours, side=LLAMA_SERVER, totals=Totals(n_evaluated=60, n_generated=10))
    assert n_decoded_in([ours]) == 9 + 11
    rows = list(figures([ours, peers], [LLAMA_SERVER]))
    per_event = figure(rows, "evaluated in all, per event")
    assert per_event.values == {OURS: 10.0, LLAMA_SERVER: 20.0}
    assert per_event.ratios == {LLAMA_SERVER: 2.0}
    assert figure(rows, "evaluated per typed key, mean").values[OURS] == 1.0
    assert figure(rows, "decoded and never shown").values == {OURS: 50.0, LLAMA_SERVER: 0.0}
    assert figure(rows, "decoded and thrown away").values == {OURS: 75.0, LLAMA_SERVER: 50.0}
    assert figure(rows, "superseded before the answer").values[OURS] == pytest.approx(100 / 3)
    assert figure(rows, "keys with a line within 100 ms").values[OURS] == 0.0
    assert figure(rows, "keys with a line within 300 ms").values[OURS] == pytest.approx(200 / 3)


def a_replay(side: str, *asks: Ask) -> Replay:
    return Replay(side=side, trace="t", run=0, load_ms=1, asks=asks, totals=Totals())


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({"n_generated": 8, "n_shown": 31}, ""),
        ({"n_generated": 8, "n_shown": 0}, "30.0 and 0.0 characters shown"),
        ({"n_generated": 7, "n_shown": 30}, "8.0 and 7.0 tokens decoded"),
        ({"is_answered": False, "n_generated": 8, "n_shown": 30}, "8.0 and no tokens decoded"),
    ],
    ids=["the same", "nothing shown", "fewer tokens", "no answers"],
)
def test_sides_whose_answers_differ_are_not_compared(theirs: dict[str, Any], told: str) -> None:
    ours = a_replay(OURS, an_ask(n_generated=8, n_shown=30, n_evaluated=1))
    replays = [ours, a_replay(LLAMA_SERVER, an_ask(n_evaluated=9, **theirs))]
    ratios = {one.name: one.ratios[LLAMA_SERVER] for one in figures(replays, [LLAMA_SERVER])}
    assert ratios["evaluated per typed key, median"] == (None if told else 9.0)
    assert ratios["key to whole line, p50"] == (None if told else 1.0)
    assert told in "".join(refusals(replays, [LLAMA_SERVER]))
    assert bool(told) == bool(list(refusals(replays, [LLAMA_SERVER])))


def test_no_line_is_there_before_its_first_text() -> None:
    """What is answered with nothing is at once, and no line."""
    silent = [an_ask(first_ms=None, line_ms=2.0, end_ms=2.0) for _ in range(3)]
    shown = [an_ask(first_ms=15.0, line_ms=20.0, n_shown=5)]
    rows = list(figures([a_replay(OURS, *silent, *shown)], []))
    for quarter in ("p50", "p95"):
        assert figure(rows, f"key to first text, {quarter}").values == {OURS: 15.0}
        assert figure(rows, f"key to whole line, {quarter}").values == {OURS: 20.0}
    assert figure(rows, "answered with nothing").values == {OURS: 75.0}
    assert figure(rows, "keys with a line within 100 ms").values == {OURS: 25.0}


# --- the real thing --------------------------------------------------------------------------------------


def short_trace(tmp_path: Path) -> Path:
    trace = make_trace(BEFORE, AFTER, "short", 3)
    path = tmp_path / "short.json"
    path.write_bytes(encode_trace(trace))
    return path


@pytest.mark.parametrize("mode", ["stepwise", "realtime"])
def test_every_event_is_asked_and_the_tokens_add_up(tmp_path: Path, mode: Any) -> None:
    pytest.importorskip("llama_cpp", reason='pip install "stardraft[engine]"')
    path = short_trace(tmp_path)
    trace = load_trace(path)
    told: list[str] = []
    options = TypingOptions(model=builtin_model_path(), traces=(path,), pace=50.0, mode=mode)
    report = run_typing(options, told.append)
    assert told == ["run 1 of 1: short, loading stardraft", "run 1 of 1: short"]
    (replayed,) = report.replays
    assert [ask.event for ask in replayed.asks] == list(range(-1, len(trace.events)))
    answered = [ask for ask in replayed.asks if ask.is_answered]
    assert len(answered) == len(replayed.asks) or mode == "realtime"
    assert replayed.asks[0].is_answered
    assert replayed.asks[0].by_model
    assert replayed.asks[0].n_evaluated > 0
    for ask in answered:
        assert 0 <= ask.n_kept <= ask.n_shown
        assert 0 <= ask.line_ms <= ask.end_ms
        assert ask.first_ms is None or ask.first_ms <= ask.end_ms
        assert ask.by_model or ask.n_evaluated == ask.n_generated == 0
    if mode == "stepwise":
        assert sum(ask.n_evaluated for ask in replayed.asks) == replayed.totals.n_evaluated
        assert sum(ask.n_generated - ask.n_recalled for ask in replayed.asks) == replayed.totals.n_generated
    assert msgspec.json.decode(msgspec.json.encode(report), type=TypingReport) == report
    drawn = StringIO()
    Console(file=drawn, width=140).print(render(report))
    assert all(one.name in drawn.getvalue() for one in report.figures)
    assert "decoded and thrown away: these, and of what was shown" in drawn.getvalue()
    assert set(EXPLAINED) <= {one.name for one in report.figures}, "it explains a row that there is not"


def test_what_cannot_be_measured_is_refused_before_anything_starts(tmp_path: Path) -> None:
    model = builtin_model_path()
    for options in (
        TypingOptions(model=model, peers=(("other", tmp_path),)),
        TypingOptions(model=model, runs=0),
        TypingOptions(model=model, pace=0.0),
    ):
        with pytest.raises(RequestError):
            run_typing(options)


# --- llama-server ----------------------------------------------------------------------------------------


def test_the_request_is_llama_vims() -> None:
    text = "".join(f"line {number}\n" for number in range(400))
    cursor = text.index("line 300") + len("line")
    request = infill_request(text, cursor)
    assert request.prompt == "line"
    assert request.input_prefix.startswith("line 44\n")
    assert request.input_prefix.endswith("line 299\n")
    assert request.input_suffix.startswith(" 300\nline 301\n")
    assert request.input_suffix.endswith("line 364\n")
    assert json.loads(msgspec.json.encode(request))["cache_prompt"] is True
    blank = infill_request("if x:\n    \nend\n", len("if x:\n    "))
    assert (blank.prompt, blank.n_indent, blank.input_suffix) == ("", 0, "\nend\n\n")


def test_its_cache_finds_a_suggestion_whose_beginning_was_typed() -> None:
    cache = AnswerCache()

    def asked(line: str, suffix: str = "\n") -> InfillRequest:
        return InfillRequest(input_prefix="top\n", input_suffix=suffix, prompt=line, n_indent=0)

    cache.put(asked("ret"), "urn found")
    assert cache.find(asked("ret")) == "urn found"
    assert cache.find(asked("return")) == " found"
    assert cache.find(asked("retold")) == ""
    assert cache.find(asked("return found")) == ""
    assert cache.find(asked("return", ")\n")) == ""


def event_line(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


LAST = event_line(
    content="",
    stop=True,
    tokens_evaluated=40,
    tokens_cached=44,
    timings={"prompt_n": 7, "cache_n": 33, "prompt_ms": 3.5, "predicted_n": 4, "predicted_ms": 2.0},
)


class StandIn:
    """A small HTTP server that answers /infill with these parts, each once `go` lets it."""

    def __init__(self, parts: list[bytes], status: int = 200) -> None:
        self.parts = parts
        self.status = status
        self.bodies: list[dict[str, Any]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.arrived = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.bodies.append(json.loads(await reader.readexactly(length)))
        self.arrived.set()
        await self.go.wait()
        writer.write(b"HTTP/1.1 %d Answer\r\nConnection: close\r\n\r\n" % self.status)
        for part in self.parts:
            writer.write(part)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def standing_in(stand_in: StandIn) -> AsyncIterator[LlamaServer]:
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        yield LlamaServer(http)


async def test_a_streamed_answer_is_read_however_it_is_cut() -> None:
    whole = event_line(content="urn ") + event_line(content="x\u2028\ny") + LAST
    for cut in (1, 17, len(whole)):
        stand_in = StandIn([whole[n : n + cut] for n in range(0, len(whole), cut)])
        async with standing_in(stand_in) as server:
            found = await server.ask("ret\n", 3)
        assert found.answer.text == "urn x\u2028\ny"
        assert found.answer.first_ms is not None
        assert found.answer.first_ms <= found.answer.line_ms <= found.answer.end_ms
        assert found.end is not None
        assert found.end.timings is not None
        assert (found.end.tokens_evaluated, found.end.timings.prompt_n, found.end.timings.predicted_n) == (
            40, 7, 4,
        )  # fmt: skip
        assert stand_in.bodies[0]["prompt"] == "ret"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b'{"error": "no"}'], 501),
        ([event_line(content="urn")], 200),
        ([b"data: {oops\n\n"], 200),
        ([b"error: {}\n\n"], 200),
    ],
)
async def test_an_answer_that_is_none_is_an_error(parts: list[bytes], status: int) -> None:
    async with standing_in(StandIn(parts, status)) as server:
        with pytest.raises(PeerError):
            await server.ask("ret\n", 3)


async def test_keys_during_a_request_wait_for_it_and_only_the_newest_is_asked() -> None:
    stand_in = StandIn([event_line(content="zzz"), LAST])
    stand_in.go.clear()
    async with standing_in(stand_in) as server:
        side = PeerSide(server)
        first = asyncio.create_task(side.ask("r", 1))
        await stand_in.arrived.wait()
        second = asyncio.create_task(side.ask("re", 2))
        third = asyncio.create_task(side.ask("ret", 3))
        await asyncio.sleep(0)  # both have begun: they stand behind the first
        stand_in.go.set()
        outcomes = [await first, await second, await third]
    assert [outcome.is_answered for outcome in outcomes] == [False, False, True]
    assert [body["prompt"] for body in stand_in.bodies] == ["r", "ret"]
    totals = await side.totals()
    assert (totals.n_evaluated, totals.n_generated) == (14, 8)


@pytest.mark.parametrize("executable", ["absent", sys.executable])
async def test_a_server_that_does_not_start_is_told_with_what_it_wrote(
    tmp_path: Path, executable: str
) -> None:
    model = tmp_path / "no_such_model"
    with pytest.raises(PeerError) as raised:
        async with running_server(tmp_path / executable, model, threads=1, gpu_layers=0):
            pass
    assert executable in raised.value.message or "no_such_model" in raised.value.message


def test_the_moments_of_an_answer_are_in_order() -> None:
    asked = Asked()
    asked.grew(" ")
    assert asked.first_ms is None
    asked.grew(" x")
    asked.grew(" x\ny")
    answer = asked.ended(" x\ny")
    assert answer.first_ms is not None
    assert answer.first_ms <= answer.line_ms <= answer.end_ms
