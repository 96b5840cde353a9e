"""What an editor is told of switches and of wrong settings, the moment that they change: the real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import stardraft
from tests.lsp.stand_in import StandIn, standing_in
from tests.support.editor import GHOST_TEXT, Editor, editing
from tests.support.home import write_config
from tests.support.waiting import wait_until_async

URI = "file:///shop/shelf.py"
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyz\n"


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


async def test_every_switch_is_told_at_once_without_a_question(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    """Snoozed, switched off, off for the language or the folder, and on again: the editor need not ask."""

    async def becomes(editor: Editor, state: str, why: str) -> dict[str, Any]:
        def newest() -> bool:
            told = editor.told("stardraft/status")
            return bool(told) and (told[-1]["state"], told[-1]["reason"]) == (state, why)

        await wait_until_async(newest, what=f"the status did not become {state} {why!r}")
        return dict(editor.told("stardraft/status")[-1])

    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        await becomes(editor, "ready", "")
        await editor.request("stardraft/snooze", {"minutes": 10})
        report = await becomes(editor, "off", "snoozed")
        assert report["message"] == "Suggestions are snoozed for 10 more minutes."
        await editor.request("stardraft/snooze", {"minutes": 0})
        await becomes(editor, "ready", "")
        await editor.request("stardraft/switch", {"enabled": False})
        await becomes(editor, "off", "editor_off")
        await editor.request("stardraft/switch", {"enabled": True})
        await becomes(editor, "ready", "")
        settings = {"languages": {"python": {"enabled": False}}}
        editor.notify("workspace/didChangeConfiguration", {"settings": {"stardraft": settings}})
        await becomes(editor, "off", "language_off")
        # Where the user is now is what counts, as soon as the editor says so.
        other = (tmp_path / "shelf.rs").as_uri()
        editor.open(other, "fn main() {}\n", "rust")
        await becomes(editor, "ready", "")
        editor.notify("textDocument/didFocus", {"textDocument": {"uri": URI}})
        await becomes(editor, "off", "language_off")
        editor.notify("workspace/didChangeConfiguration", {"settings": {"stardraft": {}}})
        await becomes(editor, "ready", "")
        write_config(home, "[editor]\ndisabled_languages = ['python']\n")
        await becomes(editor, "off", "language_off")
        answer = await editor.request("stardraft/status", {})
        assert answer["configured"] == {"enabled": True, "disabledLanguages": ["python"]}


async def test_the_status_is_that_of_the_document_that_the_user_is_in(
    home: dict[str, str], daemon: StandIn, tmp_path: Path
) -> None:
    """A secret, an ignored file, why the last question brought nothing: that holds for one document alone."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    plain, secret, ignored = ((tmp_path / name).as_uri() for name in ("a.py", ".env", "ignored.py"))
    folder = {"uri": tmp_path.as_uri(), "name": "shop"}

    async def asked(editor: Editor, uri: str | None = None) -> tuple[str, str]:
        params = {} if uri is None else {"textDocument": {"uri": uri}}
        report = await editor.request("stardraft/status", params)
        return report["state"], report["reason"]

    async with editing(home, initialize=False) as editor:
        await editor.initialize(GHOST_TEXT, workspaceFolders=[folder])
        editor.open(plain, "x = 12\n")
        await editor.until_told("stardraft/status", lambda told: told["state"] == "ready")
        number = editor.ask(plain, 0, 6)
        (await daemon.writing(0)).end()
        await editor.answer(number)
        assert await asked(editor) == ("ready", "not_worth_showing")
        editor.open(secret, "TOKEN=1\n")
        assert await asked(editor) == ("off", "secret_file")
        editor.open(ignored, "x = 1\n")
        assert await asked(editor) == ("off", "ignored")
        # Where the user is, by a question's own word and by the focus; nothing was typed.
        assert await asked(editor, plain) == ("ready", "")
        assert await asked(editor, secret) == ("off", "secret_file")
        editor.notify("textDocument/didFocus", {"textDocument": {"uri": ignored}})
        assert await asked(editor) == ("off", "ignored")
        (tmp_path / ".gitignore").write_text("")
        changed = {"uri": (tmp_path / ".gitignore").as_uri(), "type": 2}
        editor.notify("workspace/didChangeWatchedFiles", {"changes": [changed]})
        await editor.until_told("stardraft/status", lambda told: told["state"] == "ready")
        editor.insert(ignored, 0, 0, KEY)
        assert await asked(editor) == ("off", "secret_text")


async def test_a_wrong_setting_is_one_line_in_the_status_of_an_editor_that_shows_it(
    home: dict[str, str], daemon: StandIn
) -> None:
    capabilities = {**GHOST_TEXT, "experimental": {"stardraft": {"warnings": True}}}

    async def warns(editor: Editor, wanted: str) -> None:
        def newest() -> bool:
            told = editor.told("stardraft/status")
            return bool(told) and (wanted in told[-1]["warning"] if wanted else not told[-1]["warning"])

        await wait_until_async(newest, what=f"the warning did not become {wanted!r}")

    async with editing(home, initialize=False) as editor:
        await editor.initialize(capabilities)
        editor.open(URI, "x = \n")
        await editor.until_told("stardraft/status", lambda told: told["state"] == "ready")
        write_config(home, "[editor]\ndebounce_ms = 'soon'\n")
        await warns(editor, "editor.debounce_ms")
        editor.notify("workspace/didChangeConfiguration", {"settings": {"stardraft": {"mode": "x"}}})
        await warns(editor, "stardraft.mode")
        report = await editor.request("stardraft/status", {})
        assert (report["state"], "\n" in report["warning"]) == ("ready", False)
        editor.notify("workspace/didChangeConfiguration", {"settings": {"stardraft": {}}})
        write_config(home, "")
        await warns(editor, "")
        assert editor.told("window/showMessage") == []


async def test_what_is_sent_away_is_counted_as_rejected(home: dict[str, str], daemon: StandIn) -> None:
    async with editing(home) as editor:
        editor.open(URI, "x = \n")
        asked = editor.ask(URI, 0, 4)
        writing = await daemon.writing(0)
        writing.say("width * height")
        writing.end()
        [item] = (await editor.answer(asked))["result"]["items"]
        editor.notify("stardraft/didDismiss", {"item": item})
        editor.notify("stardraft/didDismiss", {"item": None})  # says nothing
    counted = json.loads((await asyncio.to_thread(stardraft, home, "stats", "--json")).stdout)
    assert counted["all"]["rejected"] == 1, counted
