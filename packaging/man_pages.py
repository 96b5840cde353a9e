"""Writes the manual pages in packaging/man from the command line's own help, one for each top-level command.

    python packaging/man_pages.py             write them
    python packaging/man_pages.py --check     say which ones differ from the help, and change nothing

The commands are read from the parser itself (`stardraftd.cli.app.command`): a page says what `--help` says.
Only what no help has is written here: the sections about exit statuses, files and the environment. Pages have
no date: the same source gives the same bytes. The language is man(7): groff and mandoc both read it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stardraftd import __version__
from stardraftd.cli.app import command

FOLDER = Path(__file__).resolve().parent / "man"

EXIT_STATUS = (
    ("0", "Done."),
    ("1", "It failed, and standard error says why; or you were asked, and said no."),
    ("2", "What was typed is wrong; or the command would ask, and nobody can be asked."),
    ("3", "There is no daemon (`stardraft status`)."),
    ("130", "Interrupted by Ctrl-C."),
)
ENVIRONMENT = (
    ("STARDRAFT_CONFIG", "The configuration file."),
    ("STARDRAFT_STATE_DIR", "The folder of logs, statistics, and what was measured of this computer."),
    (
        "STARDRAFT_RUNTIME_DIR",
        (
            "The folder of the daemon's socket; by default $XDG_RUNTIME_DIR/stardraft, without that variable "
            "/run/user/UID/stardraft or $TMPDIR/runtime-UID/stardraft. It must be yours alone (mode 0700)."
        ),
    ),
    ("STARDRAFT_MODELS_DIR", "The folder of models."),
    ("STARDRAFT_ENGINES_DIR", "The folder of the engines that `stardraft setup engine` has built."),
    ("STARDRAFT_CACHE_DIR", "The folder in which engines are built; it may be removed at any time."),
    (
        "STARDRAFT_SECTION_KEY",
        "Any setting of the configuration: STARDRAFT_MODEL_GPU_LAYERS is gpu_layers of [model].",
    ),
    ("STARDRAFT_DEBUG", "Set to 1, an error that is a mistake in stardraft itself shows where it arose."),
)
FILES = (
    (
        "~/.config/stardraft/config.toml",
        "The configuration, on Linux. `stardraft doctor` says where it is on this computer.",
    ),
    ("~/.local/share/stardraft/models", "Models, on Linux. `stardraft model list` names the folder."),
    ("~/.local/state/stardraft/logs", "The daemon's log, on Linux. `stardraft daemon logs` shows it."),
)


def escaped(text: str) -> str:
    """Plain text as roff: nothing in it is a command, and hyphens stay what one can type."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha")


def line(text: str) -> str:
    """A line of prose, with `code` in bold; never a roff request, even if it begins with a dot."""
    parts = re.split(r"`([^`]+)`", text)
    marked = "".join(
        f"\\fB{escaped(part)}\\fR" if number % 2 else escaped(part) for number, part in enumerate(parts)
    )
    return f"\\&{marked}" if marked.startswith(".") else marked


def paragraphs(text: str) -> Iterator[str]:
    """The help's paragraphs; one that begins with \\b keeps its lines, as in the terminal."""
    for block in filter(None, (block.strip("\n") for block in text.split("\n\n"))):
        yield ".PP"
        if block.startswith("\b"):
            yield from literal(block.removeprefix("\b").strip("\n"))
        else:
            yield line(" ".join(block.split()))


def literal(text: str) -> Iterator[str]:
    """Lines that stay as they are."""
    yield from (".RS 4", ".nf", *(f"\\&{escaped(one)}" for one in text.splitlines()), ".fi", ".RE")


def definitions(pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in pairs:
        # \\: is a place where a long term may be broken.
        breakable = escaped(term).replace("|", "|\\:")
        yield from (".TP", f"\\fB{breakable}\\fR", line(" ".join(meaning.split())))


def options(found: Any, context: Any) -> list[tuple[str, str]]:
    """Arguments and options with their explanations, in the order of the help."""
    named = [
        (parameter.metavar or parameter.name.upper(), parameter.help or "")
        for parameter in found.params
        if parameter.param_type_name == "argument"
    ]
    records = [
        parameter.get_help_record(context)
        for parameter in found.get_params(context)
        if parameter.param_type_name != "argument"
    ]
    return [*named, *(record for record in records if record)]


def children(found: Any, context: Any) -> list[tuple[str, Any]]:
    """The commands of a group, with their names, in the order of the help."""
    if not hasattr(found, "list_commands"):
        return []
    members = [(name, found.get_command(context, name)) for name in found.list_commands(context)]
    return [(name, child) for name, child in members if child is not None and not child.hidden]


def context_of(found: Any, name: str, parent: Any = None) -> Any:
    """The parser's context, as wide as help is wide nowhere: lines are the reader's business."""
    return found.context_class(found, info_name=name, parent=parent, **found.context_settings)


def usage(found: Any, context: Any) -> str:
    words = " ".join(escaped(word) for word in found.collect_usage_pieces(context))
    return f"\\fB{escaped(context.command_path)}\\fR {words}"


def examples(found: Any) -> Iterator[str]:
    text = (found.epilog or "").replace("\b", "").strip("\n").removeprefix("Examples:").strip("\n")
    yield from literal("\n".join(one.removeprefix("  ") for one in text.splitlines()))


def summary(found: Any) -> str:
    return " ".join((found.help or "").split("\n\n")[0].split()).rstrip(".")


def subcommand(found: Any, context: Any) -> Iterator[str]:
    """A command within a group, and whatever is within it, as parts of the group's page."""
    yield f".SS {escaped(context.command_path)}"
    yield usage(found, context)
    yield from paragraphs(found.help or "")
    yield from definitions(iter(options(found, context)))
    if found.epilog:
        yield from (".PP", "Examples:", *examples(found))
    for name, child in children(found, context):
        yield from subcommand(child, context_of(child, name, context))


def page(found: Any, context: Any) -> Iterator[str]:
    """A whole page."""
    name = context.command_path.replace(" ", "-")
    yield ".\\\" Made by packaging/man_pages.py from the command line's help."
    yield f'.TH {escaped(name.upper())} 1 "" "stardraft {__version__}" "stardraft\'s manual"'
    # Hyphenation would break what one can type.
    yield from (".nh", ".ad l", ".SH NAME", f"{escaped(name)} \\- {line(summary(found))}")
    yield from (".SH SYNOPSIS", usage(found, context))
    yield from (".SH DESCRIPTION", *list(paragraphs(found.help or ""))[1:])
    yield from (".SH OPTIONS", *definitions(iter(options(found, context))))
    members = children(found, context)
    if members:
        yield ".SH COMMANDS"
        if context.parent is None:
            yield from definitions((f"{name}-{child}(1)", summary(one) + ".") for child, one in members)
        else:
            for child, one in members:
                yield from subcommand(one, context_of(one, child, context))
    if found.epilog:
        yield from (".SH EXAMPLES", *examples(found))
    yield from (".SH EXIT STATUS", *definitions(iter(EXIT_STATUS)))
    if context.parent is None:
        yield from (".SH FILES", *definitions(iter(FILES)))
        yield from (".SH ENVIRONMENT", *definitions(iter(ENVIRONMENT)))
    yield ".SH SEE ALSO"
    others = [child for child, _one in members] if context.parent is None else []
    see = [f"{name}-{other}" for other in others] or ["stardraft"]
    yield ",\n".join(f"\\fB{escaped(other)}\\fR(1)" for other in see)


def pages() -> dict[str, str]:
    """The text of every page, by its file's name."""
    root = command()
    top = context_of(root, "stardraft")
    made = {"stardraft.1": "\n".join(page(root, top)) + "\n"}
    for name, child in children(root, top):
        text = "\n".join(page(child, context_of(child, name, top))) + "\n"
        made[f"stardraft-{name}.1"] = text
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    wanted = pages()
    present = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.1")}
    if parser.parse_args().check:
        differ = sorted(name for name in wanted.keys() | present if wanted.get(name) != present.get(name))
        if differ:
            sys.exit(f"Not as the help is: {', '.join(differ)}. Type: python packaging/man_pages.py")
        return
    FOLDER.mkdir(exist_ok=True)
    for name in present.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages in {FOLDER}")


if __name__ == "__main__":
    main()
