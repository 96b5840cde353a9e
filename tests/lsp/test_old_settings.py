"""Names of settings from the version before: the editor's user is told each of them once, in one line."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.home import write_config
from tests.support.in_process import QUIET, InProcess, serving
from tests.support.waiting import wait_until_async


@pytest.fixture
async def server(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    write_config(home, "[editor]\nbefore_text = true\n")
    async with serving(home, monkeypatch) as found:
        yield found


def told(server: InProcess) -> list[str]:
    return [one["params"]["message"] for one in server.sent if one.get("method") == "window/showMessage"]


async def test_each_old_name_is_told_once_wherever_it_stands(server: InProcess, tmp_path: Path) -> None:
    (tmp_path / ".stardraft.toml").write_text("[editor]\nmax_suffix_bytes = 5\n", encoding="utf-8")
    options = {**QUIET, "languagesOff": ["markdown"], "settings": ["completion.seed=5"]}
    folder = {"uri": tmp_path.as_uri(), "name": "app"}
    server.initialize(initializationOptions=options, workspaceFolders=[folder])
    assert not told(server), "nothing may be sent ahead of the first answer"
    server.notify("initialized", {})
    uri = (tmp_path / "a.py").as_uri()
    server.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "python", "text": ""}})
    await wait_until_async(lambda: len(told(server)) == 4)
    for _ in range(2):
        settings = {"stardraft": {"maxPrefixBytes": 5}}
        server.notify("workspace/didChangeConfiguration", {"settings": settings})
        server.notify("textDocument/didSave", {"textDocument": {"uri": f"{folder['uri']}/.stardraft.toml"}})
    await wait_until_async(lambda: len(told(server)) >= 5)
    said = sorted(told(server))
    assert len(said) == 5
    assert not [one for one in said if "\n" in one]
    for number, part in enumerate(
        (
            "In your editor's settings, stardraft.maxPrefixBytes is not a setting any more",
            "configuration: in settings, completion.seed is not a setting any more",
            ".stardraft.toml, line 2: max_suffix_bytes is not a setting any more",
            "configuration: languagesOff is called disabledLanguages now. Rename it",
            "line 2: editor.before_text is called editor.mid_line now. Rename it",
        )
    ):
        assert any(part in one for one in said), (number, said)
    assert server.editor.settings.config.mid_line is True
    assert server.editor.settings.config.disabled_languages == ("markdown",)
