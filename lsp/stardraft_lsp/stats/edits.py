"""One change of a document's text, in characters. Positions and encodings are `documents`' matter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in place of what stood from `start` to `end`: indices in the text before the edit."""

    start: int
    end: int
    text: str

    @property
    def delta(self) -> int:
        """By how many characters the document grew."""
        return len(self.text) - (self.end - self.start)


def edit_between(before: str, after: str) -> Edit:
    """The smallest single edit that makes `after` of `before`: for a client that sends whole texts."""
    head = _common(before, after)
    behind, ahead = before[head:], after[head:]
    tail = _common(behind[::-1], ahead[::-1])
    return Edit(head, len(before) - tail, ahead[: len(ahead) - tail])


def _common(first: str, second: str) -> int:
    """The length of what two texts begin with, found by halving: slices are compared at memory's speed."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
