"""What pieces of other files are worth, all the way from editor to engine and back. Prints a table.

    python -m tests.measure_holes FOLDER [--items 200] [--seed 0] [--model FILE]

Holes are punched into the files of a repository as `stardraft eval holes` does, and the real language server
is asked to fill them by hand, once with `editor.cross_file` off and once on, the same places. It counts what
is shown: the first line exactly what stood there, or the beginning of it. Confidence is off, so that every
suggestion counts. A file is opened with its hole; its true text is on the disk, from where the server shows
pieces of other files only.
"""

import argparse
import asyncio
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stardraft_quant.code.files import code_files
from stardraft_quant.evaluate.holes import punch
from stardraft_quant.evaluate.tasks import Task
from tests.support.editor import Editor, editing, start_server
from tests.support.home import isolated_home, write_config

ARMS = {"the file alone": "false", "and pieces of others": "true"}
LANGUAGE_IDS = {"shell": "shellscript", "c-sharp": "csharp"}
INDEXING_S = 8.0


@dataclass
class Count:
    n: int = 0
    n_shown: int = 0
    n_exact: int = 0
    n_begin_right: int = 0

    def take(self, task: Task, shown: str) -> None:
        first = shown.partition("\n")[0].rstrip()
        expected = task.expected.rstrip()
        self.n += 1
        self.n_shown += bool(first)
        self.n_exact += first == expected
        self.n_begin_right += bool(first) and expected.startswith(first)


async def fill(editor: Editor, root: Path, task: Task) -> str:
    """The text that an editor would show in the hole; "" for nothing."""
    uri = (root / task.path).as_uri()
    editor.open(uri, task.prefix + task.suffix, LANGUAGE_IDS.get(task.language, task.language))
    try:
        line = task.prefix.count("\n")
        last = task.prefix.rpartition("\n")[2]
        answer = await editor.answer(editor.ask(uri, line, len(last.encode("utf-16-le")) // 2))
        items: list[Any] = (answer.get("result") or {}).get("items", [])
        if not items:
            return ""
        span = items[0]["range"]["start"]["character"]
        text: str = items[0]["insertText"]
        # The range may begin before the cursor: what stands there already is no part of the answer.
        covered = last[span:]
        return text.removeprefix(covered)
    finally:
        editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})


async def measure(folder: Path, n: int, seed: int, model: str) -> None:
    root = folder.resolve()
    tasks = punch(code_files([root]), n, seed, with_chunks=False).tasks
    counts: dict[tuple[str, str], Count] = defaultdict(Count)
    with isolated_home() as home:
        write_config(home, f'[model]\npath = "{model}"\n[completion]\nbackground = "never"\n')
        home |= {"STARDRAFT_EDITOR_CONFIDENCE": "false", "STARDRAFT_EDITOR_STATS": "false"}
        for arm, cross_file in ARMS.items():
            environment = home | {"STARDRAFT_EDITOR_CROSS_FILE": cross_file}
            async with editing(environment, initialize=False, start=start_server) as editor:
                await editor.initialize(workspaceFolders=[{"uri": root.as_uri(), "name": root.name}])
                await asyncio.sleep(
                    INDEXING_S
                )  # a measurement, no test: the index has no other sign of its end
                for task in tasks:
                    counts[task.language, arm].take(task, await fill(editor, root, task))
    print(f"{root.name}: {len(tasks)} places, {model or 'the built-in model'}, seed {seed}\n")
    print(f"{'':<14}{'':<24}{'places':>8}{'shown':>8}{'exact':>8}{'begins right':>14}")
    for (language, arm), count in sorted(counts.items()):
        print(
            f"{language:<14}{arm:<24}{count.n:>8}{count.n_shown:>8}{count.n_exact:>8}{count.n_begin_right:>14}"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--items", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--model", default="")
    given = arguments.parse_args()
    asyncio.run(measure(given.folder, given.items, given.seed, given.model))


if __name__ == "__main__":
    main()
