"""What a user typed of a suggestion, and what is left of it: for suggestions kept and those on their way.

Editors that close brackets by themselves put the closer after the cursor as soon as its opener is typed.
What is left of a suggestion then ends before its own closer, which stands in the document already.
"""

from dataclasses import dataclass

_OPENERS = {")": "(", "]": "[", "}": "{", ">": "<", '"': '"', "'": "'", "`": "`"}
# Three quotes, or the brackets of a call, a list and an object at once.
_MAX_CLOSERS = 3


@dataclass(frozen=True)
class Typed:
    """`text` stands before the cursor since, and `closer` behind it; LF line ends."""

    text: str = ""
    closer: str = ""

    def rest(self, suggestion: str) -> str | None:
        """What is left of a whole suggestion; None where it does not fit.

        Invariant: before the cursor's text, the rest and the closer make up the suggestion, letter by letter.
        """
        if not suggestion.startswith(self.text):
            return None
        rest = suggestion[len(self.text) :]
        return rest.removesuffix(self.closer) if rest.endswith(self.closer) else None

    def shown(self, so_far: str) -> str | None:
        """What is left of a suggestion that may still grow; None once it has departed from what was typed.

        Text behind the closer is a departure: it would have to stand after the cursor's closer. A closer
        that has only begun is held back.
        """
        if not so_far.startswith(self.text):
            return None
        rest = so_far[len(self.text) :]
        if self.closer and self.closer in rest:
            return self.rest(so_far)
        begun = next(n for n in range(len(self.closer), -1, -1) if rest.endswith(self.closer[:n]))
        return rest[: len(rest) - begun]


def typed_between(before: str, behind: str, text: str, offset: int) -> Typed | None:
    """What was typed between `before` and `behind` when the document is `text` with the cursor at `offset`.

    None when something else changed, or what stands after the cursor now is more than a closer.
    """
    middle = _middle(before, behind, text)
    n_typed = offset - len(before)
    if middle is None or not 0 <= n_typed <= len(middle):
        return None
    typed = Typed(_with_lf(middle[:n_typed]), _with_lf(middle[n_typed:]))
    return typed if _closes(typed) else None


def possibly_typed(before: str, behind: str, text: str) -> tuple[Typed, ...]:
    """As `typed_between` while nobody said where the cursor is: every way to read the change."""
    middle = _middle(before, behind, text)
    if middle is None:
        return ()
    middle = _with_lf(middle)
    splits = range(len(middle), max(len(middle) - _MAX_CLOSERS, 0) - 1, -1)
    readings = (Typed(middle[:split], middle[split:]) for split in splits)
    return tuple(reading for reading in readings if _closes(reading))


def _middle(before: str, behind: str, text: str) -> str | None:
    n_new = len(text) - len(before) - len(behind)
    if n_new < 0 or not text.startswith(before) or not text.endswith(behind):
        return None
    return text[len(before) : len(before) + n_new]


def _closes(typed: Typed) -> bool:
    """Whether the closer is none, or one that an editor inserts for what was typed."""
    closer = typed.closer
    return len(closer) <= _MAX_CLOSERS and all(_OPENERS.get(one, "\0") in typed.text for one in closer)


def _with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
