"""What is stored: one row for each suggestion that was shown, and daily tallies of those that were not."""

from typing import Literal

from msgspec import Struct

# accepted: taken by command, all of it, or what was left of it. partial: a part of it, by command.
# typed:    typed to its end. ignored: something else was typed, or another one took its place.
# rejected: the editor said that the user refused it.
Outcome = Literal["accepted", "partial", "typed", "ignored", "rejected"]
# echo: a line of the user's own code.
Source = Literal["model", "echo"]
PartKind = Literal["", "word", "line"]


class Fate(Struct, frozen=True, kw_only=True):
    """What became of one shown suggestion. Lengths in characters; `at_ms` since 1970.

    id:             ascending with time, the same in every row about this suggestion.
    uri:            leaves memory only as a salted hash.
    told:           the editor said so; otherwise it was seen in the document's changes.
    accepted_chars: taken by command; typed_chars: typed as suggested, key by key.
    visible_ms:     from being shown until it was settled.
    waited_ms:      what the user waited for it; None where that is not known.
    """

    id: int
    at_ms: int
    uri: str
    language: str
    invoked: bool
    n_chars: int
    n_lines: int
    outcome: Outcome
    part: PartKind
    told: bool
    accepted_chars: int
    typed_chars: int
    visible_ms: int
    waited_ms: float | None = None
    source: Source = "model"
    cost: "Cost | None" = None


class Cost(Struct, frozen=True, kw_only=True):
    """What the daemon said that a generation cost; see `stardraftd.protocol.Figures`.

    n_chunks, n_chunks_reused: pieces of other files in the prompt, and how many of them stood where they
    did in the document's prompt before, and were in the engine's cache.
    """

    queue_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0
    n_prompt: int = 0
    n_evaluated: int = 0
    n_reused: int = 0
    n_generated: int = 0
    n_chunks: int = 0
    n_chunks_reused: int = 0

    def with_more(self, other: "Cost") -> "Cost":
        """Of a suggestion that was made in two steps; first token and pieces are those of the first one."""
        return Cost(
            queue_ms=self.queue_ms + other.queue_ms,
            prefill_ms=self.prefill_ms + other.prefill_ms,
            decode_ms=self.decode_ms + other.decode_ms,
            first_token_ms=self.first_token_ms,
            total_ms=self.total_ms + other.total_ms,
            n_prompt=self.n_prompt + other.n_prompt,
            n_evaluated=self.n_evaluated + other.n_evaluated,
            n_reused=self.n_reused + other.n_reused,
            n_generated=self.n_generated + other.n_generated,
            n_chunks=self.n_chunks,
            n_chunks_reused=self.n_chunks_reused,
        )


class Silence(Struct, frozen=True, kw_only=True):
    """One question that was answered with nothing, or one generation that nobody saw."""

    day: str
    language: str
    reason: str
    n_evaluated: int = 0
    n_reused: int = 0
    n_generated: int = 0


class Look(Struct, frozen=True, kw_only=True):
    """An accepted text, and what stands in its place `after_s` later. The share is computed off the loop."""

    id: int
    after_s: int
    accepted: str
    now: str
