"""A suggestion on its way, and the question that waits for it.

It belongs to a place in a document rather than to a question: a user who types what is being generated
wants it all the more. So a question can leave, another one can attach, and what was typed in between is
taken off what it gets. Who decides when that may be is `session`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stardraft_lsp.session.own_code import Echo
from stardraft_lsp.session.question import SUPERSEDED, Answer, Question, n_candidates, wants_only_sure
from stardraft_lsp.session.typed import Typed, possibly_typed, typed_between
from stardraftd.protocol.http import CompletionRequest


@dataclass(frozen=True, eq=False)
class PendingRequest:
    """A question that is to be answered, once: the first answer counts.

    on_growth gets all that can be shown so far, each time it grows.
    """

    question: Question
    on_growth: Callable[[Answer], None] | None = None
    answered: "asyncio.Future[Answer]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def answer(self, answer: Answer) -> None:
        if not self.answered.done():
            self.answered.set_result(answer)

    def fail(self, error: BaseException) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)


class Generation:
    """One completion of the daemon's, from the question that began it to its end.

    Invariant: at most one question waits for it. `text` is what can be shown so far, and `replaces` how many
    characters after the cursor it covers; it grows, and a filter may rarely take something back.
    `echo` is what your own code says there, until the model has taken its place.
    """

    def __init__(
        self, pending: PendingRequest, request: CompletionRequest, identity: str, echo: Echo | None = None
    ) -> None:
        question = pending.question
        self.echo = echo
        self.identity = identity
        self.is_current = True  # no settings changed since it began
        self.question = question
        self.uri = question.uri
        self.request = request
        self.settings = question.settings
        self.text = ""
        self.replaces = 0
        self.is_sent = False
        self.pending: PendingRequest | None = pending
        self.typed = Typed()
        self._n_candidates = n_candidates(question)
        self._before = question.text[: question.offset]
        self._behind = question.text[question.offset :]

    def goes_on_in(self, text: str) -> bool:
        """Whether the document's new text has nothing new but the beginning of what is being generated."""
        readings = possibly_typed(self._before, self._behind, text)
        return self.is_sent and any(
            reading.shown(self.text) is not None and not self._is_covered(reading) for reading in readings
        )

    def attach(self, pending: PendingRequest) -> bool:
        """Lets a newer question wait for this in place of the older one; False when this is not for it."""
        question = pending.question
        if question.settings != self.settings or n_candidates(question) > self._n_candidates:
            return False
        if wants_only_sure(self.question) and not wants_only_sure(question):
            return False  # what is asked for by hand is shown whole
        typed = typed_between(self._before, self._behind, question.text, question.offset)
        if typed is None or not self.is_sent or typed.shown(self.text) is None or self._is_covered(typed):
            return False
        self.release(SUPERSEDED)
        self.pending, self.typed = pending, typed
        self._show()
        return True

    def show_echo(self) -> None:
        """Shows what your own code says, unless the model has said something already."""
        if self.echo is not None and not self.text and self.pending is not None:
            self.show(self.echo.text, self.echo.replaces)

    def hear(self, text: str, replaces: int) -> PendingRequest | None:
        """As `show`, for what the model has said so far. It does not take back what it may still come to say,
        nor what the user has begun to take."""
        if self.echo is not None and self.text and (self.echo.text.startswith(text) or self._is_taken(text)):
            return None
        self.echo = None
        return self.show(text, replaces)

    def settled(self, answer: Answer) -> Answer:
        """The answer when the model has said all, or failed: its own, or that of your own code."""
        echo = self.echo
        if echo is None or (
            answer.text and not echo.text.startswith(answer.text) and not self._is_taken(answer.text)
        ):
            return answer
        return replace(answer, text=echo.text, reason="", replaces=echo.replaces, origin=echo.origin)

    def _is_taken(self, text: str) -> bool:
        """Whether the user has begun to take the echo, and the model says something else."""
        return self.echo is not None and self.typed != Typed() and not text.startswith(self.echo.text)

    def show(self, text: str, replaces: int) -> PendingRequest | None:
        """So much can be shown now. The question that it turned out not to be for is returned, and waits here
        no more."""
        if (text, replaces) == (self.text, self.replaces):
            return None
        self.text, self.replaces = text, replaces
        if self.pending is None or (self._show() and not self._is_covered(self.typed)):
            return None
        return self._detached()

    def finish(self, answer: Answer) -> PendingRequest | None:
        """It ended with `answer`. A question that this does not fit, or for which nothing is left of what was
        typed, is returned, and waits here no more."""
        rest = self.typed.rest(answer.text) if answer.text else ""
        self.replaces = answer.replaces
        is_all_typed = rest == "" and self.typed != Typed()
        if self.pending is not None and (rest is None or is_all_typed or self._is_covered(self.typed)):
            return self._detached()
        left = ((self.typed.rest(other), replaces) for other, replaces in answer.others)
        others = tuple(
            dict.fromkeys(
                (other, replaces)
                for other, replaces in left
                if other and other.strip() and other != rest and not (replaces and self.typed.closer)
            )
        )
        if rest and rest.strip():
            answer = replace(answer, text=rest, others=others)
        else:
            answer = Answer(reason=answer.reason or "nothing_to_suggest")
        self.release(answer)
        return None

    def release(self, answer: Answer) -> None:
        """Answers the question that waits, if one does."""
        pending = self._detached()
        if pending is not None:
            pending.answer(answer)

    def ended(self, task: "asyncio.Task[None]") -> None:
        """Its task is over; whoever waits still learns how. A done-callback."""
        error = None if task.cancelled() else task.exception()
        pending = self._detached()
        if pending is not None and error is not None:
            pending.fail(error)
        elif pending is not None:
            pending.answer(SUPERSEDED)
        elif error is not None:
            raise error  # to the loop's handler, which logs it

    def _detached(self) -> PendingRequest | None:
        pending, self.pending = self.pending, None
        self.typed = Typed()
        return pending

    def _show(self) -> bool:
        """Tells the pending question what there is for it; False when there will be nothing."""
        shown = self.typed.shown(self.text)
        if shown and shown.strip() and self.pending is not None and self.pending.on_growth is not None:
            origin = self.echo.origin if self.echo is not None and self.text == self.echo.text else None
            self.pending.on_growth(
                Answer(shown, replaces=self.replaces, identity=self.identity, origin=origin)
            )
        return shown is not None

    def _is_covered(self, typed: Typed) -> bool:
        """Whether a closer that the editor inserted stands where the text would cover another one."""
        return bool(self.replaces and typed.closer)
