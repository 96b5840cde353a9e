"""Does a candidate break a file that parsed? By the errors of its tree, before and after.

Only the errors around the place count: what is wrong elsewhere in the file is not the candidate's doing.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from stardraft_lsp.syntax.trees import DocumentTree

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

# How far around the change an error counts, in bytes: tree-sitter may mend far from what is wrong.
_REACH_BYTES = 4000
_Candidate = TypeVar("_Candidate")


def breaks(
    tree: DocumentTree, offset: int, end_offset: int, text: str, budget_ms: float = 4.0
) -> bool | None:
    """Whether `text` from `offset` to `end_offset` breaks what parsed before.

    None: not known, since it did not parse there before and does not now, the tree is not fresh, or the parse
    took too long. A text that mends an error is False.
    """
    if tree.tree is None or not tree.is_fresh:
        return None
    after = tree.with_text(offset, end_offset, text, budget_ms)
    if after is None:
        return None
    start, end = tree.measure.byte(offset), tree.measure.byte(end_offset)
    new_end = start + len(text.encode("utf-8", "surrogatepass"))
    n_before = n_errors(tree.tree, start - _REACH_BYTES, end + _REACH_BYTES)
    n_after = n_errors(after, start - _REACH_BYTES, new_end + _REACH_BYTES)
    if n_after == 0:
        return False
    if n_before == 0:
        return True
    return True if n_after > n_before else None


def breaks_without(
    tree: DocumentTree, offset: int, end_offset: int, text: str, *, line_start: int, budget_ms: float = 4.0
) -> bool | None:
    """As `breaks`, for a line being typed, which alone rarely parses.

    Where the file does not parse because of what stands from `line_start` to `offset`, the file without it
    is what must have parsed before.
    """
    verdict = breaks(tree, offset, end_offset, text, budget_ms)
    if verdict is not None or not tree.is_fresh or tree.tree is None:
        return verdict
    without = tree.with_text(line_start, end_offset, "", budget_ms)
    if without is None:
        return None
    start = tree.measure.byte(line_start)
    return True if n_errors(without, start - _REACH_BYTES, start + _REACH_BYTES) == 0 else None


def n_errors(tree: "Tree", start_byte: int, end_byte: int) -> int:
    """How many ERROR and MISSING nodes touch a range. Subtrees without any are not entered."""
    root = tree.root_node
    if not root.has_error:
        return 0
    found = 0
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        if node.end_byte < start_byte or node.start_byte > end_byte:
            continue
        if node.is_missing or node.is_error:
            found += 1
        if node.has_error:
            waiting.extend(node.children)
    return found


def rank(
    candidates: Sequence[_Candidate], is_broken: Callable[[_Candidate], bool | None]
) -> list[_Candidate]:
    """The candidates with those that break a file last; among equals the order stays."""
    return sorted(candidates, key=lambda candidate: is_broken(candidate) is True)
