"""What earlier prompts showed of a text, and how that text has changed since: comparisons, no policy.

A `Shape` is what a fork shows; here it is found again in a later text. A `Splice` is how a file's cached
tokens become those of its changed text.
"""

from array import array
from dataclasses import dataclass

from stardraftd.engine.cache.recall import same_but_for_the_line
from stardraftd.engine.cache.sequences import common_suffix
from stardraftd.protocol.completion import Layout

# A change in a file's middle is spliced in if the change is this short and this much stands behind it.
MAX_SPLICED = 96
MIN_TAIL = 24
# What was typed behind an anchor may be so long; then the anchor moves.
MAX_TYPED_CHARACTERS = 4000
MARK = 200
LINE_END = 32


@dataclass(frozen=True)
class Shape:
    """What a fork shows: the file's text from some line up to the anchor, and the suffix's beginning.

    from_start: whether `prefix` begins where the request's prefix did.
    In SPM there is no anchor: `prefix` is the text that stood before the cursor when the fork was made.
    """

    layout: Layout
    prefix: str
    suffix: str
    from_start: bool


@dataclass(frozen=True)
class Splice:
    """How a file's sequence is brought up to a changed text: keep, evaluate, move.

    n_head: tokens that stay; changed: tokens that take the place of those up to `tail_start`.
    """

    n_head: int
    changed: "array[int]"
    tail_start: int


def splice_between(old: "array[int]", new: "array[int]", n_head: int) -> Splice | None:
    """`old` may reach less far than `new`, or further: its end is looked for in `new`."""
    tail_of_old = old[n_head:]
    # The file's end moved with the change: try the shifts that a short change can make.
    probe = old[max(n_head, len(old) - MIN_TAIL) :]
    if len(probe) < MIN_TAIL:
        return None
    data, needle = new[n_head:].tobytes(), probe.tobytes()
    position = -1
    while True:
        position = data.find(needle, position + 1)
        if position < 0:
            break
        if position % new.itemsize == 0:
            new_end = n_head + position // new.itemsize + len(probe)
            return _splice_at(old, new[:new_end], n_head, len(tail_of_old))
    # The window's end cut it off: then the new one ends inside the old one.
    data, needle = old[n_head:].tobytes(), new[max(n_head, len(new) - MIN_TAIL) :].tobytes()
    if len(needle) < MIN_TAIL * new.itemsize:
        return None
    position = data.rfind(needle)
    if position < 0 or position % new.itemsize:
        return None
    old_end = n_head + position // new.itemsize + MIN_TAIL
    return _splice_at(old[:old_end], new, n_head, old_end - n_head)


def _splice_at(old: "array[int]", new: "array[int]", n_head: int, n_most: int) -> Splice | None:
    n_tail = common_suffix(old, new, min(n_most, len(new) - n_head))
    changed = new[n_head : len(new) - n_tail]
    if n_tail < MIN_TAIL or len(changed) > MAX_SPLICED:
        return None
    return Splice(n_head=n_head, changed=changed, tail_start=len(old) - n_tail)


def still_shows(shown: str, suffix: str) -> bool:
    """Whether what is shown of the suffix is what stands there."""
    return suffix.startswith(shown) and (bool(shown) or not suffix.strip())


def differs_in_line(shown: str, suffix: str) -> bool:
    """Whether only the rest of the cursor's line is another one."""
    below = shown.partition("\n")[2]
    return bool(below) and (
        suffix.partition("\n")[2].startswith(below) or same_but_for_the_line(shown, suffix)
    )


def split_at_anchor(prefix: str, start: int) -> tuple[str, str]:
    """What is shown of the prefix from `start` on: above the anchor and behind it.

    The anchor is the start of the cursor's line; in an endless line it is in the line.
    """
    anchor = prefix.rfind("\n") + 1
    if start > anchor or (start == anchor and len(prefix) - anchor > MAX_TYPED_CHARACTERS):
        anchor = max(start, len(prefix) - LINE_END)
    return prefix[start:anchor], prefix[anchor:]


def n_changed(old: str, new: str) -> int:
    """How many characters of a line's rest are others: what is left without a common beginning and end."""
    most = min(len(old), len(new))
    n_same = next((i for i in range(most) if old[i] != new[i]), most)
    n_end = next((i for i in range(most - n_same) if old[-1 - i] != new[-1 - i]), most - n_same)
    return max(1, max(len(old), len(new)) - n_same - n_end)


def where(shape: Shape, prefix: str) -> int:
    """Where in `prefix` the shape's text begins; -1 when it is not there any more."""
    if shape.layout == "spm":
        mark = shape.prefix[:MARK]
        return (0 if prefix.startswith(mark) else -1) if shape.from_start else prefix.find(mark)
    if shape.from_start:
        return 0 if prefix.startswith(shape.prefix) else -1
    return prefix.rfind(shape.prefix) if shape.prefix else -1
