"""Which chunks stand in a document's prompt, and where: so that what the engine has cached stays useful.

Chunks stand before the document's own text. When one of them changes, everything behind it has to be read
again, so a good order is not the best first:

- A chunk once placed stays placed: same place, same text, though a better one is found or its file is
  edited, until less than half of its lines are still there.
- New ones go last. They too cost reading the document's own text again, so changes are made together, at
  most every `calm_s` seconds.
- When the budget is spent, chunks are exchanged from the end, when nothing wants the last one any more and
  the new one is worth clearly more. When most of what stands there has not been wanted for `unwanted_s`
  seconds, the user works on something else now, and all that is unwanted goes at once.
- At once goes what may not be read any more, and what would repeat the text around the cursor.

No chunk repeats another, nor the text around the cursor. Pure: time and texts come in.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from stardraft_lsp.context.choice.ranking import longest_run, shared_lines, telling_lines
from stardraft_lsp.text.prefixes import common_prefix
from stardraftd.protocol.completion import ContextChunk

Kind = Literal["similar", "definition", "recent"]
# In this order new chunks are placed: what changes least comes first, what matters most stands last.
_PLACED_FIRST: dict[Kind, int] = {"similar": 0, "definition": 1, "recent": 2}

MAX_SHARED = 0.5
MAX_RUN = 5
# How much more than the one it takes the place of a new chunk has to be worth.
CLEARLY_MORE = 1.5
_MIN_CHARACTERS = 24


class Candidate(NamedTuple):
    """Text that could be sent. path: as the model sees it; source: the file that it is from.

    key: what the text is of, in words that stay the same while it is edited: a name, a place.
    value: from 0, what it is worth; of all kinds on one scale.
    """

    path: str
    text: str
    value: float
    kind: Kind
    source: str
    key: str = ""


@dataclass(frozen=True)
class Placed:
    chunk: ContextChunk
    kind: Kind
    source: str
    key: str
    value: float
    wanted_at: float
    lines: tuple[str, ...]

    @property
    def n_characters(self) -> int:
        return _cost(self.chunk.path, self.chunk.text)


@dataclass(frozen=True)
class Reuse:
    """How much of what was placed stood there before, at the same place. Characters, over all updates."""

    n_updates: int = 0
    placed_characters: int = 0
    kept_characters: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1; 1 when nothing was ever placed."""
        return self.kept_characters / self.placed_characters if self.placed_characters else 1.0


class Placement:
    """The chunks of one document. Times are seconds of any clock that only goes forward.

    Invariants: together within the budget; no two share half of their lines; what is at index i was there
    before, or everything from i on is new.
    """

    def __init__(self, budget_characters: int, calm_s: float = 20.0, unwanted_s: float = 300.0) -> None:
        self.budget_characters = budget_characters
        self._calm_s = calm_s
        self._unwanted_s = unwanted_s
        self._placed: list[Placed] = []
        self._changed_at: float | None = None
        self.reuse = Reuse()

    @property
    def placed(self) -> tuple[Placed, ...]:
        return tuple(self._placed)

    @property
    def chunks(self) -> tuple[ContextChunk, ...]:
        return tuple(placed.chunk for placed in self._placed)

    def update(
        self,
        candidates: Sequence[Candidate],
        now: float,
        around: str = "",
        is_gone: Callable[[Placed], bool] = lambda _placed: False,
    ) -> tuple[ContextChunk, ...]:
        """The chunks to send from now on.

        around: the text around the cursor that is sent with them. is_gone: whether a placed chunk may not
        be sent any more, or is stale beyond use.
        """
        before = self._placed
        known = set(telling_lines(around))
        offers = [offer for candidate in candidates if (offer := _offer(candidate, now)) is not None]
        self._placed = [
            _seen(placed, offers, now)
            for placed in before
            if not (is_gone(placed) or _repeats(placed.lines, known))
        ]
        broken = len(self._placed) < len(before)
        if broken or self._changed_at is None or now - self._changed_at >= self._calm_s:
            self._renew(now)
            self._take(offers, now, known)
        if [placed.chunk for placed in self._placed] != [placed.chunk for placed in before]:
            self._changed_at = now
        self._count(before)
        return self.chunks

    def _renew(self, now: float) -> None:
        """Drops what is unwanted when that is most of it, and what is over the budget."""
        unwanted = [p for p in self._placed if now - p.wanted_at >= self._unwanted_s]
        if 2 * _total(unwanted) > _total(self._placed):
            self._placed = [p for p in self._placed if now - p.wanted_at < self._unwanted_s]
        while _total(self._placed) > self.budget_characters:
            self._placed.pop()

    def _take(self, offers: Sequence[Placed], now: float, known: Set[str]) -> None:
        """Adds what is worth it. What was taken in this call is never exchanged in it."""
        new: list[Placed] = []
        kept = list(self._placed)
        for offered in sorted(offers, key=lambda o: (-o.value, o.chunk.path, o.key, o.chunk.text)):
            if _repeats(offered.lines, known) or any(_alike(offered, other) for other in (*kept, *new)):
                continue
            n_free = self.budget_characters - _total(kept) - _total(new)
            n_victims = _victims(kept, offered, n_free, now) if offered.n_characters > n_free else 0
            if n_victims is None:
                continue
            del kept[len(kept) - n_victims :]
            new.append(offered)
        new.sort(key=lambda placed: (_PLACED_FIRST[placed.kind], placed.value))
        self._placed = kept + new

    def _count(self, before: Sequence[Placed]) -> None:
        n_same = common_prefix([one.chunk for one in before], [one.chunk for one in self._placed])
        self.reuse = Reuse(
            self.reuse.n_updates + 1,
            self.reuse.placed_characters + _total(self._placed),
            self.reuse.kept_characters + _total(self._placed[:n_same]),
        )


def _seen(placed: Placed, offers: Sequence[Placed], now: float) -> Placed:
    """What stands there with what it is worth now: nothing, when nobody wants it."""
    of_it = [offer for offer in offers if offer.source == placed.source and _alike(offer, placed)]
    if not of_it:
        return replace(placed, value=0.0)
    return replace(placed, value=max(offer.value for offer in of_it), wanted_at=now)


def _offer(candidate: Candidate, now: float) -> Placed | None:
    """A candidate as it would stand; None when there is too little of it."""
    lines = tuple(telling_lines(candidate.text))
    if not lines or len(candidate.text.strip()) < _MIN_CHARACTERS:
        return None
    chunk = ContextChunk(path=candidate.path, text=candidate.text)
    return Placed(chunk, candidate.kind, candidate.source, candidate.key, candidate.value, now, lines)


def _victims(kept: Sequence[Placed], offered: Placed, n_free: int, now: float) -> int | None:
    """How many of the last chunks make room; None when they should stay."""
    n_victims = 0
    for placed in reversed(kept):
        if n_free >= offered.n_characters:
            break
        if placed.wanted_at == now or offered.value < CLEARLY_MORE * placed.value:
            return None
        n_victims += 1
        n_free += placed.n_characters
    return n_victims if n_free >= offered.n_characters else None


def _repeats(lines: Sequence[str], known: Set[str]) -> bool:
    return shared_lines(lines, known) >= MAX_SHARED or longest_run(lines, known) >= MAX_RUN


def _alike(one: Placed, other: Placed) -> bool:
    if (one.source, one.key) == (other.source, other.key) and one.key:
        return True
    return _repeats(one.lines, set(other.lines)) or _repeats(other.lines, set(one.lines))


def _cost(path: str, text: str) -> int:
    return len(path) + len(text) + 2


def _total(chunks: Iterable[Placed]) -> int:
    return sum(placed.n_characters for placed in chunks)
