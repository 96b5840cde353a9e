"""llama-server, asked as llama.vim asks it: the request's shape, the editor's cache, one request at a time.

As in llama.vim: `/infill` with the 256 lines above the cursor's line; what stands before the cursor in it as
`prompt`, the rest of the line and 64 lines below; nothing of a line that has only blanks; the samplers; a
cache of 250 answers, in which a suggestion whose beginning was typed since is found again; a running request
is waited for. Not as there: no chunks of other files, since a trace has one file;
no limits in time, so that suggestions are whole; it is asked as well with more than 8 characters behind the
cursor; nothing is asked in advance for what comes after a shown suggestion. The answer is streamed here, so
that the first token can be timed.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import httpx
import msgspec
from msgspec import Struct

from stardraft_quant.bench.typing.editor import Answer, Asked
from stardraft_quant.interruption import begin
from stardraftd.errors import StardraftError

LINES_ABOVE, LINES_BELOW = 256, 64
MAX_TOKENS = 64  # stardraft's own default
MAX_PREDICT_MS = 600_000
CACHE_ENTRIES = 250
CACHE_WALK = 128
START_TIMEOUT_S = 300.0
POLL_S = 0.05
LEAVING_S = 10.0
LOG_TAIL_BYTES = 2000


class PeerError(StardraftError):
    """llama-server could not be started, or did not answer as it should."""

    code = "peer"


class InfillRequest(Struct, frozen=True, kw_only=True):
    """The body of `POST /infill`."""

    input_prefix: str
    input_suffix: str
    prompt: str
    n_indent: int
    input_extra: tuple[str, ...] = ()
    n_predict: int = MAX_TOKENS
    top_k: int = 40
    top_p: float = 0.99
    samplers: tuple[str, ...] = ("top_k", "top_p", "infill")
    stream: bool = True
    cache_prompt: bool = True
    t_max_prompt_ms: int = MAX_PREDICT_MS
    t_max_predict_ms: int = MAX_PREDICT_MS


class Timings(Struct, frozen=True):
    """What llama-server tells of a request. prompt_n: tokens evaluated; cache_n: those that it had."""

    prompt_n: int = 0
    cache_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0


class InfillEvent(Struct, frozen=True):
    """One event of the stream. The last one has `stop` and the timings."""

    content: str = ""
    stop: bool = False
    tokens_evaluated: int = 0  # of the prompt, cached ones too
    tokens_cached: int = 0
    timings: Timings | None = None


class Infilled(Struct, frozen=True):
    """An answer and what it cost; `end` is None when it came from the editor's cache."""

    answer: Answer
    end: InfillEvent | None = None


def infill_request(text: str, cursor: int, n_predict: int = MAX_TOKENS) -> InfillRequest:
    """What llama.vim would send with the cursor there."""
    line_start = text.rfind("\n", 0, cursor) + 1
    above = text[:line_start].split("\n")[:-1][-LINES_ABOVE:]
    here, *below = text[cursor:].split("\n")
    prompt = text[line_start:cursor]
    indent = len(prompt) - len(prompt.lstrip())
    if not (prompt + here).strip():
        prompt, here, indent = "", "", 0
    return InfillRequest(
        input_prefix="\n".join(above) + "\n",
        input_suffix="\n".join([here, *below[:LINES_BELOW]]) + "\n",
        prompt=prompt,
        n_indent=indent,
        n_predict=n_predict,
    )


class AnswerCache:
    """llama.vim's answers by what stood around the cursor, the newest 250."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()

    def put(self, request: InfillRequest, text: str) -> None:
        self._answers[_before(request), request.input_suffix] = text
        while len(self._answers) > CACHE_ENTRIES:
            self._answers.popitem(last=False)

    def find(self, request: InfillRequest) -> str:
        """What is left of an answer whose beginning was typed since; "" when none fits."""
        before = _before(request)
        for n_typed in range(min(CACHE_WALK, len(request.prompt)) + 1):
            known = self._answers.get((before[: len(before) - n_typed], request.input_suffix), "")
            typed = before[len(before) - n_typed :]
            if known.startswith(typed) and len(known) > n_typed:
                return known[n_typed:]
        return ""


def _before(request: InfillRequest) -> str:
    return request.input_prefix + request.prompt


class LlamaServer:
    """A running llama-server, seen from an editor with llama.vim."""

    def __init__(
        self, http: httpx.AsyncClient, max_tokens: int = MAX_TOKENS, *, greedy: bool = False, pid: int = 0
    ) -> None:
        self.pid = pid
        self._http = http
        self._greedy = greedy
        self._max_tokens = max_tokens
        self._cache = AnswerCache()

    async def ask(self, text: str, cursor: int, asked: Asked | None = None) -> Infilled:
        """The suggestion at `cursor`. Raises PeerError. `asked` is when the key was typed, if not now."""
        request = infill_request(text, cursor, self._max_tokens)
        if self._greedy:
            request = msgspec.structs.replace(request, samplers=("top_k",), top_k=1)
        asked = asked or Asked()
        known = self._cache.find(request)
        if known:
            return Infilled(asked.ended(known))
        answer, end = await self._infill(request, asked)
        self._cache.put(request, answer.text)
        return Infilled(answer, end)

    async def _infill(self, request: InfillRequest, asked: Asked) -> tuple[Answer, InfillEvent]:
        text = ""
        try:
            body = msgspec.json.encode(request)
            async with self._http.stream("POST", "/infill", content=body) as response:
                if response.is_error:
                    told = (await response.aread()).decode(errors="replace")
                    raise PeerError(f"llama-server answered with HTTP status {response.status_code}: {told}")
                async for event in _events(response):
                    text += event.content
                    asked.grew(text)
                    if event.stop:
                        return asked.ended(text), event
        except (httpx.TransportError, msgspec.DecodeError) as error:
            raise PeerError(f"llama-server did not answer as it should: {error!r}") from error
        raise PeerError("llama-server's answer ended without its last event.")


async def _events(response: httpx.Response) -> AsyncIterator[InfillEvent]:
    """The stream's events: lines `data: {...}`. Split at LF alone: JSON may have U+2028 in it."""
    rest = b""
    async for part in response.aiter_bytes():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"error:"):
                raise PeerError(f"llama-server told of an error: {line.decode(errors='replace')}")
            if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                yield msgspec.json.decode(line[len(b"data: ") :], type=InfillEvent)


# --- the process -----------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running_server(
    executable: Path,
    model: Path,
    *,
    threads: int,
    gpu_layers: int,
    max_tokens: int = MAX_TOKENS,
    greedy: bool = False,
) -> AsyncIterator[LlamaServer]:
    """llama-server with the model loaded, on a free port of the loopback; it has ended afterwards."""
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        process = _start(executable, _arguments(model, port, threads, gpu_layers), log)
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=httpx.Timeout(None), trust_env=False
            ) as http:
                await _until_loaded(http, process, log)
                yield LlamaServer(http, max_tokens, greedy=greedy, pid=process.pid)
        finally:
            await asyncio.to_thread(_end, process)


def _arguments(model: Path, port: int, threads: int, gpu_layers: int) -> list[str]:
    values = {
        "-m": model,
        "--host": "127.0.0.1",
        "--port": port,
        "-c": 8192,
        "-np": 1,
        "-b": 1024,
        "-ub": 1024,
        "--cache-reuse": 256,
        "-fa": "off",
        "-ngl": gpu_layers,
        "-t": threads,
    }
    return [str(part) for pair in values.items() for part in pair] + ["--no-webui"]


def _start(executable: Path, arguments: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    try:
        return begin(
            [executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={name: value for name, value in os.environ.items() if not name.startswith("LLAMA_ARG_")},
            start_new_session=os.name == "posix",  # Ctrl-C is the benchmark's, which then ends it
        )
    except OSError as error:
        raise PeerError(
            f"{executable} cannot be started: {error.strerror or error}.",
            "Give --peer llama-server=PATH with the path of llama.cpp's server.",
        ) from error


async def _until_loaded(http: httpx.AsyncClient, process: "subprocess.Popen[bytes]", log: IO[bytes]) -> None:
    for _poll in range(round(START_TIMEOUT_S / POLL_S)):
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if (await http.get("/health", timeout=LEAVING_S)).is_success:
                return
        await asyncio.sleep(POLL_S)
    log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
    raise PeerError(
        f"llama-server did not load the model. It wrote:\n{log.read().decode(errors='replace').strip()}",
        "Build it from the same llama.cpp as stardraft's engine.",
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(LEAVING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
