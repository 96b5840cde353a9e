"""A block's end as the syntax of its document has it: a filter, between those that only know the text.

After its first line the amount is reconsidered: a block whose first line closes or leaves its scope is that
line. Then it ends with its scope, by indentation at each line, and by the tree when a line is whole.
"""

from collections.abc import Callable

from stardraft_lsp.filters import Around, Draft
from stardraft_lsp.syntax.amount import Wanted, reconsidered
from stardraft_lsp.syntax.place import Place
from stardraft_lsp.syntax.scope_end import block_at, end_so_far, scope_end
from stardraft_lsp.syntax.trees import Snapshot
from stardraftd.lexing.block_place import BlockPlace
from stardraftd.lexing.blocks import block_end

# For one parse of the document with the lines that came; there is one for each of them.
TREE_MS = 2.0


class BlockEnd:
    """The filter of one generation: a function of what came so far, which remembers what the trees said.

    place, wanted: where the block is to stand, and how much was asked for.
    snapshot: gives the document's tree as it was then; without one indentation alone decides.
    """

    def __init__(
        self, place: Place, wanted: Wanted, snapshot: Callable[[], Snapshot | None] = lambda: None
    ) -> None:
        self._place = place
        self._wanted = wanted
        self._find_snapshot = snapshot
        self._block: BlockPlace | None = None
        self._found: Snapshot | None = None
        self._seen: tuple[str, int | None] = ("", None)

    def __call__(self, draft: Draft, around: Around) -> Draft:
        """The draft up to its end. What could still turn out to be behind it is held back."""
        if self._wanted.amount != "block" or not draft.text:
            return draft
        first = _first_line(draft.text, is_whole=bool(draft.ended))
        if first and reconsidered(self._place, self._wanted, first).amount == "line":
            return draft.cut(len(first), "scope") if len(first) < len(draft.text) else draft
        if draft.ended:
            kept = scope_end(self._place, draft.text, around.suffix, self._snapshot(), TREE_MS)
            return draft.cut(kept, "scope") if draft.text[kept:].strip() else draft
        return self._so_far(draft, around)

    def _so_far(self, draft: Draft, around: Around) -> Draft:
        if self._block is None:
            self._block = block_at(self._place, around.suffix)
        found = block_end(self._block, draft.text, is_whole=False)
        n_whole = draft.text.rfind("\n") + 1
        by_syntax = self._by_tree(draft.text[:n_whole]) if n_whole else None
        if by_syntax is not None and draft.text[by_syntax:n_whole].strip():
            return draft.cut(min(by_syntax, found.n_characters), "scope")
        if found.is_final:
            return draft.cut(found.n_characters, "scope")
        return draft.held(found.n_characters)  # its last line may be the first one after the block

    def _by_tree(self, lines: str) -> int | None:
        if self._seen[0] != lines:
            snapshot = self._snapshot()
            found = end_so_far(self._place, lines, snapshot, TREE_MS) if snapshot is not None else None
            self._seen = (lines, found)
        return self._seen[1]

    def _snapshot(self) -> Snapshot | None:
        """The tree of the text that was asked about: it may be ready only now, and soon be another text's."""
        if self._found is None:
            self._found = self._find_snapshot()
        return self._found


def _first_line(text: str, *, is_whole: bool) -> str:
    """The text up to the first line end that has something before it; "" when that has not come."""
    end = text.find("\n", len(text) - len(text.lstrip()))
    if end >= 0:
        return text[:end]
    return text if is_whole and text.strip() else ""
