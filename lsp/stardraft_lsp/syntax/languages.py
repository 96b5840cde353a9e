"""Which grammar a document has: by its LSP language id, or by its file's suffix.

A grammar is a wheel of its own, imported when its first document is opened and not before (0.2 to 1.6 MB
resident each, measured). Where there is none, or its wheel is not installed, everything in this folder falls
back to rules over text. What the node types of a grammar mean is `rules`' business.
"""

import importlib
import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from stardraftd.lexing.names import language_of

if TYPE_CHECKING:
    from tree_sitter import Language

__all__ = ["GRAMMARS", "Grammar", "grammar_of", "keywords_of", "language_of"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grammar:
    """Where a language's grammar is: a module, and the function in it that gives the C pointer."""

    module: str
    function: str = "language"


# The names on the left are those of `stardraftd.lexing.names`, which has languages without a grammar too.
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
