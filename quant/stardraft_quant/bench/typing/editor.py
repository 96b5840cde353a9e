"""An editor without a screen: a client of the language server over stdio, and the isolated home it runs in.

It sends what editors send (open, change, ask for an inline completion) and times what comes back. Nothing of
the user's own stardraft is seen or touched: configuration, state and socket are in a temporary folder.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec import Struct

from stardraftd.client import DaemonClient
from stardraftd.client.launching import ensure_daemon
from stardraftd.errors import DaemonUnreachableError, StardraftError
from stardraftd.interruption import held_back
from stardraftd.paths import engine_cache_dir
from stardraftd.proof.identity import HASHES_FILE
from stardraftd.proof.verdict import VERDICTS_FILE

ANSWER_TIMEOUT_S = 600.0  # a large model, cold, on a small machine
LEAVING_S = 15.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
FOLDERS = {
    "STARDRAFT_CONFIG": "config.toml",
    "STARDRAFT_STATE_DIR": "state",
    "STARDRAFT_RUNTIME_DIR": "run",
    "STARDRAFT_MODELS_DIR": "models",
}
AUTOMATIC = 2  # InlineCompletionTriggerKind


class Answer(Struct, frozen=True, kw_only=True):
    """What came back for one request. Times in milliseconds since it was asked.

    first_ms: when the first text came; None when none did.
    line_ms:  when the first line was whole.
    end_ms:   when the answer came.
    is_null:  it was superseded: a newer request took its place.
    """

    text: str
    first_ms: float | None
    line_ms: float
    end_ms: float
    is_null: bool = False


class Asked:
    """A request under way: the moments at which its text grew."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first_ms: float | None = None
        self.line_ms: float | None = None

    def grew(self, text: str) -> None:
        """The whole text so far."""
        if self.first_ms is None and text.strip():
            self.first_ms = self.elapsed_ms()
        if self.line_ms is None and has_whole_line(text):
            self.line_ms = self.elapsed_ms()

    def ended(self, text: str, *, is_null: bool = False) -> Answer:
        self.grew(text)
        end_ms = self.elapsed_ms()
        return Answer(
            text=text,
            first_ms=self.first_ms,
            line_ms=end_ms if self.line_ms is None else self.line_ms,
            end_ms=end_ms,
            is_null=is_null,
        )

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000


def has_whole_line(text: str) -> bool:
    """Whether the first line that has anything in it has ended."""
    return "\n" in text.lstrip()


class Editor:
    """The client's end of a running language server.

    Invariant: each request is answered once; `ask` returns its answer or raises.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked: dict[int, Asked] = {}
        self._version = 0
        self._is_ready = asyncio.Event()
        self._failure = StardraftError(
            "The language server ended while it was measured.", "What it wrote to standard error says why."
        )
        self._reader = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        """Of the language server."""
        return self._process.pid

    async def initialize(self, folder: Path | None = None) -> None:
        """folder: the workspace, if there is one."""
        capabilities: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
        root = folder.as_uri() if folder is not None else None
        await self._request(
            "initialize", {"processId": os.getpid(), "rootUri": root, "capabilities": capabilities}
        )
        self._notify("initialized", {})

    async def status(self) -> dict[str, Any]:
        """What the server says of itself (`stardraft/status`)."""
        found: dict[str, Any] = await self._request("stardraft/status", {})
        return found

    async def origin(self, uri: str) -> str:
        """Who said what a document was shown last: "echo", "model"; "" where nothing was."""
        found = await self._request("stardraft/origin", {"textDocument": {"uri": uri}})
        return str(found["source"]) if found else ""

    async def until_ready(self) -> None:
        """Waits until the server has told that the model is loaded. Raises StardraftError if it cannot be."""
        ready = asyncio.create_task(self._is_ready.wait())
        done, _ = await asyncio.wait(
            {ready, self._reader}, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        if self._reader in done:
            raise self._failure
        if ready not in done:
            raise StardraftError(
                f"The model was not loaded within {ANSWER_TIMEOUT_S:.0f} s.", "Try a smaller model."
            )

    def open(self, uri: str, text: str, language: str) -> None:
        self._version = 1
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})

    def shut(self, uri: str) -> None:
        self._notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def change(self, uri: str, text: str, start: int, remove: int, insert: str) -> None:
        """Replaces `remove` characters of `text` (the document as it was) from `start` on."""
        self._version += 1
        span = {"start": position(text, start), "end": position(text, start + remove)}
        self._notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": uri, "version": self._version},
                "contentChanges": [{"range": span, "text": insert}],
            },
        )

    def ask(self, uri: str, text: str, offset: int) -> "asyncio.Task[Answer]":
        """Asks for a suggestion as an editor does by itself; the message is on its way when this returns."""
        number = next(self._ids)
        asked = self._asked[number] = Asked()
        params = {
            "textDocument": {"uri": uri},
            "position": position(text, offset),
            "context": {"triggerKind": AUTOMATIC},
            "partialResultToken": number,
        }
        future = self._post(number, "textDocument/inlineCompletion", params)
        return asyncio.create_task(self._answer(number, asked, future))

    async def close(self) -> None:
        """Leaves as editors do; a server that does not go is killed."""
        with contextlib.suppress(StardraftError, TimeoutError, OSError):
            await asyncio.wait_for(self._request("shutdown", None), LEAVING_S)
            self._notify("exit", None)
            await asyncio.wait_for(self._process.wait(), LEAVING_S)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._reader.cancel()
        await asyncio.wait({self._reader})

    # --- messages --------------------------------------------------------------------------------

    async def _answer(self, number: int, asked: Asked, future: "asyncio.Future[Any]") -> Answer:
        try:
            result = await asyncio.wait_for(future, ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise StardraftError(
                f"The language server did not answer within {ANSWER_TIMEOUT_S:.0f} s.", "Try a smaller model."
            ) from None
        finally:
            del self._asked[number]
        return asked.ended(_text_of(result), is_null=result is None)

    def _post(self, number: int, method: str, params: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        if self._reader.done():
            future.set_exception(self._failure)
        else:
            self._write({"id": number, "method": method, "params": params})
        return future

    async def _request(self, method: str, params: Any) -> Any:
        return await self._post(next(self._ids), method, params)

    def _notify(self, method: str, params: Any) -> None:
        self._write({"method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        body = msgspec.json.encode({"jsonrpc": "2.0", **message})
        if self._process.stdin is not None:
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while True:
                head = await stream.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b":", 1) for line in head.split(b"\r\n") if line)
                self._take(msgspec.json.decode(await stream.readexactly(int(fields[b"Content-Length"]))))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the server left; who still waits is told below
        except StardraftError as error:
            self._failure = error
        finally:
            for future in self._answers.values():
                if not future.done():
                    future.set_exception(self._failure)

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "$/progress", "params": {"token": token, "value": value}}:
                if token in self._asked:
                    self._asked[token].grew(_text_of(value))
            case {"method": "stardraft/status", "params": status}:
                self._follow(status)
            case {"method": _, "id": number}:
                self._write({"id": number, "result": None})
            case {"method": _}:
                pass
            case {"id": number, "error": error}:
                self._answers.pop(number).set_exception(
                    StardraftError(f"The language server answered with an error: {error.get('message')}.")
                )
            case {"id": number}:
                self._answers.pop(number).set_result(message.get("result"))

    def _follow(self, status: dict[str, Any]) -> None:
        if status.get("state") == "error":
            raise StardraftError(str(status.get("message")))
        if status.get("model"):
            self._is_ready.set()


def position(text: str, offset: int) -> dict[str, int]:
    """An offset as the LSP counts: lines, and UTF-16 code units in the line."""
    start = text.rfind("\n", 0, offset) + 1
    return {
        "line": text.count("\n", 0, offset),
        "character": len(text[start:offset].encode("utf-16-le")) // 2,
    }


def _text_of(result: Any) -> str:
    items = result.get("items", []) if isinstance(result, dict) else []
    return str(items[0].get("insertText", "")) if items else ""


# --- the home --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def isolated_home(settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """This process's environment has a temporary home of its own; yields it for children.

    settings: further variables, such as STARDRAFT_MODEL_PATH. At the end the environment is as it was, and
    no process of the home runs any more, however far its start had come.
    """
    # A socket's path is short by law (104 bytes on macOS).
    folder = Path(tempfile.mkdtemp(prefix="sd-"))
    verdicts = [engine_cache_dir() / name for name in (VERDICTS_FILE, HASHES_FILE)]
    # A daemon without editors leaves soon, should this process be killed before it can end it.
    own = {variable: str(folder / name) for variable, name in FOLDERS.items()}
    own |= {"STARDRAFT_DAEMON_IDLE_EXIT_MINUTES": "1"} | settings
    before = {name: value for name, value in os.environ.items() if name.startswith("STARDRAFT_")}
    _set_environment(own)
    try:
        _keep_known(verdicts)
        yield dict(os.environ)
    finally:
        _set_environment(before)
        _end_processes(own["STARDRAFT_STATE_DIR"])
        shutil.rmtree(folder, ignore_errors=True)


def _keep_known(verdicts: list[Path]) -> None:
    """The engine that was found sound here need not be tested again for this home."""
    engine_cache_dir().mkdir(parents=True)
    for verdict in verdicts:
        with contextlib.suppress(OSError):  # there is none yet: it is tested while the model is loaded
            shutil.copyfile(verdict, engine_cache_dir() / verdict.name)


def _end_processes(state_dir: str) -> None:
    """Kills what runs with this state folder in its environment, until there is nothing."""
    while found := [process for process in psutil.process_iter() if _lives_in(process, state_dir)]:
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, LEAVING_S)


def _lives_in(process: psutil.Process, state_dir: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):  # gone meanwhile, or another user's
        is_over = process.status() == psutil.STATUS_ZOMBIE
        return not is_over and process.environ().get("STARDRAFT_STATE_DIR") == state_dir
    return False


def _set_environment(settings: dict[str, str]) -> None:
    """Exactly these are the environment's STARDRAFT_ variables."""
    for name in [name for name in os.environ if name.startswith("STARDRAFT_")]:
        del os.environ[name]
    os.environ.update(settings)


@contextlib.asynccontextmanager
async def running_daemon() -> AsyncIterator[DaemonClient]:
    """A client of the home's daemon, which is started and has ended afterwards. Raises StardraftError."""
    # A start is seen to its end, also when it is not wanted any more: what has started can be ended. It is no
    # task, which asyncio.run would cancel while the thread goes on.
    starting = asyncio.get_running_loop().run_in_executor(None, ensure_daemon)
    try:
        await asyncio.shield(starting)
        async with DaemonClient("bench") as client:
            yield client
    finally:
        await asyncio.gather(starting, return_exceptions=True)
        await _stop_daemon()


async def _stop_daemon() -> None:
    """Asks the home's daemon to stop, and waits; a process that stays is killed."""
    async with DaemonClient("bench", start=False) as client:
        with contextlib.suppress(DaemonUnreachableError):
            pids = await _process_ids(client)
            await client.stop(drain=False)
            _gone_ones, left = await asyncio.to_thread(psutil.wait_procs, pids, LEAVING_S)
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


async def _process_ids(client: DaemonClient) -> list[psutil.Process]:
    status = await client.status()
    found = []
    for pid in (status.pid, status.engine_pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [psutil.Process(pid)] if pid is not None else []
    return found


async def _start_server(environment: dict[str, str]) -> asyncio.subprocess.Process:
    """A language server. One that is not wanted any more while it starts is ended when it has."""
    with held_back():
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "stardraft_lsp",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
                start_new_session=os.name == "posix",  # Ctrl-C is the benchmark's, which then ends it
                limit=MAX_MESSAGE_BYTES,
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            process.kill()
            await process.wait()
            raise


@contextlib.asynccontextmanager
async def editing(environment: dict[str, str], folder: Path | None = None) -> AsyncIterator[Editor]:
    """An editor whose language server runs and is initialised; the server has ended afterwards.

    folder: the workspace, if there is one.
    """
    process = await _start_server(environment)
    editor = Editor(process)
    try:
        await editor.initialize(folder)
        yield editor
    finally:
        await editor.close()
