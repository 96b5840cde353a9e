"""What an outline needs to know of each grammar: data, and nothing that decides.

No tree-sitter queries: compiling one of these sizes holds the GIL for 16 ms (TypeScript) to 77 ms (C++),
measured, and they look into every function's body. A walk over the containers compiles nothing and sees a
tenth of the nodes. A test checks that every node type is one of its grammar's.
"""

from dataclasses import dataclass
from typing import Literal

DefinitionKind = Literal["class", "interface", "enum", "function", "method", "type", "variable", "module"]


@dataclass(frozen=True)
class OutlineRules:
    """One language: node types.

    definitions: with the kind of each. containers: whose children are looked at. bodies: what a signature
    ends before, where the grammar has no field "body". imports: what `imports` reads.
    """

    definitions: dict[str, DefinitionKind]
    containers: frozenset[str]
    imports: frozenset[str] = frozenset()
    bodies: frozenset[str] = frozenset()


def _kinds(kinds: dict[DefinitionKind, str]) -> dict[str, DefinitionKind]:
    return {node: kind for kind, nodes in kinds.items() for node in nodes.split()}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JAVASCRIPT = OutlineRules(
    _kinds(
        {
            "class": "class_declaration",
            "function": "function_declaration generator_function_declaration",
            "method": "method_definition",
            "variable": "variable_declarator",
        }
    ),
    _words("class_declaration class_body export_statement lexical_declaration variable_declaration"),
    _words("import_statement export_statement variable_declarator expression_statement"),
)
_TYPESCRIPT = OutlineRules(
    {
        **_JAVASCRIPT.definitions,
        **_kinds(
            {
                "class": "abstract_class_declaration",
                "interface": "interface_declaration",
                "enum": "enum_declaration",
                "type": "type_alias_declaration",
                "function": "function_signature",
                "method": "abstract_method_signature",
                "module": "internal_module",
            }
        ),
    },
    _JAVASCRIPT.containers
    | _words("abstract_class_declaration internal_module statement_block expression_statement")
    | _words("ambient_declaration"),
    _JAVASCRIPT.imports,
)
_C = OutlineRules(
    _kinds(
        {
            "class": "struct_specifier union_specifier",
            "enum": "enum_specifier",
            "function": "function_definition declaration preproc_function_def",
            "type": "type_definition",
            "variable": "preproc_def",
        }
    ),
    _words("preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification declaration_list"),
    _words("preproc_include"),
)

OUTLINE_RULES: dict[str, OutlineRules] = {
    "python": OutlineRules(
        _kinds({"class": "class_definition", "function": "function_definition", "variable": "assignment"}),
        _words(
            "class_definition block decorated_definition expression_statement if_statement else_clause"
            " try_statement except_clause"
        ),
        _words("import_statement import_from_statement"),
    ),
    "javascript": _JAVASCRIPT,
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "go": OutlineRules(
        _kinds(
            {
                "function": "function_declaration",
                "method": "method_declaration",
                "type": "type_spec type_alias",
                "variable": "const_spec var_spec",
            }
        ),
        _words(
            "type_declaration const_declaration var_declaration var_spec_list import_declaration"
            " import_spec_list"
        ),
        _words("import_spec"),
    ),
    "rust": OutlineRules(
        _kinds(
            {
                "class": "struct_item union_item impl_item",
                "enum": "enum_item",
                "interface": "trait_item",
                "function": "function_item function_signature_item macro_definition",
                "type": "type_item",
                "variable": "const_item static_item",
                "module": "mod_item",
            }
        ),
        _words("impl_item trait_item mod_item declaration_list"),
        _words("use_declaration"),
    ),
    "java": OutlineRules(
        _kinds(
            {
                "class": "class_declaration record_declaration",
                "interface": "interface_declaration annotation_type_declaration",
                "enum": "enum_declaration",
                "method": "method_declaration constructor_declaration compact_constructor_declaration",
            }
        ),
        _words(
            "class_declaration record_declaration interface_declaration enum_declaration class_body"
            " interface_body enum_body enum_body_declarations"
        ),
        _words("import_declaration"),
    ),
    "c": _C,
    "cpp": OutlineRules(
        {
            **_C.definitions,
            **_kinds(
                {
                    "class": "class_specifier",
                    "method": "field_declaration",
                    "module": "namespace_definition",
                    "type": "alias_declaration",
                }
            ),
        },
        _C.containers
        | _words(
            "class_specifier struct_specifier field_declaration_list namespace_definition"
            " template_declaration"
        ),
        _C.imports | _words("using_declaration"),
    ),
    "csharp": OutlineRules(
        _kinds(
            {
                "class": "class_declaration struct_declaration record_declaration",
                "interface": "interface_declaration",
                "enum": "enum_declaration",
                "function": "local_function_statement",
                "method": "method_declaration constructor_declaration operator_declaration",
                "variable": "property_declaration",
                "type": "delegate_declaration",
                "module": "namespace_declaration file_scoped_namespace_declaration",
            }
        ),
        _words(
            "class_declaration struct_declaration record_declaration interface_declaration declaration_list"
            " namespace_declaration file_scoped_namespace_declaration global_statement"
        ),
        _words("using_directive"),
        bodies=_words("accessor_list arrow_expression_clause"),
    ),
    "ruby": OutlineRules(
        _kinds(
            {
                "class": "class",
                "module": "module",
                "method": "method singleton_method",
                "variable": "assignment",
            }
        ),
        _words("class module body_statement singleton_class"),
        _words("call"),
        bodies=_words("body_statement"),
    ),
    "php": OutlineRules(
        _kinds(
            {
                "class": "class_declaration trait_declaration",
                "interface": "interface_declaration",
                "enum": "enum_declaration",
                "function": "function_definition",
                "method": "method_declaration",
            }
        ),
        _words(
            "class_declaration trait_declaration interface_declaration enum_declaration declaration_list"
            " enum_declaration_list namespace_definition compound_statement expression_statement"
        ),
        _words(
            "namespace_use_declaration require_once_expression require_expression include_expression"
            " include_once_expression"
        ),
    ),
    "lua": OutlineRules(
        _kinds({"function": "function_declaration assignment_statement"}),
        _words("variable_declaration"),
        _words("variable_declaration assignment_statement function_call"),
    ),
    "shell": OutlineRules(
        _kinds({"function": "function_definition", "variable": "variable_assignment"}),
        _words("declaration_command"),
        _words("command"),
    ),
}
