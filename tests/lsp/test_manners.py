"""How the server behaves towards its editor and towards the daemon: over stdio, with the real ones."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.daemons import daemons, stop_daemon
from tests.support.editor import Editor, editing, fork_server
from tests.support.home import command_of, processes_of
from tests.support.processes import exit_status_async, run_to_end
from tests.support.waiting import wait_until_async

URI = "file:///shop/shelf.py"
TEXT = (
    "class Shelf:\n    def __init__(self, items):\n        self.\n\n"
    "    def add(self, item):\n        self.items.append(item)\n"
)
LONG = "".join(f"def function_{i}(alpha, beta):\n    return alpha * {i} + beta\n\n\n" for i in range(90))
CURSOR = (2, 13)
# Long enough for a daemon to come back that nobody asked for.
LINGER_S = 2.5


def inline(uri: str = URI, line: int = CURSOR[0]) -> tuple[str, dict[str, Any]]:
    return "textDocument/inlineCompletion", {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": CURSOR[1]},
    }


def configure(home: dict[str, str], text: str) -> None:
    path = Path(home["STARDRAFT_CONFIG"])
    temporary = path.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


async def stays(home: dict[str, str], n_daemons: int) -> None:
    with pytest.raises(AssertionError, match="another number of daemons"):
        await wait_until_async(
            lambda: len(daemons(home)) != n_daemons, LINGER_S, "no sign of another number of daemons"
        )


async def bare_editor(home: dict[str, str]) -> Editor:
    return Editor(await fork_server(home))


# --- before and after ------------------------------------------------------------------------------


async def test_requests_before_initialize_and_after_shutdown_are_refused_and_answered(
    shared_home: dict[str, str],
) -> None:
    editor = await bare_editor(shared_home)
    early = await editor.answer(editor.post(*inline()))
    assert early["error"]["code"] == -32002
    await editor.initialize()
    again = await editor.answer(editor.post("initialize", {"processId": None, "capabilities": {}}))
    assert again["error"]["code"] == -32600
    await editor.request("shutdown", None)
    late = await editor.answer(editor.post(*inline()))
    assert late["error"]["code"] == -32600
    editor.check_answers()
    editor.notify("exit", None)
    assert await exit_status_async(editor.process) == 0


async def test_a_shutdown_answers_what_still_runs_and_starts_no_daemon(shared_home: dict[str, str]) -> None:
    editor = await bare_editor(shared_home)
    await editor.initialize()
    editor.open(URI, LONG + TEXT)
    await editor.until_told("stardraft/status", lambda report: report["state"] == "ready")
    (engine,) = [
        process for process in processes_of(shared_home) if "stardraftd.engine" in command_of(process)
    ]
    engine.suspend()  # nothing is answered before the shutdown
    try:
        running = editor.post(*inline(line=LONG.count("\n") + CURSOR[0]))
        await editor.until_told("stardraft/status", lambda report: report["state"] == "busy")
        await editor.request("shutdown", None)
        assert (await editor.answer(running))["result"] is None
    finally:
        engine.resume()
    editor.notify("exit", None)
    assert await exit_status_async(editor.process) == 0
    assert len(daemons(shared_home)) == 1


async def test_parameters_may_be_left_out_where_there_are_none(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        number = editor.post("stardraft/status", None)
        assert (await editor.answer(number))["result"]["state"]
        body = {"jsonrpc": "2.0", "id": 900, "method": "stardraft/status"}
        editor._answers[900] = asyncio.get_running_loop().create_future()
        editor._write(body)
        assert (await editor.answer(900))["result"]["state"]


async def test_half_a_surrogate_pair_in_the_text_does_no_harm(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        editor.open(URI, "# \ud83d\n" + TEXT)
        item = await editor.suggestion(URI, CURSOR[0] + 1, CURSOR[1])
        assert item["insertText"]


async def test_an_address_longer_than_the_daemon_takes_is_served(shared_home: dict[str, str]) -> None:
    async with editing(shared_home) as editor:
        uri = "file:///shop/" + f"{'deep' * 12}/" * 100 + "shelf.py"
        editor.open(uri, TEXT)
        assert (await editor.suggestion(uri, *CURSOR))["insertText"]


# --- towards the daemon ----------------------------------------------------------------------------


async def test_a_daemon_that_was_stopped_stays_so_until_it_is_needed(home: dict[str, str]) -> None:
    async with editing(home, initialize=False) as editor:
        await editor.initialize(initializationOptions={"disabledLanguages": ["markdown"]})
        editor.open(URI, TEXT)
        first = await editor.suggestion(URI, *CURSOR)
        await stop_daemon(home)
        await wait_until_async(lambda: editor.told("stardraft/status")[-1]["state"] == "idle")
        editor.open(URI + ".md", TEXT, "markdown")
        assert await editor.request(*inline(URI + ".md")) == {"items": []}
        assert await editor.suggestion(URI, *CURSOR) == first, "it was suggested before, and fits"
        await stays(home, 0)
        editor.open(URI + "other", TEXT)
        assert (await editor.suggestion(URI + "other", *CURSOR))["insertText"]
        assert len(daemons(home)) == 1


async def test_each_time_the_model_loads_its_progress_is_shown(home: dict[str, str]) -> None:
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        await editor.suggestion(URI, *CURSOR)

        def shown(kind: str) -> int:
            return len([one for one in editor.told("$/progress") if one["value"].get("kind") == kind])

        await wait_until_async(lambda: shown("end") == 1)
        await stop_daemon(home)
        await wait_until_async(lambda: editor.told("stardraft/status")[-1]["state"] == "idle")
        editor.open(URI + "other", TEXT)
        await editor.suggestion(URI + "other", *CURSOR)
        await wait_until_async(lambda: shown("end") == 2, what="no second progress bar came to its end")
        assert shown("begin") == 2


async def test_switched_off_there_is_no_daemon_and_switched_on_there_is(home: dict[str, str]) -> None:
    configure(home, "[editor]\nenabled = false\n")
    async with editing(home) as editor:
        editor.open(URI, TEXT)
        assert await editor.request(*inline()) == {"items": []}
        assert (await editor.request("stardraft/status", {}))["reason"] == "disabled"
        await stays(home, 0)
        configure(home, "")
        await editor.until_told("stardraft/status", lambda report: report["state"] == "ready")
        assert (await editor.suggestion(URI, *CURSOR))["insertText"]


# --- what is told once -----------------------------------------------------------------------------


async def test_a_wrong_configuration_is_told_once_and_again_when_it_is_wrong_again(
    home: dict[str, str],
) -> None:
    configure(home, "[editor]\ndebounce_ms = 'soon'\n")
    async with editing(home) as editor:
        editor.open(URI, "\n\nsomething_new")  # no line of own code is like it, and no daemon is started
        for _ in range(3):
            assert await editor.request(*inline()) == {"items": []}
        report = await editor.request("stardraft/status", {})
        assert (report["state"], report["reason"]) == ("error", "daemon_unreachable")
        assert len(editor.told("window/showMessage")) == 1
        configure(home, "")
        await editor.until_told("stardraft/status", lambda told: not told["warning"])
        configure(home, "[editor]\ndebounce_ms = 'soon'\n")
        await wait_until_async(lambda: len(editor.told("window/showMessage")) == 2)


@pytest.mark.parametrize(
    ("options", "arguments", "named"),
    [
        ({"debounceMs": -5}, (), "debounceMs"),
        ({"debounce": 5}, (), "debounce"),
        ({"settings": ["model.gpu_layer=1"]}, (), "model.gpu_layer"),
        ({}, ("--set", "editor.debounce_ms=never"), "editor.debounce_ms"),
    ],
)
async def test_wrong_options_are_told_once_and_left_out(
    shared_home: dict[str, str], options: dict[str, Any], arguments: tuple[str, ...], named: str
) -> None:
    async with editing(shared_home, *arguments, initialize=False) as editor:
        await editor.initialize(initializationOptions=options)
        editor.open(URI, TEXT)
        assert (await editor.suggestion(URI, *CURSOR))["insertText"]
        shown = [params["message"] for params in editor.told("window/showMessage")]
        assert len(shown) == 1
        assert named in shown[0]


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "said"),
    [
        (["--set", "editor.echo=foo"], {}, 2, "On the command line, editor.echo is"),
        (["--set", "foo", "--log-file", os.devnull], {}, 2, "does not say section.key=value"),
        ([], {"STARDRAFT_EDITOR_ECHO": "foo"}, 1, "STARDRAFT_EDITOR_ECHO is"),
        ([], {}, 1, "no editor had introduced itself"),
    ],
)
def test_a_server_that_no_editor_comes_to_says_on_stderr_what_is_wrong(
    shared_home: dict[str, str], arguments: list[str], environment: dict[str, str], status: int, said: str
) -> None:
    command = [sys.executable, "-P", "-m", "stardraft_lsp", *arguments]
    done = run_to_end(command, env=shared_home | environment, text=True)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == ""


def test_the_server_imports_nothing_of_a_command_line() -> None:
    """It lives beside the editor all day: what it does not need stays out of its memory."""
    code = (
        "import sys; from stardraft_lsp.server import program; import stardraft_lsp.__main__\n"
        "from stardraft_lsp.server.handlers import build_server; build_server()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = (
        "typer click rich httpx httpx2 pydantic huggingface_hub numpy matplotlib pandas torch tree_sitter "
        "watchdog"
    )
    assert not set(heavy.split()) & set(found.split())
