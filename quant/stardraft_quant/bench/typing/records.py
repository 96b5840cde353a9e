"""What a typing replay records of each event, and of a whole replay: what figures are made of."""

from typing import Literal

from msgspec import Struct

Mode = Literal["stepwise", "realtime"]
What = Literal["open", "key", "auto_closed", "newline", "delete", "jump", "accept", "paste"]
Unit = Literal["tokens", "characters", "ms", "%", "cores"]

OURS = "stardraft"
LLAMA_SERVER = "llama-server"


class Ask(Struct, frozen=True, kw_only=True):
    """One event that asked for a suggestion, and what came of it.

    event:       its number in the trace; -1 is the opening of the file.
    is_answered: False when a newer event took its place before the answer came.
    by_model:    False when a suggestion that was there already answered it.
    first_ms:    from the key to the first text; None when there was no text.
    line_ms:     to the whole first line.
    end_ms:      to the end of the answer.
    n_prompt, n_evaluated, n_generated, n_recalled: tokens; all 0 without the model. n_recalled of n_generated
                 had been generated before. A line that went on as a block is two requests: evaluated and
                 generated are those of both, unless an unanswered event came just before; all else is of the
                 second.
    n_shown, n_kept: characters suggested, and how many of them the user then wrote.
    stale, plan: as in stardraftd's Figures.
    """

    event: int
    what: What
    is_answered: bool
    by_model: bool
    first_ms: float | None
    line_ms: float
    end_ms: float
    n_prompt: int = 0
    n_evaluated: int = 0
    n_generated: int = 0
    n_recalled: int = 0
    n_shown: int = 0
    n_kept: int = 0
    stale: bool = False
    plan: str = ""


class Totals(Struct, frozen=True, kw_only=True):
    """Tokens of a whole replay, also of requests that were not answered.

    n_generated: what was decoded for them; what is recalled was decoded before.
    """

    n_evaluated: int = 0
    n_generated: int = 0
    n_evaluated_in_background: int = 0
    n_generated_in_background: int = 0

    def since(self, start: "Totals") -> "Totals":
        return Totals(
            n_evaluated=self.n_evaluated - start.n_evaluated,
            n_generated=self.n_generated - start.n_generated,
            n_evaluated_in_background=self.n_evaluated_in_background - start.n_evaluated_in_background,
            n_generated_in_background=self.n_generated_in_background - start.n_generated_in_background,
        )


class Replay(Struct, frozen=True, kw_only=True):
    """One trace, replayed once on one side.

    load_ms:    from the start of the processes to a loaded model.
    busy_cores: how many cores programs that were not measured kept busy in this side's turns, on average.
    """

    side: str
    trace: str
    run: int
    load_ms: float
    busy_cores: float = 0.0
    asks: tuple[Ask, ...]
    totals: Totals
