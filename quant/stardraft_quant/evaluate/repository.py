"""Which pieces of the other files a model is shown beside the cursor's own: those most like its place.

Windows of lines are ranked by how many identifiers they share with the lines around the hole, as a share of
those that either has (Jaccard; RepoCoder, arXiv 2303.12570). What stood in the hole is not looked at: it
would be the answer. This is the measurement's own choice, so "repository context" is the same for all models.
"""

import re
from collections.abc import Sequence

from stardraft_quant.code.document import Document
from stardraftd.protocol.completion import ContextChunk

WINDOW_LINES = 40
N_CHUNKS = 4
_WORD = re.compile(r"[^\W\d]\w{2,}")


class Pieces:
    """The windows of all files, ready to be searched."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._pieces: list[tuple[int, ContextChunk, frozenset[str]]] = []
        for i, document in enumerate(documents):
            lines = document.text.split("\n")
            for start in range(0, len(lines), WINDOW_LINES):
                text = "\n".join(lines[start : start + WINDOW_LINES])
                if words := _words(text):
                    self._pieces.append((i, ContextChunk(document.path, text + "\n"), words))

    def near(self, document: int, prefix: str, suffix: str) -> tuple[ContextChunk, ...]:
        """Pieces of files other than number `document`, the one most like this place last."""
        above, below = prefix.split("\n")[-WINDOW_LINES // 2 :], suffix.split("\n")[: WINDOW_LINES // 2]
        here = _words("\n".join(above + below))
        ranked = sorted(
            (-len(here & words) / len(here | words), i)
            for i, (owner, _, words) in enumerate(self._pieces)
            if owner != document and here & words
        )
        return tuple(self._pieces[i][1] for _, i in reversed(ranked[:N_CHUNKS]))


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))
