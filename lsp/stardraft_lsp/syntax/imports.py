"""What an import statement imports: its module, as it is written, and the names taken from it.

Read from the statement's text by a pattern per language; that it is an import statement is the tree's word.
Which file a module is, is the context's business.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stardraftd.patterns import IDENTIFIER, Linear, linear


@dataclass(frozen=True, slots=True)
class Import:
    """module: a path as the language writes it (`a.b`, `./a`, `a::b`, `a/b.h`). names: without aliases."""

    module: str
    names: tuple[str, ...] = ()


_WORD = linear(IDENTIFIER)
_ALIAS = linear(r"\s+as\s+\S+$")
_QUOTED = linear(r"""["'<]([^"'<>]+)["'>]""")
_REQUIRE = linear(r"""\b(?:require|import)\s*\(?\s*["']([^"']+)["']""")
_RUBY = linear(r"""^(?:require|require_relative|load)\b\s*\(?\s*["']([^"']+)["']""")
_SOURCE = linear(r"""^(?:source|\.)\s+["']?([^"'\s;]+)""")
_FROM = linear(r"""(?:\bfrom\s*|^import\s*)["']([^"']+)["']""")
_TYPE = linear(r":\s*\w+")
_USE = linear(r"^(?:pub(?:\([^)]*\))?\s+)?use\s+")
_JAVA_IMPORT = linear(r"^import\s+(?:static\s+)?")
_USING = linear(r"^(?:global\s+)?using\s+(?:static\s+)?(?:\w+\s*=\s*)?")
_PHP_USE = linear(r"^use\s+(?:function\s+|const\s+)?")
_LOCAL = linear(r"(?:local\s+)?(\w+)\s*=")
_DOTTED = linear(r"[\w.]+")
_INCLUDE = linear(r"""(?:require|include)(?:_once)?\b[^"']*["']([^"']+)["']""")


def imports_in(statement: str, language: str) -> tuple[Import, ...]:
    """What a statement imports; () when it turns out to import nothing."""
    read = _READERS.get(language)
    return read(" ".join(statement.split())) if read is not None else ()


def _python(statement: str) -> tuple[Import, ...]:
    if statement.startswith("from "):
        module, _, names = statement[5:].partition(" import ")
        return (Import(module.strip(), _names(names.strip("() "))),)
    modules = _names(statement.removeprefix("import "), dotted=True)
    return tuple(Import(module) for module in modules)


def _javascript(statement: str) -> tuple[Import, ...]:
    if statement.startswith(("import ", "export ", "import{", "export{", 'import"', "import'")):
        found = _FROM.search(statement)
        if found is None:
            return ()
        clause = statement[: found.start()].partition(" ")[2]
        clause = clause.removeprefix("type ").replace("* as ", "")
        return (
            Import(found.group(1), _names(clause.replace("{", ",").replace("}", ",").removesuffix("from"))),
        )
    found = _REQUIRE.search(statement)
    if found is None:
        return ()
    names, equals, _ = statement[: found.start()].partition("=")
    names = _TYPE.sub("", names) if equals else ""
    return (Import(found.group(1), tuple(_WORD.findall(names))),)


def _quoted(statement: str) -> tuple[Import, ...]:
    found = _QUOTED.search(statement)
    return (Import(found.group(1)),) if found else ()


def _c(statement: str) -> tuple[Import, ...]:
    if statement.startswith("using "):
        path = statement[6:].rstrip("; ")
        module, _, name = path.rpartition("::")
        return (Import(module or name, (name,) if module else ()),)
    return _quoted(statement)


def _rust(statement: str) -> tuple[Import, ...]:
    path = _USE.sub("", statement).rstrip("; ")
    module, brace, group = path.partition("::{")
    if brace:
        names = (_ALIAS.sub("", name).rpartition("::")[2] for name in group.strip("{} ,").split(","))
        words = (name.strip("{} ") for name in names)
        return (Import(module, tuple(name for name in words if name not in ("", "self", "*"))),)
    module, _, name = _ALIAS.sub("", path).rpartition("::")
    if name == "*":
        return (Import(module),)
    return (Import(module, (name,)) if module else Import(name),)


def _java(statement: str) -> tuple[Import, ...]:
    path = _JAVA_IMPORT.sub("", statement).rstrip("; ")
    module, _, name = path.rpartition(".")
    return (Import(module, () if name == "*" else (name,)),)


def _csharp(statement: str) -> tuple[Import, ...]:
    path = _USING.sub("", statement).rstrip("; ")
    return (Import(path),)


def _php(statement: str) -> tuple[Import, ...]:
    included = _INCLUDE.search(statement)
    if included is not None:
        return (Import(included.group(1)),)
    path = _PHP_USE.sub("", statement).rstrip("; ")
    module, brace, group = path.partition("\\{")
    if brace:
        return (Import(module, _names(group.rstrip("} "))),)
    found = []
    for one in path.split(","):
        module, _, name = _ALIAS.sub("", one.strip()).rpartition("\\")
        found.append(Import(module, (name,)) if module else Import(name))
    return tuple(found)


def _by(pattern: Linear) -> Callable[[str], tuple[Import, ...]]:
    def read(statement: str) -> tuple[Import, ...]:
        found = pattern.search(statement)
        return (Import(found.group(1)),) if found else ()

    return read


def _lua(statement: str) -> tuple[Import, ...]:
    found = _REQUIRE.search(statement)
    if found is None:
        return ()
    name = _LOCAL.match(statement)
    return (Import(found.group(1), (name.group(1),) if name else ()),)


def _names(text: str, *, dotted: bool = False) -> tuple[str, ...]:
    """The names in a list with commas, without their aliases."""
    parts = (_ALIAS.sub("", part.strip()) for part in text.split(","))
    parts = (part.removeprefix("type ").strip() for part in parts)
    pattern = _DOTTED if dotted else _WORD
    return tuple(part for part in parts if pattern.fullmatch(part))


_READERS: dict[str, Callable[[str], tuple[Import, ...]]] = {
    "python": _python,
    "javascript": _javascript,
    "typescript": _javascript,
    "tsx": _javascript,
    "go": _quoted,
    "rust": _rust,
    "java": _java,
    "c": _c,
    "cpp": _c,
    "csharp": _csharp,
    "ruby": _by(_RUBY),
    "php": _php,
    "lua": _lua,
    "shell": _by(_SOURCE),
}
