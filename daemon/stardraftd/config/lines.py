"""Finds the line on which a key of a TOML file stands, so that an error can name it.

The standard library's parser keeps no positions. It is asked again here, about one statement at a time: a
statement is the shortest run of lines that parses. So multi-line strings, arrays, dotted keys and inline
tables need no second grammar.
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def key_lines(text: str) -> Mapping[Path, int]:
    """The first line (from 1) of each key and table of a *valid* TOML text, by its path of keys."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, source, statement in _statements(text):
        below: Path = table
        if source.lstrip().startswith("["):
            below, table = (), _header(statement)
        for path in _paths(statement, below):
            lines.setdefault(path, number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(number of its first line, its text, its content) of each statement."""
    pending: list[str] = []
    first = 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        pending.append(line)
        source = "\n".join(pending)
        try:
            statement = tomllib.loads(source)
        except tomllib.TOMLDecodeError:
            continue  # the value goes on in the next line
        if statement:
            yield first, source, statement
        pending, first = [], number + 1


def _header(statement: dict[str, Any]) -> Path:
    """The path in a statement that is a table's header: the only path there is."""
    return max(_paths(statement, ()), key=len)


def _paths(content: object, below: Path) -> Iterator[Path]:
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = content[0]  # [[a table in a list]]
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*below, key)
            yield from _paths(value, (*below, key))
