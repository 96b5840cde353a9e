"""Which grammar a document has, by its LSP language id or its file's suffix, and what its node types mean.

A grammar is a wheel of its own, imported when its first document is opened and not before (0.2 to 1.6 MB
resident each, measured). Where there is none, or its wheel is not installed, everything in this folder falls
back to rules over text: what a language looks like without a grammar is in `stardraftd.lexing`. A test checks
that every node type named here is one of its grammar's.
"""

import importlib
import logging
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from stardraftd.lexing.names import language_of

if TYPE_CHECKING:
    from tree_sitter import Language

ScopeKind = Literal["function", "class", "block"]


@dataclass(frozen=True)
class LanguageRules:
    """One language: what its grammar's node types are."""

    scopes: dict[str, ScopeKind] = field(default_factory=dict)
    strings: frozenset[str] = frozenset()
    comments: frozenset[str] = frozenset()
    code_in_strings: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _scopes(functions: str = "", classes: str = "", blocks: str = "") -> dict[str, ScopeKind]:
    kinds: tuple[tuple[str, ScopeKind], ...] = (
        (blocks, "block"),
        (classes, "class"),
        (functions, "function"),
    )
    return {name: kind for names, kind in kinds for name in names.split()}


_PYTHON = LanguageRules(
    scopes=_scopes(
        "function_definition",
        "class_definition",
        "if_statement elif_clause else_clause for_statement while_statement with_statement try_statement"
        " except_clause finally_clause match_statement case_clause",
    ),
    strings=_words("string"),
    comments=_words("comment"),
    code_in_strings=_words("interpolation"),
)

_JAVASCRIPT_SCOPES = _scopes(
    "function_declaration function_expression generator_function_declaration generator_function"
    " arrow_function method_definition",
    "class_declaration class",
    "statement_block switch_body class_body object",
)
_JAVASCRIPT = LanguageRules(
    scopes=_JAVASCRIPT_SCOPES,
    strings=_words("string template_string regex"),
    comments=_words("comment html_comment"),
    code_in_strings=_words("template_substitution"),
)
_TYPESCRIPT = LanguageRules(
    scopes={
        **_JAVASCRIPT_SCOPES,
        **_scopes(
            "",
            "abstract_class_declaration interface_declaration enum_declaration internal_module module",
            "interface_body object_type enum_body",
        ),
    },
    strings=_words("string template_string regex"),
    comments=_words("comment html_comment"),
    code_in_strings=_words("template_substitution"),
)
_GO = LanguageRules(
    scopes=_scopes(
        "function_declaration method_declaration func_literal",
        "type_declaration",
        "block field_declaration_list expression_switch_statement type_switch_statement select_statement"
        " literal_value import_spec_list",
    ),
    strings=_words("interpreted_string_literal raw_string_literal rune_literal"),
    comments=_words("comment"),
)
_RUST = LanguageRules(
    scopes=_scopes(
        "function_item closure_expression",
        "impl_item struct_item enum_item trait_item mod_item union_item",
        "block match_block declaration_list field_declaration_list enum_variant_list field_initializer_list",
    ),
    strings=_words("string_literal raw_string_literal char_literal"),
    comments=_words("line_comment block_comment"),
)
_JAVA = LanguageRules(
    scopes=_scopes(
        "method_declaration constructor_declaration compact_constructor_declaration lambda_expression",
        "class_declaration interface_declaration enum_declaration record_declaration"
        " annotation_type_declaration",
        "block constructor_body class_body interface_body enum_body switch_block",
    ),
    strings=_words("string_literal character_literal"),
    comments=_words("line_comment block_comment"),
    code_in_strings=_words("string_interpolation"),
)
_C_SCOPES = _scopes(
    "function_definition",
    "struct_specifier union_specifier enum_specifier",
    "compound_statement field_declaration_list enumerator_list initializer_list",
)
_C = LanguageRules(
    scopes=_C_SCOPES,
    strings=_words("string_literal char_literal system_lib_string"),
    comments=_words("comment"),
)
_CPP = LanguageRules(
    scopes={
        **_C_SCOPES,
        **_scopes("lambda_expression", "class_specifier namespace_definition", "declaration_list"),
    },
    strings=_words("string_literal char_literal system_lib_string raw_string_literal"),
    comments=_words("comment"),
)
_CSHARP = LanguageRules(
    scopes=_scopes(
        "method_declaration constructor_declaration local_function_statement lambda_expression"
        " anonymous_method_expression property_declaration accessor_declaration operator_declaration",
        "class_declaration struct_declaration interface_declaration enum_declaration record_declaration"
        " namespace_declaration",
        "block declaration_list enum_member_declaration_list switch_body accessor_list",
    ),
    strings=_words(
        "string_literal verbatim_string_literal raw_string_literal interpolated_string_expression"
        " character_literal"
    ),
    comments=_words("comment"),
    code_in_strings=_words("interpolation"),
)
_RUBY = LanguageRules(
    scopes=_scopes(
        "method singleton_method lambda",
        "class module singleton_class",
        "block do_block begin if unless while until for case when then else elsif rescue ensure",
    ),
    strings=_words("string heredoc_body regex subshell string_array symbol_array"),
    comments=_words("comment"),
    code_in_strings=_words("interpolation"),
)
_PHP = LanguageRules(
    scopes=_scopes(
        "function_definition method_declaration anonymous_function arrow_function",
        "class_declaration interface_declaration trait_declaration enum_declaration",
        "compound_statement declaration_list switch_block enum_declaration_list",
    ),
    strings=_words("string encapsed_string heredoc nowdoc shell_command_expression"),
    comments=_words("comment"),
)
_LUA = LanguageRules(
    scopes=_scopes(
        "function_declaration function_definition",
        "",
        "do_statement if_statement elseif_statement else_statement for_statement while_statement"
        " repeat_statement table_constructor",
    ),
    strings=_words("string"),
    comments=_words("comment"),
)
_SHELL = LanguageRules(
    scopes=_scopes(
        "function_definition",
        "",
        "compound_statement do_group if_statement elif_clause else_clause case_statement case_item"
        " for_statement while_statement subshell",
    ),
    strings=_words("string raw_string ansi_c_string heredoc_body translated_string"),
    comments=_words("comment"),
    code_in_strings=_words("command_substitution expansion"),
)

_NOTHING = LanguageRules()

RULES: dict[str, LanguageRules] = {
    "python": _PYTHON,
    "javascript": _JAVASCRIPT,
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "go": _GO,
    "rust": _RUST,
    "java": _JAVA,
    "c": _C,
    "cpp": _CPP,
    "objective-c": _C,
    "csharp": _CSHARP,
    "ruby": _RUBY,
    "php": _PHP,
    "lua": _LUA,
    "shell": _SHELL,
}


def rules_of(language: str) -> LanguageRules:
    """The rules of a language as `languages.language_of` names it; for unknown ones those of none."""
    return RULES.get(language, _NOTHING)


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
