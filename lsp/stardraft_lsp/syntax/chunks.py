"""A file cut into pieces for the context's index: functions, classes, and runs of what is between them.

Every line with text in it is in one piece, and none is longer than asked for. Without a grammar, pieces end
before a line that is not indented behind a blank one.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from stardraft_lsp.syntax.outline import parsed
from stardraft_lsp.syntax.outline_rules import OUTLINE_RULES, OutlineRules

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

DEFAULT_MAX_LINES = 48
# What is smaller than this is joined to what is before it, if that is not twice as long.
_SMALL_LINES = 6
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines of a file, from 0; `end_line` is the one behind the last. Nothing but LF ends a line here.

    is_definition: it begins with one, rather than being a part of one or what is between.
    """

    start_line: int
    end_line: int
    is_definition: bool = False

    @property
    def n_lines(self) -> int:
        return self.end_line - self.start_line


def chunks_of_text(
    text: str, language: str, max_lines: int = DEFAULT_MAX_LINES, budget_ms: float = 500.0
) -> tuple[Chunk, ...]:
    """The pieces of a file, in order. For a thread in the background: it gives way to others."""
    tree_and_source = parsed(text, language, budget_ms) if language in OUTLINE_RULES else None
    lines = text.split("\n")
    if tree_and_source is None:
        return _trimmed(_by_blank_lines(lines, max_lines), lines)
    return chunks_of(tree_and_source[0], lines, language, max_lines)


def chunks_of(
    tree: "Tree", lines: list[str], language: str, max_lines: int = DEFAULT_MAX_LINES
) -> tuple[Chunk, ...]:
    """The pieces of a parsed text. lines: the text split at LF."""
    rules = OUTLINE_RULES[language]
    cuts = _cuts(tree.root_node, rules, max_lines, 0, len(lines))
    return _trimmed(_joined(cuts, max_lines), lines)


def _cuts(parent: "Node", rules: OutlineRules, max_lines: int, first: int, end: int) -> list[Chunk]:
    """Lines `first` to `end`, which `parent` covers, cut before and behind the definitions in it."""
    found: list[Chunk] = []
    at = first
    comment_start: int | None = None
    for node in parent.named_children:
        start, behind = _rows(node)
        start, behind = max(start, at), min(behind, end)
        if node.type in _COMMENTS:
            comment_start = start if comment_start is None else comment_start
            continue
        if _defines(node, rules) and behind > start:
            start = comment_start if comment_start is not None and comment_start >= at else start
            found.extend(_split(Chunk(at, start), max_lines))
            whole = Chunk(start, behind, is_definition=True)
            found.extend([whole] if whole.n_lines <= max_lines else _inside(node, rules, max_lines, whole))
            at = behind
        comment_start = None
    found.extend(_split(Chunk(at, end), max_lines))
    return [chunk for chunk in found if chunk.n_lines > 0]


def _inside(node: "Node", rules: OutlineRules, max_lines: int, whole: Chunk) -> list[Chunk]:
    """A definition that is too long: cut at what is defined in it, or, of a function, at so many lines."""
    inner = node
    while inner.type in rules.containers:
        body = inner.child_by_field_name("body")
        children = inner.named_children
        following = body if body is not None else (children[-1] if children else None)
        if following is None:
            break
        inner = following
        if any(_defines(child, rules) for child in inner.named_children):
            pieces = _cuts(inner, rules, max_lines, whole.start_line, whole.end_line)
            return [replace(pieces[0], is_definition=True), *pieces[1:]]
    pieces = _split(whole, max_lines)
    return [replace(pieces[0], is_definition=True), *pieces[1:]]


def _defines(node: "Node", rules: OutlineRules) -> bool:
    """Whether a node is a definition worth a piece of its own, or wraps one: an export, a decorator."""
    if rules.definitions.get(node.type, "variable") not in ("variable", "type"):
        return True
    if node.type not in rules.containers:
        return False
    return any(
        rules.definitions.get(child.type, "variable") not in ("variable", "type")
        for child in node.named_children
    )


def _rows(node: "Node") -> tuple[int, int]:
    end = node.end_point
    return node.start_point.row, end.row + (1 if end.column else 0)


def _split(chunk: Chunk, max_lines: int) -> list[Chunk]:
    """A piece in pieces of equal size, none longer than `max_lines`."""
    n_pieces = max(-(-chunk.n_lines // max_lines), 1)
    bounds = [chunk.start_line + chunk.n_lines * number // n_pieces for number in range(n_pieces + 1)]
    return [Chunk(start, end) for start, end in pairwise(bounds) if end > start]


def _joined(chunks: list[Chunk], max_lines: int) -> list[Chunk]:
    """Small neighbours made one."""
    found: list[Chunk] = []
    for chunk in chunks:
        last = found[-1] if found else None
        if (
            last is not None
            and last.end_line == chunk.start_line
            and chunk.n_lines < _SMALL_LINES
            and last.n_lines < 2 * _SMALL_LINES
            and last.n_lines + chunk.n_lines <= max_lines
        ):
            found[-1] = Chunk(last.start_line, chunk.end_line, last.is_definition or chunk.is_definition)
        else:
            found.append(chunk)
    return found


def _by_blank_lines(lines: list[str], max_lines: int) -> list[Chunk]:
    found: list[Chunk] = []
    start = 0
    for number in range(1, len(lines)):
        begins = bool(lines[number].strip()) and not lines[number][0].isspace()
        if begins and not lines[number - 1].strip():
            found.extend(_split(Chunk(start, number), max_lines))
            start = number
    found.extend(_split(Chunk(start, len(lines)), max_lines))
    return _joined(found, max_lines)


def _trimmed(chunks: list[Chunk], lines: list[str]) -> tuple[Chunk, ...]:
    """The pieces without blank lines at their ends; those of nothing else are left out."""
    found = []
    for chunk in chunks:
        start, end = chunk.start_line, chunk.end_line
        while start < end and not lines[start].strip():
            start += 1
        while end > start and not lines[end - 1].strip():
            end -= 1
        if end > start:
            found.append(replace(chunk, start_line=start, end_line=end))
    return tuple(found)
