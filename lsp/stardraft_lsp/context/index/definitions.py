"""What the names near the cursor stand for: where they are defined, and how their definitions look.

Which names to look up is decided here, and a definition's look is cut here from its file's text: a function
is its signature, a class its head and its members' signatures. The plain-text way, by regular expressions,
serves every language a little; where tree-sitter knows better, another Outliner is plugged in.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from stardraft_lsp.context.index.words import words_of
from stardraft_lsp.text.prefixes import common_prefix
from stardraftd.patterns import linear

_NEAR_LINES = 15
MAX_NAMES = 24
MAX_OUTLINE_LINES = 16


class Imported(NamedTuple):
    """A name that a text imports, and the module or file that it is from, as the text says it."""

    name: str
    module: str


class Outliner(Protocol):
    """What is known of a language's texts. Each call is short: the text is that of one file or chunk."""

    def imports(self, text: str, family: str) -> list[Imported]:
        """The names that a text imports, in order."""
        ...

    def defined(self, text: str, family: str) -> list[str]:
        """The names that a chunk of text defines."""
        ...

    def outline(self, lines: list[str], name: str, near_line: int, family: str) -> str:
        """How the definition of `name` looks, the one nearest to `near_line`; "" when there is none."""
        ...


# How a definition begins, by family: `name` is what is defined.
_W = r"[^\W\d]\w*"
_DEFINITIONS = {
    "python": rf"^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+(?P<a>{_W})|^(?P<b>[A-Z]\w*)[ ]*(?::[^=\n]+)?=[^=]",
    "javascript": rf"^[ \t]*(?:export[ ]+)?(?:default[ ]+)?(?:declare[ ]+)?(?:abstract[ ]+)?(?:async[ ]+)?"
    rf"(?:function\*?|class|interface|type|enum|namespace)[ ]+(?P<a>{_W})"
    rf"|^(?:export[ ]+)?(?:const|let|var)[ ]+(?P<b>{_W})"
    rf"|^[ \t]+(?:(?:public|private|protected|static|readonly|async|get|set)[ ]+)*"
    rf"(?P<c>{_W})\([^;\n]*\)[^;\n]*\{{[ ]*$",
    "go": rf"^(?:func[ ]+(?:\([^)]*\)[ ]*)?|type[ ]+|var[ ]+|const[ ]+)(?P<a>{_W})",
    "rust": rf"^[ \t]*(?:pub(?:\([^)]*\))?[ ]+)?(?:async[ ]+|const[ ]+|unsafe[ ]+|extern[ ]+\"C\"[ ]+)*"
    rf"(?:fn|struct|enum|trait|type|union|mod|static|const|macro_rules!)[ ]+(?P<a>{_W})",
    "c": rf"^(?:typedef[ ]+)?(?:class|struct|enum|union|namespace)[ ]+(?:class[ ]+)?(?P<a>{_W})[^;\n]*$"
    rf"|^\#[ ]*define[ ]+(?P<b>{_W})|^(?:[\w:<>,*&\[\] \t]+[ *&])?"
    rf"(?:{_W}::)*(?P<c>~?{_W})\([^;{{}}\n]*(?:\)[^;\n]*)?$"
    rf"|^[ \t]*using[ ]+(?P<d>{_W})[ ]*=",
    "ruby": rf"^[ \t]*(?:def[ ]+(?:self\.)?|class[ ]+|module[ ]+)(?P<a>{_W}[?!]?)",
    "php": rf"^[ \t]*(?:(?:abstract|final|public|protected|private|static|readonly)[ ]+)*"
    rf"(?:function|class|interface|trait|enum)[ ]+&?(?P<a>{_W})",
    "lua": rf"^[ \t]*(?:local[ ]+)?function[ ]+(?:{_W}[.:])*(?P<a>{_W})"
    rf"|^(?:local[ ]+)?(?:{_W}\.)*(?P<b>{_W})[ ]*=[ ]*function",
    "shell": rf"^[ \t]*(?:function[ ]+(?P<a>{_W})|(?P<b>{_W})[ ]*\(\))",
    "swift": rf"^[ \t]*(?:[a-z]+[ ]+)*(?:func|class|struct|enum|protocol|extension|actor)[ ]+(?P<a>{_W})",
    "elixir": rf"^[ \t]*(?:def|defp|defmacro|defmodule|defstruct|defprotocol)[ ]+(?:{_W}\.)*(?P<a>{_W})",
}
_TYPED = (
    rf"^[ \t]*(?:\[[^\]]*\][ ]*)?(?:(?:public|private|protected|internal|static|final|abstract|sealed|"
    rf"override|virtual|async|partial|open|data|suspend|"
    rf"inline|synchronized|default|readonly|implicit|case)[ ]+)*"
    rf"(?:(?:class|interface|enum|struct|record|object|trait|fun|def|@interface)[ ]+(?P<a>{_W})"
    rf"|[\w<>\[\],.?]+[ ]+(?P<b>{_W})[ ]*\([^;=\n]*$)"
)
_DEFINITIONS |= {"jvm": _TYPED, "dotnet": _TYPED, "dart": _TYPED, "solidity": _TYPED}
_DEFINES = {family: re.compile(pattern, re.MULTILINE) for family, pattern in _DEFINITIONS.items()}
_ANY = re.compile(
    rf"^[ \t]*(?:function|func|fun|fn|def|sub|proc|class|struct|type|module)[ ]+(?P<a>{_W})", re.MULTILINE
)
_KEYWORDS = "if for while switch return else catch elif do try new throw yield await assert in"
_NOT_NAMES = frozenset(_KEYWORDS.split())

_IS_CLASS = re.compile(
    r"\b(?:class|struct|interface|trait|impl|enum|module|object|record|protocol|namespace)\b"
)

_IMPORTS = {
    "python": linear(
        r"^[ \t]*from[ ]+(?P<module>[\w.]+)[ ]+import[ ]+(?:\((?P<many>[^)]*)\)|(?P<names>[^\n#]+))"
        r"|^[ \t]*import[ ]+(?P<plain>[\w., ]+)",
        multiline=True,
    ),
    "javascript": linear(
        r"""^[ \t]*(?:import|export)[ ]+(?:type[ ]+)?"""
        r"""(?P<names>[^'";]*?)[ ]*from[ ]*['"](?P<module>[^'"]+)['"]"""
        r"""|^[ \t]*(?:const|let|var)[ ]+(?P<required>[^=;]+?)=[ ]*require\(['"](?P<path>[^'"]+)['"]\)""",
        multiline=True,
    ),
    "rust": linear(r"^[ \t]*(?:pub[ ]+)?use[ ]+(?P<used>[^;]+);", multiline=True),
    "jvm": linear(r"^[ \t]*import[ ]+(?:static[ ]+)?(?P<module>[\w.]+)\.(?P<names>\w+)", multiline=True),
    "php": linear(r"^[ \t]*use[ ]+(?P<module>[\w\\]+)\\(?P<names>\w+)", multiline=True),
}
_FILE_END = linear(r"(?:/__init__|/index|/mod|/lib)?\.[^./]+(?:\.ts)?$")
_HEAD_CHARACTERS = 6_000
_MAX_LINE_CHARACTERS = 240  # longer ones define nothing that is worth the time to look


class PlainOutliner:
    """By regular expressions: right most of the time, and never long about it."""

    def imports(self, text: str, family: str) -> list[Imported]:
        pattern = _IMPORTS.get(family)
        if pattern is None:
            return []
        found: list[Imported] = []
        for match in pattern.finditer(text[:_HEAD_CHARACTERS]):
            groups = match.groupdict()
            if groups.get("used"):
                path, _, last = groups["used"].rpartition("::")
                found += [Imported(name, path) for name in _names_in(last)]
            elif groups.get("plain"):
                found += [
                    Imported(name.split(".")[-1], name) for name in groups["plain"].replace(",", " ").split()
                ]
            else:
                names = groups.get("many") or groups.get("names") or groups.get("required") or ""
                module = groups.get("module") or groups.get("path") or ""
                found += [Imported(name, module) for name in _names_in(names)]
        return found

    def defined(self, text: str, family: str) -> list[str]:
        pattern = _DEFINES.get(family, _ANY)
        names = [
            match[match.lastgroup]
            for line in text.split("\n")
            if len(line) <= _MAX_LINE_CHARACTERS and (match := pattern.match(line)) and match.lastgroup
        ]
        return [name for name in dict.fromkeys(names) if name not in _NOT_NAMES and len(name) > 2]

    def outline(self, lines: list[str], name: str, near_line: int, family: str) -> str:
        at = _line_of_definition(lines, name, near_line, _DEFINES.get(family, _ANY))
        if at is None:
            return ""
        head = list(_signature(lines, at))
        if not _IS_CLASS.search(lines[at].partition(name)[0]):
            return "\n".join(head) + "\n"
        members = _members(lines, at + len(head), _indentation(lines[at]), _DEFINES.get(family, _ANY))
        return "\n".join([*head, *members][:MAX_OUTLINE_LINES]) + "\n"


def names_near(prefix: str, suffix: str) -> list[str]:
    """The names to look up, the nearest to the cursor first."""
    near = prefix.split("\n")[-_NEAR_LINES:]
    ordered: dict[str, None] = {}
    for line in [*reversed(near), *suffix.split("\n")[:3]]:
        for word in sorted(words_of(line), key=line.rfind, reverse=True):
            ordered.setdefault(word)
    return list(ordered)[:MAX_NAMES]


def agreement(path: str, module: str) -> int:
    """How many parts of a file's path and of the module that an import names agree, from the end."""
    parts = [part for part in re.split(r"[./\\:]", module) if part and part not in ("crate", "self", "super")]
    stem = _FILE_END.sub("", path)
    return common_prefix(stem.split("/")[::-1], parts[::-1])


def _names_in(text: str) -> Iterator[str]:
    for part in text.strip(" {}()\n").split(","):
        name = re.split(r"\bas\b|:", part.strip(" {}()\n\t*"))[0].strip()
        if name.isidentifier():
            yield name


def _line_of_definition(
    lines: list[str], name: str, near_line: int, pattern: "re.Pattern[str]"
) -> int | None:
    found = [number for number, line in enumerate(lines) if name in line and _defines(pattern, line, name)]
    return min(found, key=lambda number: abs(number - near_line), default=None)


def _defines(pattern: "re.Pattern[str]", line: str, name: str) -> bool:
    match = pattern.match(line) if len(line) <= _MAX_LINE_CHARACTERS else None
    return bool(match and match.lastgroup and match[match.lastgroup] == name)


def _signature(lines: list[str], at: int) -> Iterator[str]:
    """The lines of a definition's head: until its brackets are closed, six at most."""
    depth = 0
    for line in lines[at : at + 6]:
        depth += sum(line.count(c) for c in "([") - sum(line.count(c) for c in ")]")
        yield line.rstrip()
        if depth <= 0:
            return


def _members(lines: list[str], start: int, indentation: int, pattern: "re.Pattern[str]") -> Iterator[str]:
    """The first lines of the members' definitions, one step further in than the class."""
    step: int | None = None
    for line in lines[start : start + 400]:
        stripped = line.strip()
        if not stripped or stripped[0] in ")}]#/*":
            continue
        inner = _indentation(line)
        if inner <= indentation:
            return
        if step is None:
            step = inner
        if inner == step and (pattern.match(line) or line.rstrip().endswith(";")):
            yield line.rstrip()


def _indentation(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
