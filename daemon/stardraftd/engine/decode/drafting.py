"""Which guesses are worth verifying: of all sources the one that makes a token cost least, or none.

Looking for tokens costs next to nothing, so that source always says what it knows. A small model beside a
large one has to be run: it is asked where its guesses are expected to pay.
"""

from array import array
from collections.abc import Callable, Collection, Sequence

from stardraftd.engine.cache.recall import Generation
from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.decode.speculation import FIRST_CHANCES, MAX_DRAFT, Acceptance, Guess, KnownTokens
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.protocol.completion import Completion

# So much of the text before the cursor is compared: REACH tokens are seldom more.
TAIL_CHARACTERS = 512


class Speculation:
    """What is known of guesses for one model, over all its completions.

    speeds: what verifying costs. tokenize, piece: text as the model's tokens, and a token's bytes. stop_ids:
    tokens that no text has.
    """

    def __init__(
        self,
        speeds: SpeedModel,
        tokenize: "Callable[[str], array[int]]",
        piece: Callable[[int], bytes],
        stop_ids: Collection[int],
        draft_model: DraftModel | None = None,
    ) -> None:
        self.speeds = speeds
        self.piece = piece
        self.acceptance = Acceptance()
        self.draft_model = draft_model
        self._tokenize = tokenize
        self._stop_ids = stop_ids

    @property
    def pays(self) -> bool:
        """Whether a guess as good as they come is worth verifying, as things were measured."""
        _, best = FIRST_CHANCES["agreed"][-1]
        return self.speeds.draft_length([best] * MAX_DRAFT).n_drafted > 0

    def begin(self, generation: Generation, completion: Completion) -> "Course":
        """The guesses for a completion that goes on behind what was generated for it or before."""
        drafts = [self._tokenize(draft.before) + self._tokenize(draft.text) for draft in completion.drafts]
        last = self._tokenize(_tail(generation.completion.prefix)) or generation.prompt[-1:]
        known = KnownTokens(drafts, generation.prompt, last, self._stop_ids)
        known.add([token.id for token in generation.tokens])
        return Course(self, known, generation.ids, is_line=completion.mode == "line")


class Course:
    """The guesses of one completion, from its first token on.

    Invariant: `_known` has all that was said, and `_text` has it behind its prompt; `_looked_up` and
    `_verified` are guesses of what is said next.
    """

    def __init__(
        self, speculation: Speculation, known: KnownTokens, text: "array[int]", *, is_line: bool
    ) -> None:
        self._speculation = speculation
        self._known = known
        self._text = text
        self._ends_with_line = is_line
        self._is_visible = False  # something visible was said: a line's end ends the completion
        self._looked_up: Guess | None = None
        self._verified: Guess | None = None

    def guess(self, n_most: int, n_cells: int) -> Guess | None:
        """What to verify with the next decode; None where that of a single token costs less.

        n_cells: cells of the cache in use.
        """
        n_most = min(n_most, MAX_DRAFT)
        if n_most <= 0:
            return None
        self._looked_up = self._known.guess(n_most)
        self._verified = self._worth_verifying(n_most, n_cells)
        return self._verified

    def said(self, ids: Sequence[int]) -> None:
        """The model has said these tokens next."""
        speculation, model = self._speculation, self._speculation.draft_model
        if self._looked_up is not None:
            speculation.acceptance.learn(self._looked_up, ids)
        if model is not None:
            if self._verified is not None and self._verified.source == "model":
                model.note(len(ids) - 1, len(self._verified.ids))
            else:
                model.rested(len(ids))
        self._looked_up = self._verified = None
        self._is_visible = self._is_visible or any(speculation.piece(token).strip() for token in ids)
        self._known.add(ids)
        self._text.extend(ids)

    def _worth_verifying(self, n_most: int, n_cells: int) -> Guess | None:
        speculation, speeds = self._speculation, self._speculation.speeds
        found = self._looked_up
        chances = list[float]()
        if found is not None:
            chances = speculation.acceptance.chances(found)[: self._n_of_line(found.ids)]
        best = speeds.draft_length(chances, n_cells)
        model = speculation.draft_model
        if model is not None:
            cost_ms = model.token_ms, model.opening_ms(self._text)
            expected = speeds.draft_length([model.acceptance] * n_most, n_cells, *cost_ms)
            is_better = expected.n_drafted > 0 and expected.token_ms < best.token_ms
            if is_better and (ids := model.draft(self._text, expected.n_drafted)):
                return Guess(ids[: self._n_of_line(ids)], 0, "alone", "model")
        if found is None or not best.n_drafted:
            return None
        return Guess(found.ids[: best.n_drafted], found.n_same, found.agreement, found.source)

    def _n_of_line(self, ids: "array[int]") -> int:
        """How many of these tokens would still be of the completion's line, if it ends with it."""
        is_visible = self._is_visible
        for i, token in enumerate(ids if self._ends_with_line else ()):
            on_line, line_end, _ = self._speculation.piece(token).partition(b"\n")
            is_visible = is_visible or bool(on_line.strip())
            if line_end and is_visible:
                return i + 1
        return len(ids)


def _tail(prefix: str) -> str:
    """The end of a text, from a line end on where it is long: so its tokens are those of the whole text."""
    tail = prefix[-TAIL_CHARACTERS:]
    line_end = tail.find("\n")
    return tail[line_end:] if line_end >= 0 and len(tail) < len(prefix) else tail
