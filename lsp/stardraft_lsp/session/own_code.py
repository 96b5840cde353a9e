"""What your own code says at a place, and what becomes of it when the model speaks, too.

What `echo` guesses goes through the same filters as the model's text. It is shown at once where it is sure
enough, and the model may confirm it, go on behind it, or take its place once, before you have begun to take
it. Without a real model it is the whole answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stardraft_lsp.echo.blocks import following
from stardraft_lsp.echo.choosing import Guess
from stardraft_lsp.echo.code import Origin
from stardraft_lsp.echo.drafts import drafts
from stardraft_lsp.filters import Pipeline
from stardraft_lsp.filters.ends import MIN_VISIBLE, n_visible
from stardraft_lsp.session.question import Question
from stardraft_lsp.syntax.amount import Wanted
from stardraft_lsp.syntax.lexing import is_only_closers, lexer_of, line_at
from stardraftd.protocol.completion import Draft

# The least probability of what is shown: three in five of it are right, on histories of repositories that had
# no part in the fit (docs/quality.md). By hand it may be less sure. A single character spares no key: it is
# shown where it is surer, as a bracket or a semicolon at a line's end often is.
SHOWN, SHOWN_BY_HAND, SHOWN_SINGLE = 0.24, 0.15, 0.4
# From here on "the line ends here" is believed, and a toy is not asked for more.
LINE_ENDS = 0.5
# A model that is expected this soon is waited for, so that nothing has to be replaced.
MODEL_SOON_MS = 100.0
# A client that takes one answer, and no growing one, waits this long for the model.
DEADLINE_S = 0.3


@dataclass(frozen=True)
class Echo:
    """Text for the cursor's line, or "": surely nothing more comes on it. `replaces` as in `Answer`."""

    text: str
    replaces: int
    confidence: float
    origin: Origin


class OwnCode:
    """guess: what may come next at a question's place, the surest first."""

    def __init__(self, guess: Callable[[Question], Sequence[Guess]]) -> None:
        self._guess = guess

    def guesses(self, question: Question) -> Sequence[Guess]:
        """What may come next at the question's place, the surest first; nothing where echo is off."""
        return () if question.settings.echo == "off" else self._guess(question)

    def drafts(self, question: Question, guesses: Sequence[Guess]) -> tuple[Draft, ...]:
        """What the model may verify with that, out of what it may be shown."""
        line = line_at(question.text, question.offset)
        return drafts(line.before, guesses, None if question.settings.cross_file else question.uri)

    def find(
        self,
        question: Question,
        guesses: Sequence[Guess],
        wanted: Wanted,
        language: str,
        pipeline: Callable[[], Pipeline],
    ) -> Echo | None:
        """What is sure enough to be said at the question's place; None when nothing is.

        wanted: how much. language: as `syntax.languages` names it. pipeline: the filters for it.
        """
        line = line_at(question.text, question.offset)
        surest = next(iter(guesses), None) if is_only_closers(line.behind) else None
        if surest is None:
            return None
        if not surest.text.strip():
            return Echo("", 0, surest.confidence, surest.origin) if surest.confidence >= LINE_ENDS else None
        if surest.confidence < (SHOWN_BY_HAND if question.invoked else SHOWN):
            return None
        text = _without_comment(line.before, surest.text, language)
        if wanted.amount == "block" and text == surest.text:
            text += following(surest.candidate, line.indentation, wanted.max_lines - 1)
        shown = pipeline().finish(text)
        n_shown = n_visible(shown.text)
        if not n_shown or (n_shown < MIN_VISIBLE and surest.confidence < SHOWN_SINGLE):
            return None
        return Echo(shown.text, shown.replaces, surest.confidence, surest.origin)


def _without_comment(before: str, text: str, language: str) -> str:
    """The text without a comment at its line's end: what was said of another line is not true of this one."""
    last = lexer_of(language).token_at(before + text, 0, len(before) + len(text))
    if last.kind == "comment" and last.start > len(before):
        return text[: last.start - len(before)].rstrip()
    return text
