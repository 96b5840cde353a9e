"""Asks a real language server at places of a repository's history, as an editor does.

For each commit the files of its parent are checked out, and a language server is started on them. A document
is opened as it was, and becomes what it was at the place in one change: what was removed there goes, and the
line is typed. Then one question is put as editors put it while you type. The server is asked when it has
read what is there to read: what it would show in its first second is not measured, and how busy the computer
is changes nothing.
"""

import asyncio
import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from stardraft_quant.bench.typing.editor import Editor, editing, isolated_home, running_daemon
from stardraft_quant.evaluate.history.figures import Shown
from stardraft_quant.evaluate.history.git import Checkout, Repository
from stardraft_quant.evaluate.history.places import HistoryPlace
from stardraftd.errors import StardraftError

# Who may speak: the user's own code alone, the model alone, or both as an editor gets them.
Source = Literal["echo", "model", "both"]
_ECHO: dict[Source, str] = {"echo": "only", "model": "off", "both": "auto"}
READING_S = 600.0
_LOOK_S = 0.02


async def ask(
    repository: Repository,
    places: Sequence[HistoryPlace],
    source: Source,
    model: Path | None,
    on_shown: Callable[[int, Shown], None],
) -> None:
    """Asks at each place, and tells its number with what was shown. model: None for the built-in one.

    The order is that of the commits' names, and no order at all where several servers are asked at once.
    Raises StardraftError.
    """
    settings = {"STARDRAFT_EDITOR_ECHO": _ECHO[source], "STARDRAFT_EDITOR_STATS": "false"}
    if model is not None:
        settings["STARDRAFT_MODEL_PATH"] = str(model.absolute())
    ordered = sorted(enumerate(places), key=lambda numbered: numbered[1].commit)
    commits = [
        list(group) for _, group in itertools.groupby(ordered, key=lambda numbered: numbered[1].commit)
    ]
    with isolated_home(settings) as environment, tempfile.TemporaryDirectory(prefix="sd-history-") as name:
        folder = Path(name).resolve()

        async def work(number: int) -> None:
            checkout = Checkout(repository, folder / str(number))
            while commits:
                of_commit = commits.pop(0)
                checkout.show(f"{of_commit[0][1].commit}^")
                async with _opened(checkout.folder, environment, source) as editor:
                    for at, place in of_commit:
                        on_shown(at, await _ask(editor, checkout.folder, place))

        async with contextlib.AsyncExitStack() as stack:
            if source != "echo":
                await stack.enter_async_context(running_daemon())
            # One model answers one question at a time; without it a server mostly rests while it reads.
            try:
                async with asyncio.TaskGroup() as group:
                    for number in range((os.cpu_count() or 1) if source == "echo" else 1):
                        group.create_task(work(number))
            except ExceptionGroup as several:
                raise several.exceptions[0] from several


@contextlib.asynccontextmanager
async def _opened(folder: Path, environment: dict[str, str], source: Source) -> AsyncIterator[Editor]:
    """An editor on a folder, with the model loaded where one is asked."""
    async with editing(environment, folder) as editor:
        if source != "echo":
            await editor.until_ready()
        yield editor


async def _ask(editor: Editor, folder: Path, place: HistoryPlace) -> Shown:
    uri, edit = (folder / place.old_path).as_uri(), place.edit
    editor.open(uri, edit.text, place.language)
    await _until(editor, lambda status: status["index"]["idle"] and not status["reading"])
    editor.change(uri, edit.text, edit.start, edit.n_removed, edit.inserted)
    await _until(editor, lambda status: not status["reading"])
    answer = await editor.ask(uri, place.text, len(place.before))
    reason = "" if answer.text else (await editor.status())["reason"]
    source = await editor.origin(uri) if answer.text else ""
    editor.shut(uri)
    return Shown(place, answer.text, reason, source, round(answer.end_ms, 1))


async def _until(editor: Editor, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Waits until the server's status is so. Raises StardraftError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READING_S
    while not holds(await editor.status()):
        if loop.time() > deadline:
            raise StardraftError(
                f"The language server has not read the repository's files within {READING_S:.0f} s.",
                "Measure on a smaller repository.",
            )
        await asyncio.sleep(_LOOK_S)
