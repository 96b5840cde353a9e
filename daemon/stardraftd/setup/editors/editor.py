"""What it takes to set up one editor: its files, what they become, and what a user should know."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stardraftd.setup.changes import Change, change, read_text
from stardraftd.setup.plain import plain
from stardraftd.setup.record import wrote

BEGIN, END = "stardraft setup: begin", "stardraft setup: end"


@dataclass(frozen=True)
class Place:
    """Where an editor is set up.

    program: the editor's executable, None when it is not on the PATH. command: how the editor starts the
    language server. path: what --path named. name: of the record, for files that were written before.
    """

    program: str | None
    command: tuple[str, ...]
    path: Path | None = None
    name: str = ""


@dataclass(frozen=True)
class Plan:
    """What setting up does: files that change, or a program that is run; and what is said.

    already: why nothing is to be done although no file of ours is there: the user did it.
    before: to know before agreeing. after: what to do in the editor when it is done.
    run: the command that sets up, and undo_run what takes that back; done: how the record calls it.
    """

    changes: tuple[Change, ...] = ()
    already: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    undo_run: tuple[str, ...] = ()
    done: str = ""


@dataclass(frozen=True)
class Editor:
    """One editor. `plan` raises a StardraftError when the editor cannot be set up here.

    programs: names of its executable, the first that is on the PATH counts. is_desktop: it is started
    outside a terminal, so the PATH of a shell is not its own.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    plan: Callable[[Place], Plan]
    path_help: str
    is_desktop: bool = False
    undo_run: Callable[[Place, str], tuple[str, ...]] | None = field(default=None)


def find_program(editor: Editor) -> str | None:
    return next((found for name in editor.programs if (found := shutil.which(name))), None)


def find_command(*, is_desktop: bool) -> tuple[str, ...]:
    """How an editor starts the language server.

    By name where a shell finds it; by its whole path for an editor of the desktop, whose PATH is another, and
    for a virtual environment, which is on the PATH only while it is active.
    """
    found = shutil.which("stardraft")
    environment = os.environ.get("VIRTUAL_ENV")
    in_environment = bool(found and environment and Path(environment) in Path(found).parents)
    if found and not is_desktop and not in_environment:
        return ("stardraft", "lsp")
    if found:
        return (str(Path(found).absolute()), "lsp")
    return (sys.executable, "-P", "-m", "stardraftd", "lsp")


def with_command(text: str, written: str, command: str) -> str:
    """`text` with the language server's command in place of the one that stands in our files."""
    if written not in text:
        raise AssertionError(f"the file does not have {written}")
    return text.replace(written, command)


def own_file(place: Place, path: Path, text: str, comment: str) -> tuple[Change, str]:
    """A file that is ours alone, or our part of one of the user's, between two marked lines.

    The second of the answer says that the user has already set it up there, in their own way; then the
    change is none. Raises PathError.
    """
    there = read_text(path)
    if there is None or there == text or wrote(place.name, path, there):
        return change(path, text.encode()), ""
    if BEGIN not in there and "stardraft" in there:
        return Change(path, there.encode(), there.encode()), f"{path} speaks of stardraft already"
    return change(path, with_block(there, text, comment).encode()), ""


def with_block(there: str, text: str, comment: str) -> str:
    """`there` with `text` between two marked lines: at its end, or where they are. Line ends are kept."""
    end_of_line = "\r\n" if "\r\n" in there else "\n"
    begin, end = f"{comment} {BEGIN}", f"{comment} {END}"
    block = [begin, *text.rstrip("\n").splitlines(), end]
    lines = there.splitlines()
    if begin in lines and end in lines[lines.index(begin) :]:
        first = lines.index(begin)
        last = lines.index(end, first)
        lines[first : last + 1] = block
    else:
        lines += ([""] if lines and lines[-1] else []) + block
    return end_of_line.join(lines) + end_of_line


def quoted(words: Sequence[str], separator: str = ", ") -> str:
    """Words in double quotes, as JSON, TOML, Lua and Emacs Lisp all read them. Raises PathError."""
    import msgspec

    what = "The command of this installation"
    return separator.join(msgspec.json.encode(plain(word, what)).decode() for word in words)


def config_home() -> Path:
    """XDG_CONFIG_HOME, or ~/.config."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def said_already(reasons: Sequence[str]) -> str:
    return next((reason for reason in reasons if reason), "")
