"""What a cursor stands in: code, comment or string; a word's middle; which scopes; behind what opener.

One struct for all languages. Where a tree is at hand, kind and scopes come from it; a line being typed often
breaks the tree around it, and there, as in languages without grammar, the lexer over text decides.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from stardraft_lsp.syntax.languages import LanguageRules, ScopeKind, rules_of
from stardraft_lsp.syntax.lexing import (
    Line,
    Token,
    has_lexis,
    is_code_in_string,
    is_complete,
    is_only_closers,
    is_word_character,
    last_code_line,
    lexer_of,
    line_at,
    opener_of,
    token_near,
)
from stardraft_lsp.syntax.trees import DocumentTree
from stardraftd.lexing.columns import columns, indent_of, tab_width
from stardraftd.lexing.words import words_of

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

Kind = Literal["code", "comment", "string", "docstring", "unknown"]
Source = Literal["tree", "stale_tree", "text"]

_NUMBER = re.compile(r"(?<![\w.])\d[\w.]*$")
# Of the text on either side of a cursor, to see how wide its tabs are.
_NEAR = 4000
_DOC_QUOTES = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, class or block around a place: offsets, and its first line's indentation in columns."""

    kind: ScopeKind
    start: int
    end: int
    indent: int
    node_type: str


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor's surroundings.

    kind: "unknown" where the language has neither grammar nor rules.
    in_word: a word goes on on both sides; in_number: a number ends at the cursor.
    line_before, line_behind: the cursor's line. code_before: line_before without comments, strings emptied.
    indent: of the line, in columns; of a blank one, where the cursor is.
    opener: what the code before the cursor on this line ends with and opens a block or bracket; else "".
    opener_above: the same of the last line of code above, when nothing but white space is before the cursor.
    indent_above: how far that line is indented.
    closers_behind: nothing is after the cursor on its line but closers; true of nothing, too.
    is_complete: the statement before the cursor needs nothing more on its line.
    scopes: around the cursor, the innermost first; of the tree, so none without one.
    has_error: the tree has an error around the place (within the outermost scope or statement).
    tab: how many columns a tab is in this document. text: the document's.
    """

    offset: int
    language: str
    kind: Kind
    source: Source
    in_word: bool
    in_number: bool
    line_start: int
    line_before: str
    line_behind: str
    code_before: str
    indentation: str
    indent: int
    opener: str
    opener_above: str
    indent_above: int
    closers_behind: bool
    is_complete: bool
    scopes: tuple[Scope, ...] = ()
    has_error: bool = False
    tab: int = 8
    text: str = field(default="", repr=False, compare=False)

    @property
    def blank_before(self) -> bool:
        """Whether the line is blank before the cursor."""
        return not self.line_before.strip()

    @property
    def blank_behind(self) -> bool:
        """Whether the line is blank after the cursor."""
        return not self.line_behind.strip()

    @property
    def scope(self) -> Scope | None:
        """The innermost scope."""
        return self.scopes[0] if self.scopes else None

    @property
    def in_scope(self) -> bool:
        """Whether the place is inside a scope, or, without a tree, indented as if it were."""
        is_below = bool(self.opener_above) and not words_of(self.language).is_indented
        return bool(self.scopes) or is_below or self.indent > 0


def place_at(text: str, offset: int, language: str, tree: DocumentTree | None = None) -> Place:
    """The place of an offset. Microseconds to tens of them; nothing is parsed.

    tree: the document's, parsed before by the caller, fresh or stale; None for rules over text.
    """
    line = line_at(text, offset)
    rules = rules_of(language)
    seen = _seen(tree, offset, rules)
    kind, code_before = _kind_and_code(text, line, language, seen)
    above, above_start = last_code_line(text, line.start, language) if not line.before.strip() else ("", 0)
    tab = tab_width(text[max(line.start - _NEAR, 0) : offset + _NEAR])
    indent = columns(line.indentation, tab)
    return Place(
        offset=offset,
        language=language,
        kind=kind,
        source=seen.source if seen is not None else "text",
        in_word=_in_word(text, offset),
        in_number=kind == "code" and _NUMBER.search(line.before) is not None,
        line_start=line.start,
        line_before=line.before,
        line_behind=line.behind,
        code_before=code_before,
        indentation=line.indentation,
        indent=indent,
        opener=opener_of(code_before, language, is_whole=False) if kind == "code" else "",
        opener_above=opener_of(above, language, is_whole=True),
        indent_above=indent_of(line_at(text, above_start).text, tab) if above else 0,
        closers_behind=is_only_closers(line.behind),
        is_complete=kind == "code" and is_complete(code_before, language),
        scopes=_scopes(text, line, seen, language, tab) if seen is not None else (),
        has_error=seen is not None and seen.has_error,
        tab=tab,
        text=text,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the tree has at a cursor. Paths run from the root's child to the leaf."""

    document: DocumentTree
    tree: "Tree"
    source: Source
    byte: int
    at: "list[Node]"
    before: "list[Node]"
    has_error: bool


def _seen(tree: DocumentTree | None, offset: int, rules: LanguageRules) -> _Seen | None:
    """The tree's nodes on both sides of the cursor; None without tree or rules to read it by."""
    if tree is None or tree.tree is None or not rules.scopes:
        return None
    byte = tree.measure.byte(offset)
    at = path_to(tree.tree, byte)
    before = path_to(tree.tree, byte - 1) if byte else []
    root = tree.tree.root_node
    has_error = root.is_error or any(node.has_error for path in (at, before) for node in path[:1])
    source: Source = "tree" if tree.is_fresh else "stale_tree"
    return _Seen(tree, tree.tree, source, byte, at, before, has_error)


def path_to(tree: "Tree", byte: int) -> "list[Node]":
    """The nodes that hold a byte, from the outermost below the root to the leaf."""
    cursor = tree.walk()
    path: list[Node] = []
    while cursor.goto_first_child_for_byte(byte) is not None:
        node = cursor.node
        if node is None or node.start_byte > byte:
            break
        path.append(node)
    return path


def _in_word(text: str, offset: int) -> bool:
    return 0 < offset < len(text) and is_word_character(text[offset - 1]) and is_word_character(text[offset])


def _kind_and_code(text: str, line: Line, language: str, seen: _Seen | None) -> tuple[Kind, str]:
    """What the cursor is in, and the code of its line before it."""
    lexer = lexer_of(language)
    code = lexer.code_of(line.before)
    if seen is None:
        if not has_lexis(language):
            return "unknown", line.before
        return _lexed_kind(text, token_near(text, line.start + len(line.before), language)), code
    rules = rules_of(language)
    kind = _tree_kind(text, seen, rules, language)
    if kind is not None:
        return kind, code
    is_sure = seen.source == "tree" and not seen.tree.root_node.has_error
    if not is_sure and not _interpolated(seen, rules):
        token = lexer.token_at(text, line.start, line.start + len(line.before))
        return _lexed_kind(text, token), code
    return "code", code


def _tree_kind(text: str, seen: _Seen, rules: LanguageRules, language: str) -> Kind | None:
    """The tree's verdict; None for code."""
    for index in range(len(seen.at) - 1, -1, -1):
        node = seen.at[index]
        if node.type in rules.code_in_strings and node.start_byte < seen.byte:
            return None
        if node.start_byte < seen.byte and node.type in rules.strings:
            if _is_in_hole(text, seen, node, language):
                return None
            return "docstring" if _is_docstring(seen.at, index) else "string"
        if node.start_byte < seen.byte and node.type in rules.comments:
            return "comment"
    for node in reversed(seen.before):
        if node.type in rules.comments:
            # A line comment goes on where it ends; after a line end, or the end of a block comment, is code.
            source = seen.document.measure.source[node.start_byte : seen.byte].decode("utf-8", "replace")
            return (
                "comment" if lexer_of(language).token_at(source, 0, len(source)).kind == "comment" else None
            )
    return None


def _is_in_hole(text: str, seen: _Seen, node: "Node", language: str) -> bool:
    """Whether the cursor is in code within a string that the tree has as nothing but a string: `f"{|}"`."""
    start = seen.document.measure.offset(node.start_byte)
    if language == "rust":  # whether a string is a format is said by the macro before it
        start = text.rfind("\n", 0, start) + 1
    return is_code_in_string(text[start : seen.document.measure.offset(seen.byte)], language)


def _interpolated(seen: _Seen, rules: LanguageRules) -> bool:
    return any(node.type in rules.code_in_strings for node in seen.at)


def _is_docstring(path: "list[Node]", index: int) -> bool:
    """Whether the string at `index` is the first statement of its block, or the module's: Python's manner."""
    if path[index].type != "string" or index == 0 or path[index - 1].type != "expression_statement":
        return False
    statement = path[index - 1]
    previous = statement.prev_named_sibling
    while previous is not None and previous.type == "comment":
        previous = previous.prev_named_sibling
    return previous is None and (index < 2 or path[index - 2].type == "block")


def _lexed_kind(text: str, token: Token) -> Kind:
    if token.kind == "string" and token.begin in _DOC_QUOTES:
        opening = line_at(text, token.start)
        above, _ = last_code_line(text, opening.start, "python")
        if not opening.before.strip() and (not above or above.endswith(":")):
            return "docstring"
    return token.kind


def _scopes(text: str, line: Line, seen: _Seen, language: str, tab: int) -> tuple[Scope, ...]:
    """The scopes around the cursor, the innermost first.

    A scope that indentation ends does so for the tree at its last statement. So a blank line takes the scopes
    of what is above it, as far as they are indented less than the cursor.
    """
    rules = rules_of(language)
    if not words_of(language).is_indented:
        path = [node for node in seen.at if node.start_byte < seen.byte]
        return _as_scopes(text, path, rules, seen, tab)
    indent = columns(line.indentation, tab)
    if line.before.strip():
        path = [node for node in seen.before if node.start_byte < seen.byte]
        return _as_scopes(text, path, rules, seen, tab)
    end = len(text[max(line.start - 4000, 0) : line.start].rstrip()) + max(line.start - 4000, 0)
    if end == 0 or line.behind.strip():
        path = seen.at
    else:
        path = path_to(seen.tree, seen.document.measure.byte(end - 1))
    found = _as_scopes(text, path, rules, seen, tab)
    return tuple(scope for scope in found if scope.indent < indent)


def _as_scopes(
    text: str, path: "list[Node]", rules: LanguageRules, seen: _Seen, tab: int
) -> tuple[Scope, ...]:
    measure = seen.document.measure
    found = []
    for node in reversed(path):
        kind = rules.scopes.get(node.type)
        if kind is not None:
            start = measure.offset(node.start_byte)
            indent = indent_of(line_at(text, start).text, tab)
            found.append(Scope(kind, start, measure.offset(node.end_byte), indent, node.type))
    return tuple(found)
