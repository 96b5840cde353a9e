"""Lines of the user's own code as suggestions, seen from both ends: an editor, and a daemon."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stardraftd.protocol.completion import Draft
from stardraftd.protocol.http import PROTOCOL
from tests.lsp.stand_in import MODEL, StandIn, standing_in
from tests.support.editor import GHOST_TEXT, Editor, editing
from tests.support.home import processes_of
from tests.support.waiting import INTERVAL_S, wait_until_async, within

TYPED = {"context": {"triggerKind": 2}}
NEAR = """\
def load_config(path, *, strict=False):
    with open(path, encoding="utf-8") as file:
        return parse_config(file.read(), strict=strict)


def load_users(path, *, strict=False):
    with open(path, encoding="utf-8") as file:
        return parse_users(file.read(), strict=strict)


def load_rights(path, *, strict=False):
    with open(path, encoding="utf-8") as file:
        return parse_rights(file.read(), strict=strict)
"""
HERE = "def load_state(path, *, strict=False):\n    with\n"
REST = ' open(path, encoding="utf-8") as file:'


async def until_read(editor: Editor) -> None:
    """Returns when there is nothing more to read for the documents that are open."""
    async with within(what="the end of the reading"):
        while not await _is_read(editor):
            await asyncio.sleep(INTERVAL_S)


async def _is_read(editor: Editor) -> bool:
    status = await editor.request("stardraft/status", {})
    return bool(status["index"]["idle"]) and not status["reading"]


class Project:
    """A workspace of two files that are alike; the second is open in an editor."""

    def __init__(self, folder: Path) -> None:
        (folder / ".git").mkdir()
        self.near = folder / "config.py"
        self.near.write_text(NEAR)
        self.file = folder / "state.py"
        self.file.write_text(HERE)
        self.uri = self.file.as_uri()
        self.folders = [{"uri": folder.as_uri(), "name": "w"}]

    async def open_in(self, editor: Editor, *, with_model: bool = True) -> None:
        """Opens the second file; returns when the first has been read for it, and the model is in sight."""
        await editor.initialize(workspaceFolders=self.folders)
        editor.open(self.uri, HERE)
        await until_read(editor)
        if with_model:
            await editor.until_told("stardraft/status", lambda report: report["model"])

    def ask(self, editor: Editor, character: int = 8, **more: Any) -> int:
        return editor.ask(self.uri, 1, character, **TYPED, **more)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def echoing(home: dict[str, str]) -> dict[str, str]:
    """A home in which own code is suggested, as it is by default."""
    return {**home, "STARDRAFT_EDITOR_ECHO": "auto"}


@pytest.fixture
async def daemon(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in(home, monkeypatch) as stand_in:
        yield stand_in


def toy(daemon: StandIn) -> None:
    daemon.model = msgspec.structs.replace(MODEL, toy=True)


async def text_of(editor: Editor, asked: int) -> str:
    """The text of the one item of an answer; "" when there is none."""
    items = (await editor.answer(asked))["result"]["items"]
    return "".join(str(item["insertText"]) for item in items)


async def shown(editor: Editor, token: str) -> list[str]:
    """All that has been shown under a token so far."""
    return [item["insertText"] for value in editor.progress(token) for item in value["items"]]


async def test_own_code_alone_needs_no_daemon(home: dict[str, str], project: Project) -> None:
    async with editing({**home, "STARDRAFT_EDITOR_ECHO": "only"}, initialize=False) as editor:
        await project.open_in(editor, with_model=False)
        assert await text_of(editor, project.ask(editor)) == REST
        report = await editor.request("stardraft/status", {})
        assert (report["state"], report["message"]) == ("ready", "Suggestions come from your own code.")
        origin = await editor.request("stardraft/origin", {"textDocument": {"uri": project.uri}})
        assert origin == {
            "source": "echo",
            "uri": project.near.as_uri(),
            "line": 11,
            "text": NEAR.split("\n")[11],
        }
        editor.insert(project.uri, 1, 8, "out")  # nothing is like this
        assert await text_of(editor, project.ask(editor, 11)) == ""
        assert (await editor.request("stardraft/status", {}))["reason"] == "nothing_alike"
        assert not [one for one in processes_of(home) if one.pid != editor.process.pid]
    assert not (Path(home["STARDRAFT_RUNTIME_DIR"]) / f"stardraft-{PROTOCOL}.sock").exists()


@pytest.mark.parametrize("late", [False, True])
async def test_the_editors_own_setting_is_enough_for_no_daemon(
    home: dict[str, str], project: Project, late: bool
) -> None:
    """What the documents promise of `echo = "only"` holds wherever it is set, and from the first moment."""
    setting = {"stardraft": {"echo": "only"}}
    async with editing({**home, "STARDRAFT_EDITOR_ECHO": "auto"}, initialize=False) as editor:
        editor.replies["workspace/configuration"] = lambda _params: [setting["stardraft"]]
        can = {**GHOST_TEXT, "workspace": {"configuration": True}}
        await editor.initialize(can, workspaceFolders=project.folders)
        editor.open(project.uri, HERE)
        await until_read(editor)
        assert await text_of(editor, project.ask(editor)) == REST
        if late:  # again, as editors send it when a setting changes
            editor.notify("workspace/didChangeConfiguration", {"settings": setting})
        editor.insert(project.uri, 1, 8, "out")
        assert await text_of(editor, project.ask(editor, 11)) == ""
        report = await editor.request("stardraft/status", {})
        assert (report["echo"], report["state"], report["reason"]) == ("only", "ready", "nothing_alike")
        assert not [one for one in processes_of(home) if one.pid != editor.process.pid]
    assert not (Path(home["STARDRAFT_RUNTIME_DIR"]) / f"stardraft-{PROTOCOL}.sock").exists()


async def test_switched_off_it_says_nothing(home: dict[str, str], daemon: StandIn, project: Project) -> None:
    async with editing(home, initialize=False) as editor:
        await project.open_in(editor)
        asked = project.ask(editor)
        (await daemon.writing(0)).end()
        assert await text_of(editor, asked) == ""


async def test_a_toy_is_not_asked_where_own_code_is_sure(
    echoing: dict[str, str], daemon: StandIn, project: Project
) -> None:
    toy(daemon)
    async with editing(echoing, initialize=False) as editor:
        await project.open_in(editor)
        assert await text_of(editor, project.ask(editor)) == REST
        assert not daemon.completions
        editor.insert(project.uri, 1, 8, "out")
        asked = project.ask(editor, 11)
        writing = await daemon.writing(0)
        writing.say(" fear:")
        writing.end()
        assert await text_of(editor, asked) == " fear:"
        origin = await editor.request("stardraft/origin", {"textDocument": {"uri": project.uri}})
        assert origin == {"source": "model"}


READ = """\
def read_{0}():
    # Whether the state is read from the disk depends on its age.
    print("Reading the state of the shop from disk")
    return {0}


"""
TEXTS = f"""\
{READ.format("a")}{READ.format("b")}{READ.format("c")}\
def read_d():
    # Whether the state is
    print("Reading the state of
"""


@pytest.mark.parametrize(
    ("line", "rest", "gate"),
    [
        (19, " read from the disk depends on its age.", "in_comment"),
        (20, ' the shop from disk")', "in_string"),
    ],
)
async def test_in_strings_and_comments_own_code_is_shown_and_no_model_asked(
    echoing: dict[str, str], daemon: StandIn, project: Project, line: int, rest: str, gate: str
) -> None:
    async with editing(echoing, initialize=False) as editor:
        await project.open_in(editor)
        uri = project.uri.replace("state.py", "texts.py")
        editor.open(uri, TEXTS)
        await until_read(editor)
        end = len(TEXTS.split("\n")[line])
        assert await text_of(editor, editor.ask(uri, line, end, **TYPED)) == rest
        editor.insert(uri, line, end, " nowhere")
        assert await text_of(editor, editor.ask(uri, line, end + 8, **TYPED)) == ""
        assert (await editor.request("stardraft/status", {}))["reason"] == gate
        assert not daemon.completions


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (REST[:10], REST),  # it has not come to say more
        (REST, REST),
        ("", REST),
        (" self._lock", " self._lock"),
    ],
)
async def test_own_code_is_shown_first_and_a_real_model_may_take_its_place(
    echoing: dict[str, str], daemon: StandIn, project: Project, said: str, expected: str
) -> None:
    async with editing(echoing, initialize=False) as editor:
        await project.open_in(editor)
        asked = project.ask(editor, partialResultToken="t")
        writing = await daemon.writing(0)
        await wait_until_async(lambda: editor.progress("t"), what="own code is not shown")
        if said:
            writing.say(said)
        writing.end()
        if said.endswith(":"):  # the block that the line opens
            (await daemon.writing(1)).end()
        assert await text_of(editor, asked) in ("", expected)
        texts = await shown(editor, "t")
        assert texts[0] == REST
        assert texts[-1] == expected
        assert len(dict.fromkeys(texts)) <= 2


async def test_what_the_user_has_begun_to_take_is_not_replaced(
    echoing: dict[str, str], daemon: StandIn, project: Project
) -> None:
    async with editing(echoing, initialize=False) as editor:
        await project.open_in(editor)
        project.ask(editor, partialResultToken="a")
        writing = await daemon.writing(0)
        await wait_until_async(lambda: editor.progress("a"))
        editor.insert(project.uri, 1, 8, " open(")
        asked = project.ask(editor, 14, partialResultToken="b")
        await wait_until_async(lambda: editor.progress("b"))
        writing.say(" self._lock")
        writing.end()
        await editor.answer(asked)
        assert set(await shown(editor, "b")) == {REST.removeprefix(" open(")}


async def test_a_client_that_takes_one_answer_gets_own_code_when_the_model_is_late(
    echoing: dict[str, str], daemon: StandIn, project: Project
) -> None:
    async with editing(echoing, initialize=False) as editor:
        await project.open_in(editor)
        asked = project.ask(editor)
        writing = await daemon.writing(0)
        assert await text_of(editor, asked) == REST
        await wait_until_async(lambda: writing.is_cancelled, what="the model goes on for nobody")


async def test_a_model_that_fails_leaves_own_code(
    echoing: dict[str, str], daemon: StandIn, project: Project
) -> None:
    async with editing(echoing, initialize=False) as editor:
        await project.open_in(editor)
        asked = project.ask(editor, partialResultToken="t")
        (await daemon.writing(0)).fail("engine_crashed", "The engine died.")
        await editor.answer(asked)
        assert (await shown(editor, "t"))[-1:] == [REST]


async def test_ignored_files_and_secret_ones_are_not_own_code(home: dict[str, str], project: Project) -> None:
    (project.near.parent / ".gitignore").write_text("config.py\n")
    (project.near.parent / "other.py").write_text("x = 1\n")
    async with editing({**home, "STARDRAFT_EDITOR_ECHO": "only"}, initialize=False) as editor:
        await editor.initialize(workspaceFolders=project.folders)
        editor.open(project.uri, HERE)
        await until_read(editor)
        assert await text_of(editor, project.ask(editor)) == ""


async def drafted(home: dict[str, str], project: Project, daemon: StandIn) -> tuple[Draft, ...]:
    """The drafts that come with a request for the model's text."""
    async with editing(home, initialize=False) as editor:
        await project.open_in(editor)
        project.ask(editor)
        return (await daemon.writing(0)).request.drafts


async def test_the_model_is_sent_what_own_code_says_to_verify(
    echoing: dict[str, str], project: Project, daemon: StandIn
) -> None:
    (draft, *_) = await drafted(echoing, project, daemon)
    assert draft.text.startswith(f"{REST}\n        return parse_")
    assert draft.before.endswith("\n    with")


@pytest.mark.parametrize(
    "off", [{"STARDRAFT_EDITOR_ECHO": "off"}, {"STARDRAFT_EDITOR_CROSS_FILE": "false"}], ids=str
)
async def test_no_other_files_text_is_sent_where_it_may_not_be_shown(
    echoing: dict[str, str], project: Project, daemon: StandIn, off: dict[str, str]
) -> None:
    assert await drafted({**echoing, **off}, project, daemon) == ()
