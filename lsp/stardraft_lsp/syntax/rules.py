"""What the node types of each grammar mean: data, and nothing that decides.

A test checks that every node type is one of its grammar's. What a language looks like without a grammar is in
`stardraftd.lexing`: `lexis` and `words`.
"""

from dataclasses import dataclass, field
from typing import Literal

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
