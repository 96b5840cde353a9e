"""What is known of each language: data, and nothing that decides.

Two halves: what a lexer over text needs (comments, quotes, openers), for every language; and what the node
types of a grammar mean, for those that have one. A test checks that every node type is one of its grammar's.
"""

from dataclasses import dataclass, field
from typing import Literal

ScopeKind = Literal["function", "class", "block"]


@dataclass(frozen=True)
class Quote:
    """A kind of string. `begin` may be more than a quote; `is_multiline`: whether it may hold a line end."""

    begin: str
    end: str
    is_multiline: bool = False
    has_escapes: bool = True


@dataclass(frozen=True)
class LanguageRules:
    """One language.

    line_comments, block_comments, quotes: longer beginnings first.
    header_words: words that begin a line which opens a block, where a `:` or a keyword does that.
    block_words: words at whose end a line opens a block (`then`, `do`).
    enders: what ends a statement for good.
    closing_words: words that close a block.
    continuing_words: words that go on with the statement whose block has just ended.
    finished_words: a line that is one of these needs nothing more.
    arrows: what stands before a body that may be an expression.
    is_indented: indentation alone ends a block. opens_by_header: a header word opens one, without any sign.
    comment_needs_space: a comment sign inside a word is none.
    scopes, strings, comments, code_in_strings: node types.
    """

    line_comments: tuple[str, ...] = ()
    block_comments: tuple[tuple[str, str], ...] = ()
    quotes: tuple[Quote, ...] = ()
    header_words: frozenset[str] = frozenset()
    block_words: frozenset[str] = frozenset()
    enders: tuple[str, ...] = ()
    closing_words: frozenset[str] = frozenset()
    continuing_words: frozenset[str] = frozenset()
    finished_words: frozenset[str] = frozenset()
    arrows: tuple[str, ...] = ()
    has_braces: bool = True
    is_indented: bool = False
    opens_by_header: bool = False
    comment_needs_space: bool = False
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


_DOUBLE = Quote('"', '"')
_SINGLE = Quote("'", "'")
_BACKTICK = Quote("`", "`", is_multiline=True)
_SLASHES = ("//",)
_STARS = (("/*", "*/"),)
_C_WORDS = _words("else catch finally while")
_FINISHED = _words("break continue")

_PYTHON = LanguageRules(
    line_comments=("#",),
    quotes=(
        Quote('"""', '"""', is_multiline=True),
        Quote("'''", "'''", is_multiline=True),
        _DOUBLE,
        _SINGLE,
    ),
    header_words=_words("if elif else for while with try except finally def class async match case"),
    continuing_words=_words("elif else except finally case"),
    finished_words=_words("break continue pass"),
    has_braces=False,
    is_indented=True,
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
    arrows=("=>",),
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(_DOUBLE, _SINGLE, _BACKTICK),
    header_words=_words("case default"),
    enders=(";",),
    continuing_words=_C_WORDS,
    finished_words=_FINISHED,
    scopes=_JAVASCRIPT_SCOPES,
    strings=_words("string template_string regex"),
    comments=_words("comment html_comment"),
    code_in_strings=_words("template_substitution"),
)
_TYPESCRIPT = LanguageRules(
    arrows=("=>",),
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(_DOUBLE, _SINGLE, _BACKTICK),
    header_words=_words("case default"),
    enders=(";",),
    continuing_words=_C_WORDS,
    finished_words=_FINISHED,
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
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(_DOUBLE, _SINGLE, Quote("`", "`", is_multiline=True, has_escapes=False)),
    header_words=_words("case default"),
    continuing_words=_words("else"),
    finished_words=_words("break continue fallthrough"),
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
    arrows=("=>",),
    line_comments=_SLASHES,
    block_comments=_STARS,
    # A lifetime looks like the beginning of a character; so characters are left to the tree.
    quotes=(Quote('r#"', '"#', is_multiline=True, has_escapes=False), Quote('"', '"', is_multiline=True)),
    enders=(";",),
    continuing_words=_words("else"),
    finished_words=_FINISHED,
    scopes=_scopes(
        "function_item closure_expression",
        "impl_item struct_item enum_item trait_item mod_item union_item",
        "block match_block declaration_list field_declaration_list enum_variant_list field_initializer_list",
    ),
    strings=_words("string_literal raw_string_literal char_literal"),
    comments=_words("line_comment block_comment"),
)
_JAVA = LanguageRules(
    arrows=("->", "=>"),
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(Quote('"""', '"""', is_multiline=True), _DOUBLE, _SINGLE),
    header_words=_words("case default"),
    enders=(";",),
    continuing_words=_C_WORDS,
    finished_words=_FINISHED,
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
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(_DOUBLE, _SINGLE),
    header_words=_words("case default"),
    enders=(";",),
    continuing_words=_words("else while"),
    finished_words=_FINISHED,
    scopes=_C_SCOPES,
    strings=_words("string_literal char_literal system_lib_string"),
    comments=_words("comment"),
)
_CPP = LanguageRules(
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(Quote('R"(', ')"', is_multiline=True, has_escapes=False), _DOUBLE, _SINGLE),
    header_words=_words("case default public private protected"),
    enders=(";",),
    continuing_words=_words("else while catch"),
    finished_words=_FINISHED,
    scopes={
        **_C_SCOPES,
        **_scopes("lambda_expression", "class_specifier namespace_definition", "declaration_list"),
    },
    strings=_words("string_literal char_literal system_lib_string raw_string_literal"),
    comments=_words("comment"),
)
_CSHARP = LanguageRules(
    arrows=("=>",),
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(
        Quote('"""', '"""', is_multiline=True, has_escapes=False),
        Quote('@"', '"', is_multiline=True, has_escapes=False),
        _DOUBLE,
        _SINGLE,
    ),
    header_words=_words("case default"),
    enders=(";",),
    continuing_words=_C_WORDS,
    finished_words=_FINISHED,
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
    has_braces=False,
    opens_by_header=True,
    line_comments=("#",),
    block_comments=(("=begin", "=end"),),
    quotes=(Quote('"', '"', is_multiline=True), Quote("'", "'", is_multiline=True), _BACKTICK),
    header_words=_words(
        "def class module if unless while until for case when begin else elsif rescue ensure"
    ),
    block_words=_words("do then begin else ensure"),
    closing_words=_words("end"),
    continuing_words=_words("else elsif when rescue ensure in"),
    finished_words=_words("end break next redo retry"),
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
    arrows=("=>",),
    line_comments=("//", "#"),
    block_comments=_STARS,
    quotes=(Quote('"', '"', is_multiline=True), Quote("'", "'", is_multiline=True), _BACKTICK),
    header_words=_words("case default"),
    enders=(";",),
    continuing_words=_words("else elseif catch finally while"),
    finished_words=_FINISHED,
    scopes=_scopes(
        "function_definition method_declaration anonymous_function arrow_function",
        "class_declaration interface_declaration trait_declaration enum_declaration",
        "compound_statement declaration_list switch_block enum_declaration_list",
    ),
    strings=_words("string encapsed_string heredoc nowdoc shell_command_expression"),
    comments=_words("comment"),
)
_LUA = LanguageRules(
    has_braces=False,
    line_comments=("--",),
    block_comments=(("--[[", "]]"),),
    quotes=(Quote("[[", "]]", is_multiline=True, has_escapes=False), _DOUBLE, _SINGLE),
    header_words=_words("function"),
    block_words=_words("do then else repeat"),
    closing_words=_words("end until"),
    continuing_words=_words("else elseif"),
    finished_words=_words("end break"),
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
    comment_needs_space=True,
    has_braces=False,
    line_comments=("#",),
    quotes=(Quote('"', '"', is_multiline=True), Quote("'", "'", is_multiline=True, has_escapes=False)),
    block_words=_words("do then else in"),
    enders=(";;",),
    closing_words=_words("fi done esac"),
    continuing_words=_words("else elif"),
    finished_words=_words("fi done esac break continue"),
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

_C_LIKE = LanguageRules(
    arrows=("->", "=>"),
    line_comments=_SLASHES,
    block_comments=_STARS,
    quotes=(Quote('"""', '"""', is_multiline=True), _DOUBLE, _SINGLE),
    header_words=_words("case default"),
    continuing_words=_C_WORDS,
    finished_words=_FINISHED,
)
_HASH_ONLY = LanguageRules(
    line_comments=("#",),
    quotes=(_DOUBLE, _SINGLE),
    comment_needs_space=True,
    is_indented=True,
    has_braces=False,
)
_MARKUP = LanguageRules(block_comments=(("<!--", "-->"),))
# Prose has apostrophes and no comments: nothing in it is ever a string.
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
    "csharp": _CSHARP,
    "ruby": _RUBY,
    "php": _PHP,
    "lua": _LUA,
    "shell": _SHELL,
    "kotlin": _C_LIKE,
    "swift": _C_LIKE,
    "scala": _C_LIKE,
    "dart": _C_LIKE,
    "zig": LanguageRules(line_comments=_SLASHES, quotes=(_DOUBLE, _SINGLE), enders=(";",)),
    "objective-c": _C,
    "css": LanguageRules(block_comments=_STARS, quotes=(_DOUBLE, _SINGLE), enders=(";",)),
    "scss": LanguageRules(
        line_comments=_SLASHES, block_comments=_STARS, quotes=(_DOUBLE, _SINGLE), enders=(";",)
    ),
    "sql": LanguageRules(line_comments=("--",), block_comments=_STARS, quotes=(_SINGLE,), enders=(";",)),
    "haskell": LanguageRules(
        line_comments=("--",), block_comments=(("{-", "-}"),), quotes=(_DOUBLE,), is_indented=True
    ),
    "elixir": LanguageRules(
        line_comments=("#",),
        quotes=(Quote('"""', '"""', is_multiline=True), _DOUBLE),
        block_words=_words("do else"),
        closing_words=_words("end"),
        finished_words=_words("end"),
    ),
    "julia": LanguageRules(
        line_comments=("#",),
        block_comments=(("#=", "=#"),),
        quotes=(Quote('"""', '"""', is_multiline=True), _DOUBLE),
        header_words=_words("function struct if for while begin let module else elseif"),
        opens_by_header=True,
        closing_words=_words("end"),
        continuing_words=_words("else elseif"),
        finished_words=_words("end break continue"),
    ),
    "perl": LanguageRules(
        comment_needs_space=True, line_comments=("#",), quotes=(_DOUBLE, _SINGLE), enders=(";",)
    ),
    "r": LanguageRules(line_comments=("#",), quotes=(_DOUBLE, _SINGLE)),
    "yaml": _HASH_ONLY,
    "toml": LanguageRules(
        line_comments=("#",), quotes=(Quote('"""', '"""', is_multiline=True), _DOUBLE, _SINGLE)
    ),
    "dockerfile": LanguageRules(line_comments=("#",), quotes=(_DOUBLE,)),
    "makefile": LanguageRules(line_comments=("#",)),
    "json": LanguageRules(quotes=(_DOUBLE,)),
    "jsonc": LanguageRules(line_comments=_SLASHES, block_comments=_STARS, quotes=(_DOUBLE,)),
    "html": _MARKUP,
    "xml": _MARKUP,
    "markdown": _NOTHING,
    "plaintext": _NOTHING,
}


def rules_of(language: str) -> LanguageRules:
    """The rules of a language as `languages.language_of` names it; for unknown ones those of none."""
    return RULES.get(language, _NOTHING)
