"""Which grammar a document has: by its LSP language id, or by its file's suffix.

A grammar is a wheel of its own, imported when its first document is opened and not before (0.2 to 1.6 MB
resident each, measured). Where there is none, or its wheel is not installed, everything in this folder falls
back to rules over text. What the node types of a grammar mean is `rules`' business.
"""

import importlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grammar:
    """Where a language's grammar is: a module, and the function in it that gives the C pointer."""

    module: str
    function: str = "language"


# The names on the left are this folder's own; LSP's ids are mapped to them below.
GRAMMARS: dict[str, Grammar] = {
    "python": Grammar("tree_sitter_python"),
    "javascript": Grammar("tree_sitter_javascript"),
    "typescript": Grammar("tree_sitter_typescript", "language_typescript"),
    "tsx": Grammar("tree_sitter_typescript", "language_tsx"),
    "go": Grammar("tree_sitter_go"),
    "rust": Grammar("tree_sitter_rust"),
    "java": Grammar("tree_sitter_java"),
    "c": Grammar("tree_sitter_c"),
    "cpp": Grammar("tree_sitter_cpp"),
    "csharp": Grammar("tree_sitter_c_sharp"),
    "ruby": Grammar("tree_sitter_ruby"),
    "php": Grammar("tree_sitter_php", "language_php"),
    "lua": Grammar("tree_sitter_lua"),
    "shell": Grammar("tree_sitter_bash"),
}

_BY_ID = {
    "javascriptreact": "javascript",
    "typescriptreact": "tsx",
    "shellscript": "shell",
    "bash": "shell",
    "sh": "shell",
    "zsh": "shell",
    "c++": "cpp",
    "cuda-cpp": "cpp",
    "c#": "csharp",
    "cs": "csharp",
    "py": "python",
    "js": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
}

_BY_SUFFIX = {
    ".py": "python",
    ".pyi": "python",
    ".pyw": "python",
    ".js": "javascript",
    ".cjs": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".cts": "typescript",
    ".mts": "typescript",
    ".tsx": "tsx",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".hxx": "cpp",
    ".cu": "cpp",
    ".cs": "csharp",
    ".rb": "ruby",
    ".rake": "ruby",
    ".php": "php",
    ".lua": "lua",
    ".sh": "shell",
    ".bash": "shell",
    ".zsh": "shell",
}

# Languages that have rules over text only; `rules` has what there is to know of them.
_TEXT_BY_SUFFIX = {
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".swift": "swift",
    ".scala": "scala",
    ".dart": "dart",
    ".sql": "sql",
    ".css": "css",
    ".scss": "scss",
    ".html": "html",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".hs": "haskell",
    ".ex": "elixir",
    ".exs": "elixir",
    ".pl": "perl",
    ".r": "r",
    ".jl": "julia",
    ".zig": "zig",
    ".md": "markdown",
}


def language_of(language_id: str, path: str = "") -> str:
    """The name under which this folder knows a language; the id in small letters where it knows none.

    language_id: the editor's, as LSP lists them; "" and "plaintext" let the path's suffix decide.
    """
    name = language_id.lower()
    name = _BY_ID.get(name, name)
    if name in GRAMMARS or name not in ("", "plaintext", "text"):
        return name
    suffix = PurePosixPath(path.replace("\\", "/")).suffix.lower()
    return _BY_SUFFIX.get(suffix) or _TEXT_BY_SUFFIX.get(suffix, name)


@cache
def grammar_of(language: str) -> "Language | None":
    """The grammar of a language of `language_of`; None where there is none. Imports it the first time."""
    found = GRAMMARS.get(language)
    if found is None:
        return None
    try:
        from tree_sitter import Language

        module = importlib.import_module(found.module)
        return Language(getattr(module, found.function)())
    except (ImportError, AttributeError, ValueError) as error:
        # ValueError: a grammar for another generation of tree-sitter. Text rules still work.
        log.warning("No grammar for %s: %s. Rules over text are used.", language, error)
        return None


@cache
def keywords_of(language: str) -> frozenset[str]:
    """The words that a language's grammar has for itself; empty without a grammar."""
    grammar = grammar_of(language)
    if grammar is None:
        return frozenset()
    kinds = (
        grammar.node_kind_for_id(number)
        for number in range(grammar.node_kind_count)
        if not grammar.node_kind_is_named(number)
    )
    return frozenset(kind for kind in kinds if kind is not None and kind.isidentifier())
