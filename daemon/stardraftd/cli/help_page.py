"""A command's help as a page: whole sentences, and examples that fit the terminal and can still be typed.

The parser cuts a command's summary where the line ends, and leaves long examples to the terminal, which cuts
words. Every command gets its page here, also those that other packages announce.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from stardraftd.cli.output.usage import UsageError
from stardraftd.console.prose import fitted, measured

# More than any summary has: it is never cut.
_WHOLE = 10_000
_INDENT = "    "
_UNBROKEN = "\N{NO-BREAK SPACE}"
_HYPHEN = "\N{NON-BREAKING HYPHEN}"
# What the parser calls a type of Python's, and what a reader of the help calls it.
_PYTHONS = re.compile(r" <(?:list\[)?(str|int|float|path|Path)(?: range)?\]?>")
_READERS = {"str": "TEXT", "int": "N", "float": "X", "path": "PATH", "Path": "PATH"}
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class _Page:
    """What the pages of commands and of groups have in common.

    What was typed wrongly names the command that it was typed for: the parser does so only at times. No line
    of the help ends in the middle of a word such as --max-tokens, where the parser would break it.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        return parsed

    def get_help(self, ctx: Any) -> str:
        return str(super().get_help(ctx)).replace(_HYPHEN, "-")  # type: ignore[misc]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the parser's own signature
        if text := inspect.cleandoc(self.help or ""):  # type: ignore[attr-defined]
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(_unbroken(text))


class Command(_Page, TyperCommand):
    """A command with such a page."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                name, explained = record[0], _unbroken(record[1])
                if parameter.param_type_name == "argument":  # whose name says what it is
                    rows["Arguments"].append((_PYTHONS.sub("", name), explained))
                else:
                    rows["Options"].append((_PYTHONS.sub(_for_readers, name), explained))
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the parser's own signature
        formatter.write(_examples(self.epilog, formatter.width))


class Group(_Page, TyperGroup):
    """A group of commands with such a page."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, _unbroken(one.get_short_help_str(_WHOLE))) for name, one in named if one and not one.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - likewise
        formatter.write(_examples(self.epilog, formatter.width))


def with_pages(app: typer.Typer) -> typer.Typer:
    """`app`, in which every command and group that has no class of its own has the ones above."""
    for command in app.registered_commands:
        if command.cls in (None, TyperCommand):
            command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            with_pages(group.typer_instance)
    if not isinstance(app.info.cls, type):  # the parser's mark that none was given
        app.info.cls = Group
    return app


def _unbroken(text: str) -> str:
    """`text`, whose words the parser does not break at their hyphens. `get_help` gives those back."""
    return text.replace("-", _HYPHEN)


def _for_readers(found: re.Match[str]) -> str:
    return f" {_READERS[found[1]]}"


def _examples(epilog: str | None, width: int) -> str:
    """An epilog of `options.examples`, line by line."""
    lines = inspect.cleandoc(epilog or "").replace("\b", "").strip("\n").splitlines()
    return "".join(f"\n{line}" for one in lines for line in _example(one, width)) + ("\n" if lines else "")


def _example(line: str, width: int) -> Iterator[str]:
    """A line of examples; a command that is too long goes on after a backslash, as a shell reads it."""
    line = f"  {line}"
    if measured(line) <= width:
        yield line
        return
    typed, _, comment = line.strip().partition("  ")
    whole = _QUOTED.sub(lambda quoted: quoted[0].replace(" ", _UNBROKEN), typed)
    *parts, last = fitted(_INDENT + whole, width - len(" \\"), hang=2).replace(_UNBROKEN, " ").split("\n")
    yield from (f"{part} \\" for part in parts)
    yield last
    if comment:
        yield from fitted(2 * _INDENT + comment.strip(), width).split("\n")
