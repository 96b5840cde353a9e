"""What is in a file: its definitions with their signatures, its imports, and the names near a place.

For the context's index and for what stands behind the names near a cursor. Only what can be seen from
outside a function is in an outline. How a file is cut into pieces is `chunks`'.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stardraft_lsp.syntax.imports import Import, imports_in
from stardraft_lsp.syntax.languages import grammar_of, keywords_of
from stardraft_lsp.syntax.outline_rules import OUTLINE_RULES, DefinitionKind, OutlineRules
from stardraft_lsp.syntax.trees import MAX_SOURCE_BYTES, DocumentTree, parse_source

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

MAX_SIGNATURE_CHARACTERS = 300
# More than a user has written: a generated file's table.
MAX_DEFINITIONS = 2000
_NODES_AT_A_TIME = 50
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function", "function_definition"})
_MEMBER_OF = frozenset({"class", "interface", "enum"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition. Lines from 0, `end_line` the one behind it. container: the class or module it is in."""

    name: str
    kind: DefinitionKind
    signature: str
    start_line: int
    end_line: int
    container: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """A file's definitions and imports, in their order in the file."""

    definitions: tuple[Definition, ...] = ()
    imports: tuple[Import, ...] = ()


EMPTY = Outline()


def outline_of_text(text: str, language: str, budget_ms: float = 500.0) -> Outline:
    """The outline of a file; EMPTY without grammar, for too large ones, and when the budget was too small.

    language: as `languages.language_of` names it. For a thread in the background: it gives way to others.
    """
    tree_and_source = parsed(text, language, budget_ms)
    return outline_of(*tree_and_source, language) if tree_and_source is not None else EMPTY


def outline_of_document(tree: DocumentTree, language: str) -> Outline:
    """The outline of an open document, from its tree; EMPTY when that is not fresh."""
    if tree.tree is None or not tree.is_fresh:
        return EMPTY
    return outline_of(tree.tree, tree.measure.source, language)


def parsed(text: str, language: str, budget_ms: float) -> "tuple[Tree, bytes] | None":
    """A file's tree and its bytes; None without grammar, for too large ones, and when time was too short."""
    grammar = grammar_of(language)
    if grammar is None or len(text) > MAX_SOURCE_BYTES:
        return None
    source = text.encode("utf-8", "surrogatepass")
    tree = parse_source(grammar, source, budget_ms)
    return (tree, source) if tree is not None else None


def outline_of(tree: "Tree", source: bytes, language: str) -> Outline:
    """The outline of a parsed text; EMPTY where the language has no rules for it."""
    rules = OUTLINE_RULES.get(language)
    if rules is None:
        return EMPTY
    definitions: list[Definition] = []
    imports: list[Import] = []
    for node, container in _walk(tree.root_node, rules, source):
        if len(definitions) >= MAX_DEFINITIONS:
            break
        if node.type in rules.imports:
            imports.extend(imports_in(_text(node, source, 4000), language))
        definition = _definition(node, container, rules, source)
        if definition is not None:
            definitions.append(definition)
    return Outline(tuple(definitions), tuple(dict.fromkeys(imports)))


def identifiers_near(text: str, offset: int, language: str = "", n_lines: int = 20) -> tuple[str, ...]:
    """The names around a place, the nearest first, each once; no keywords, none of a single letter.

    n_lines: so many lines above and a quarter as many below are read; what is below counts as four times as
    far, since a user has read it less lately.
    """
    start, end = _lines_around(text, offset, n_lines)
    keywords = keywords_of(language)
    found = [
        (offset - match.end() if match.end() <= offset else (match.start() - offset) * 4 + 100, match.group())
        for match in _IDENTIFIER.finditer(text, start, end)
    ]
    names = (name for _distance, name in sorted(found, key=lambda pair: pair[0]))
    return tuple(dict.fromkeys(name for name in names if len(name) > 1 and name not in keywords))


def _lines_around(text: str, offset: int, n_lines: int) -> tuple[int, int]:
    start, end = offset, offset
    for _ in range(n_lines):
        if start <= 0:
            break
        start = max(text.rfind("\n", 0, start), 0)
    for _ in range(n_lines // 4 + 1):
        after = text.find("\n", end)
        if after < 0:
            return start, len(text)
        end = after + 1
    return start, end


@dataclass(frozen=True, slots=True)
class _Container:
    """The class or module that a node is in; is_type: what is a function in it is a method."""

    name: str = ""
    is_type: bool = False


def _walk(root: "Node", rules: OutlineRules, source: bytes) -> "Iterator[tuple[Node, _Container]]":
    """The nodes outside of functions, each with what it is in, in the file's order."""
    top = _Container()
    waiting: list[tuple[Node, _Container]] = [(child, top) for child in reversed(root.named_children)]
    n_seen = 0
    while waiting:
        node, container = waiting.pop()
        n_seen += 1
        if n_seen % _NODES_AT_A_TIME == 0:
            time.sleep(0)  # whoever waits for the GIL has it now
        yield node, container
        if node.type in rules.containers or node.is_error:
            kind = rules.definitions.get(node.type)
            name = _name(node, source) if kind in _MEMBER_OF or kind == "module" else ""
            inside = _Container(name, kind in _MEMBER_OF) if name else container
            waiting.extend((child, inside) for child in reversed(node.named_children))


def _definition(node: "Node", container: _Container, rules: OutlineRules, source: bytes) -> Definition | None:
    kind = rules.definitions.get(node.type)
    name = _name(node, source) if kind is not None else ""
    if kind is None or not name:
        return None
    kind = _refined(node, kind, container, source)
    if kind is None or (kind == "variable" and not name.isidentifier()):
        return None
    outer = node.parent if node.parent is not None and node.parent.type in _WRAPPERS else node
    return Definition(
        name=name,
        kind=kind,
        signature=_signature(node, kind, rules, source),
        start_line=outer.start_point.row,
        end_line=node.end_point.row + (1 if node.end_point.column else 0),
        container=container.name,
    )


# What stands around a definition and belongs to it.
_WRAPPERS = frozenset(
    {"decorated_definition", "export_statement", "template_declaration", "type_declaration"}
)

# What a definition's first words stand in: `const`, `type`.
_STATEMENTS = frozenset(
    {
        "lexical_declaration",
        "variable_declaration",
        "type_declaration",
        "const_declaration",
        "var_declaration",
    }
)


def _refined(
    node: "Node", kind: DefinitionKind, container: _Container, source: bytes
) -> DefinitionKind | None:
    """The kind, where the node's type alone does not say it; None when it is no definition after all."""
    value = node.child_by_field_name("value") or node.child_by_field_name("type")
    is_one = True
    match node.type:
        case "variable_declarator" if value is not None and value.type in _FUNCTIONS:
            return "function"
        case "type_spec" if value is not None:
            kinds: dict[str, DefinitionKind] = {"struct_type": "class", "interface_type": "interface"}
            return kinds.get(value.type, kind)
        case "function_definition" | "function_item" | "function_signature_item" if container.is_type:
            return "method"
        case "declaration" | "field_declaration":
            is_one = _function_declarator(node) is not None
        case "struct_specifier" | "union_specifier" | "enum_specifier" | "class_specifier":
            is_one = node.child_by_field_name("body") is not None
        case "assignment_statement":
            is_one = source.find(b"function", node.start_byte, node.end_byte) >= 0
    return kind if is_one else None


def _function_declarator(node: "Node") -> "Node | None":
    """The function declarator of a C declaration: behind pointers and references."""
    inner = node.child_by_field_name("declarator")
    while inner is not None and inner.type != "function_declarator":
        following = inner.child_by_field_name("declarator")
        if following is None and inner.type == "reference_declarator" and inner.named_children:
            following = inner.named_children[-1]
        inner = following
    return inner


def _name(node: "Node", source: bytes) -> str:
    named = node.child_by_field_name("name")
    if named is None and node.type in ("assignment", "impl_item"):
        named = node.child_by_field_name("left") or node.child_by_field_name("type")
    if named is None and node.child_by_field_name("declarator") is not None:
        function = _function_declarator(node)
        named = (function or node).child_by_field_name("declarator")
    if named is None and node.type == "assignment_statement" and node.named_children:
        named = node.named_children[0]
    if named is None or source.find(b"\n", named.start_byte, named.end_byte) >= 0:
        return ""
    return _text(named, source, 200)


def _signature(node: "Node", kind: DefinitionKind, rules: OutlineRules, source: bytes) -> str:
    """The text before the body; of what has none, the first line."""
    body = node.child_by_field_name("body")
    value = node.child_by_field_name("value")
    if body is None and value is not None:
        body = value.child_by_field_name("body")
    if body is None and rules.bodies:
        body = next((child for child in node.children if child.type in rules.bodies), None)
    end = body.start_byte if body is not None else node.end_byte
    parent = node.parent
    is_first = parent is not None and parent.type in _STATEMENTS and parent.named_children[0] == node
    start = parent.start_byte if parent is not None and is_first else node.start_byte
    text = source[start : min(end, start + 4 * MAX_SIGNATURE_CHARACTERS)]
    signature = text.decode("utf-8", "ignore")
    if body is None or kind == "variable":
        signature = signature.partition("\n")[0]
    signature = " ".join(signature.split()).rstrip("{ ").removesuffix("=>").rstrip().removesuffix(" =")
    return signature[:MAX_SIGNATURE_CHARACTERS]


def _text(node: "Node", source: bytes, limit_bytes: int) -> str:
    end = min(node.end_byte, node.start_byte + limit_bytes)
    return source[node.start_byte : end].decode("utf-8", "ignore")
