"""Asks a real language server at places of a repository's history, as an editor does.

For each commit its parent is written into a folder of its own, and a language server is started on it. The
document is opened as it was, becomes what it was at the place, and one question is put: by the editor's own
accord, as while typing.
"""

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from stardraft_quant.bench.typing.editor import Editor, editing, isolated_home, running_daemon
from stardraft_quant.evaluate.history import HistoryPlace, Repository
from stardraftd.errors import StardraftError

Side = Literal["echo", "model", "both"]
_ECHO: dict[Side, str] = {"echo": "only", "model": "off", "both": "auto"}
READING_S = 120.0


class Said(Struct, frozen=True):
    """What was suggested at a place, "" for nothing. end_ms: when the answer came."""

    place: HistoryPlace
    text: str
    end_ms: float

    @property
    def line(self) -> str:
        return self.text.split("\n")[0].rstrip()


async def ask(
    repository: Repository,
    places: Sequence[HistoryPlace],
    side: Side,
    model: Path | None,
    on_said: Callable[[], None] = lambda: None,
) -> list[Said]:
    """Asks at each place. model: None for the built-in one. Raises StardraftError."""
    settings = {"STARDRAFT_EDITOR_ECHO": _ECHO[side], "STARDRAFT_EDITOR_STATS": "false"}
    if model is not None:
        settings["STARDRAFT_MODEL_PATH"] = str(model.absolute())
    said: list[Said] = []
    with isolated_home(settings) as environment:
        async with contextlib.AsyncExitStack() as stack:
            if side != "echo":
                await stack.enter_async_context(running_daemon())
            ordered = sorted(places, key=lambda place: place.commit)
            for commit, of_commit in itertools.groupby(ordered, key=lambda place: place.commit):
                async with _opened(repository, f"{commit}^", environment, side) as (editor, folder):
                    for place in of_commit:
                        said.append(await _ask(editor, folder, place))
                        on_said()
    return said


@contextlib.asynccontextmanager
async def _opened(
    repository: Repository, commit: str, environment: dict[str, str], side: Side
) -> AsyncIterator[tuple[Editor, Path]]:
    """An editor on a commit's files."""
    with tempfile.TemporaryDirectory(prefix="sd-history-") as name:
        folder = Path(name).resolve()
        await asyncio.to_thread(repository.check_out, commit, folder)
        async with editing(environment, folder) as editor:
            if side != "echo":
                await editor.until_ready()
            yield editor, folder


async def _ask(editor: Editor, folder: Path, place: HistoryPlace) -> Said:
    file = folder / place.old_path
    uri = file.as_uri()
    gone = "".join(f"{line}\n" for line in place.removed)
    before, _, typed = place.before.rpartition("\n")
    lead = f"{before}\n" if before or "\n" in place.before else ""
    below = place.after.removeprefix("\n")
    old = f"{lead}{gone}{below}"
    editor.open(uri, old, place.language)
    await _until_idle(editor)
    now = place.before + place.after
    # What was removed goes, and what is typed comes, in one change: the line that is being written.
    editor.change(uri, old, len(lead), len(gone), f"{typed}\n" if place.after else typed)
    answer = await editor.ask(uri, now, len(place.before))
    editor.shut(uri)
    return Said(place, answer.text, answer.end_ms)


async def _until_idle(editor: Editor) -> None:
    """Waits until the server has read what is near the document."""
    deadline = asyncio.get_running_loop().time() + READING_S
    while not (await editor.status())["index"]["idle"]:
        if asyncio.get_running_loop().time() > deadline:
            raise StardraftError(f"The workspace was not read within {READING_S:.0f} s.")
        await asyncio.sleep(0.02)
