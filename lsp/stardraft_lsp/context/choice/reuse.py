"""How many pieces of other files stood where they did: what the engine can have kept of a prompt's beginning.

A piece counts when it and all before it are those of the document's prompt before, in the same order: then
placing.py has kept its promise, and the engine need not read them anew.
"""

from collections import OrderedDict
from collections.abc import Sequence

from stardraft_lsp.text.prefixes import common_prefix
from stardraftd.protocol.completion import ContextChunk

MAX_DOCUMENTS = 64


class ChunkReuse:
    """The pieces in the last prompt of each of the last documents."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[ContextChunk, ...]] = OrderedDict()

    def record(self, uri: str, chunks: Sequence[ContextChunk]) -> int:
        """Notes a prompt's pieces; how many of them, from the first on, stood in the one before."""
        before = self._last.get(uri, ())
        self._last[uri] = tuple(chunks)
        self._last.move_to_end(uri)
        if len(self._last) > MAX_DOCUMENTS:
            self._last.popitem(last=False)
        return common_prefix(before, chunks)
