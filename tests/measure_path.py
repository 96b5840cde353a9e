"""How many rooms one key walks through: files, functions and shapes of this project, in all three processes.

    python -m tests.measure_path [--list]

A real language server with a real daemon and engine and the built-in model; a profile hook in each of them
notes what of this project's own code is entered from a key (`didChange` and the question after it) until its
answer: once a key that the engine is asked about, and once one that continues the last suggestion. A
function is a code object that is called by name or a lambda; comprehensions and class bodies are part of
theirs. A shape is a class of data (msgspec.Struct, dataclass, NamedTuple) of which a new instance is handed
on, as an argument or as what a function returns. --list names them all.
"""

import argparse
import asyncio
import json
import os
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.editor import Editor, editing, start_server
from tests.support.home import isolated_home, processes_of, write_config
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"stardraft_lsp": "language server", "stardraftd/engine": "engine", "stardraftd": "daemon"}
NAME = "shelf.py"
TEXT = (
    "class Shelf:\n    def __init__(self, items):\n        self.items = items\n\n"
    "    def add(self, item):\n        self.items.append(item)\n\n    def count(self):\n        return \n"
)
LINE, COLUMN = 8, 15
# Runs in each process, before anything of ours: SIGUSR1 forgets what was entered, SIGUSR2 writes it down.
HOOK = """
import gc, json, os, signal, sys, threading

ROOTS = tuple(os.environ["MEASURE_PATH_ROOTS"].split(os.pathsep))
FOLDER = os.environ["MEASURE_PATH_FOLDER"]
PARTS = ("<module>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
entered, shapes, known, ours = set(), set(), set(), {}

def is_data(kind):
    return hasattr(kind, "__struct_fields__") or hasattr(kind, "__dataclass_fields__") or (
        issubclass(kind, tuple) and hasattr(kind, "_fields"))

def is_shape(kind):
    if kind not in ours:
        ours[kind] = str(getattr(kind, "__module__", "")).startswith("stardraft") and is_data(kind)
    return ours[kind]

def see(value):
    kind = type(value)
    if is_shape(kind) and id(value) not in known:
        shapes.add(f"{kind.__module__}.{kind.__qualname__}")

def hook(frame, event, argument):
    if event not in ("call", "return"):
        return
    code = frame.f_code
    file = code.co_filename
    if not file.startswith(ROOTS):
        return
    if event == "return":
        see(argument)
    elif code.co_name not in PARTS and code.co_flags & 2:  # CO_NEWLOCALS, which a class's body lacks
        entered.add((file, code.co_firstlineno, getattr(code, "co_qualname", code.co_name)))
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            see(frame.f_locals.get(name))

def forget(*_):
    known.clear()
    found = gc.get_objects()
    for one in found:
        known.add(id(one))
        known.update(map(id, gc.get_referents(one)))
    del found
    entered.clear()
    shapes.clear()
    answer("forgot")

def write(*_):
    answer("entered", entered=sorted(entered), shapes=sorted(shapes))

def answer(what, **found):
    path = os.path.join(FOLDER, f"{os.getpid()}.{what}")
    with open(path + ".new", "w") as file:
        json.dump({"arguments": sys.orig_argv, **found}, file)
    os.replace(path + ".new", path)

signal.signal(signal.SIGUSR1, forget)
signal.signal(signal.SIGUSR2, write)
threading.setprofile(hook)
sys.setprofile(hook)
"""


async def told(folder: Path, pids: list[int], number: signal.Signals, what: str) -> list[dict[str, Any]]:
    """What the processes say to a signal."""
    paths = [folder / f"{pid}.{what}" for pid in pids]
    for pid, path in zip(pids, paths, strict=True):
        path.unlink(missing_ok=True)
        os.kill(pid, number)
    await wait_until_async(lambda: all(path.exists() for path in paths), what="a process does not answer")
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


class Walk:
    """What one key entered. functions and shapes: by package."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        # A function that two processes enter is one function to read.
        self.functions = {tuple(entry) for one in found for entry in one["entered"]}
        self.files = {file for file, _, _ in self.functions}
        self.shapes = {shape for one in found for shape in one["shapes"]}

    def row(self, name: str) -> str:
        files, functions = (
            Counter(package_of(file) for file in entries)
            for entries in (self.files, [file for file, _, _ in self.functions])
        )
        parts = ", ".join(f"{package} {files[package]}/{functions[package]}" for package in PACKAGES.values())
        return f"| {name} | {len(self.files)} | {len(self.functions)} | {len(self.shapes)} | {parts} |"

    def listing(self) -> str:
        functions = [
            f"  {Path(file).relative_to(ROOT)}:{line} {name}" for file, line, name in sorted(self.functions)
        ]
        return "\n".join([*functions, *(f"  shape {shape}" for shape in sorted(self.shapes))])


def package_of(file: str) -> str:
    path = Path(file).relative_to(ROOT).as_posix()
    return next(title for folder, title in PACKAGES.items() if f"/{folder}/" in f"/{path}")


async def walked(
    editor: Editor, home: dict[str, str], folder: Path, key: str, column: int
) -> tuple[Walk, str]:
    """What `key`, typed at `column`, enters, and the suggestion that it gets."""
    pids = sorted({editor.process.pid, *(process.pid for process in processes_of(home) if is_ours(process))})
    await told(folder, pids, signal.SIGUSR1, "forgot")
    editor.insert(uri(), LINE, column, key)
    answer = await editor.answer(editor.ask(uri(), LINE, column + len(key), context={"triggerKind": 2}))
    found = await told(folder, pids, signal.SIGUSR2, "entered")
    items = (answer["result"] or {}).get("items", [])
    return Walk(found), items[0]["insertText"] if items else ""


def is_ours(process: Any) -> bool:
    return any(word.startswith("stardraft") for word in process.cmdline())


def uri() -> str:
    return f"file:///shop/{NAME}"


async def measure() -> tuple[Walk, Walk]:
    """An uncached key's walk and a cached one's."""
    with isolated_home() as home, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        write_config(home, "[editor]\nconfidence = false\n")
        roots = [str(ROOT / "daemon" / "stardraftd"), str(ROOT / "lsp" / "stardraft_lsp")]
        home |= {
            "PYTHONPATH": name,
            "MEASURE_PATH_FOLDER": name,
            "MEASURE_PATH_ROOTS": os.pathsep.join(roots),
        }
        async with editing(home, start=start_server) as editor:
            editor.open(uri(), TEXT)
            # What happens once is not what a key costs.
            await editor.answer(editor.ask(uri(), LINE, COLUMN))
            await editor.until_told("stardraft/status", lambda report: report["state"] == "ready")
            await asyncio.sleep(1.0)
            asked, suggestion = await walked(editor, home, folder, "s", COLUMN)
            if not suggestion:
                raise SystemExit("measure_path: the model suggested nothing, so there is no way to measure")
            await asyncio.sleep(1.0)
            cached, _ = await walked(editor, home, folder, suggestion[0], COLUMN + 1)
    return asked, cached


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--list", action="store_true", help="name all files, functions and shapes")
    given = arguments.parse_args()
    asked, cached = asyncio.run(measure())
    print("| key | files | functions | shapes | by package: files/functions |\n|---|---|---|---|---|")
    print(asked.row("asks the engine"))
    print(cached.row("continues the suggestion"))
    if given.list:
        print(f"\nasks the engine:\n{asked.listing()}\n\ncontinues the suggestion:\n{cached.listing()}")


if __name__ == "__main__":
    main()
