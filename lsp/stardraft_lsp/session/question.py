"""A question, its answer, and how it is put to the daemon. When to ask is `session`'s to decide."""

import hashlib
from dataclasses import dataclass, field

from stardraft_lsp.context.window import Window, window
from stardraft_lsp.echo.code import Origin
from stardraft_lsp.status import Silence
from stardraft_lsp.text.folders import Place
from stardraftd.config import EditorConfig
from stardraftd.protocol.completion import ContextChunk, Draft, Mode
from stardraftd.protocol.http import CompletionRequest

# What the daemon takes at most, in characters (stardraftd.protocol).
MAX_DOCUMENT, MAX_PATH, MAX_LANGUAGE, MAX_REPOSITORY = 4096, 4096, 256, 512


@dataclass(frozen=True)
class Question:
    """Where a suggestion is wanted. `text` and `offset` are the document's, LF or not.

    can_replace: whether a suggestion may take the place of what follows the cursor on its line.
    settings: those in force for the document; off: why there are no suggestions in it, "" when there are.
    chunks: pieces of other files that the model is shown.
    """

    uri: str
    language: str
    place: Place
    text: str
    offset: int
    invoked: bool
    can_replace: bool = True
    settings: EditorConfig = field(default_factory=EditorConfig)
    off: Silence = ""
    chunks: tuple[ContextChunk, ...] = ()


@dataclass(frozen=True)
class Answer:
    """`text` to put at the cursor, with LF line ends; or "" and the reason.

    replaces: how many characters after the cursor, on its line, the text takes the place of.
    identity: of the generation that it came from, for `stats`; the rest of a suggestion has its identity.
    origin: where the line stands in your own code that the text was taken from; None for the model's.
    others: what could stand there instead of `text`, each with what it replaces, the likelier first; none is
    blank or there twice.
    """

    text: str = ""
    reason: Silence = ""
    others: tuple[tuple[str, int], ...] = ()
    replaces: int = 0
    identity: str = ""
    origin: Origin | None = None

    @property
    def texts(self) -> tuple[tuple[str, int], ...]:
        """All that could be put there and what each replaces, the best first."""
        return ((self.text, self.replaces), *self.others) if self.text else ()


SUPERSEDED = Answer(reason="superseded")


def n_candidates(question: Question) -> int:
    """How many suggestions are wanted: several only by hand."""
    return question.settings.candidates if question.invoked else 1


def wants_only_sure(question: Question) -> bool:
    """Whether the suggestion ends where the model is unsure; one asked for by hand is shown whole."""
    return question.settings.confidence and not question.invoked


def window_of(question: Question) -> Window:
    """The text around the question's cursor that is sent."""
    return window(question.text, question.offset)


def request_for(question: Question, mode: Mode = "line", drafts: tuple[Draft, ...] = ()) -> CompletionRequest:
    """The question as the daemon takes it. drafts: what the user's own code says may come next."""
    around = window_of(question)
    wanted = n_candidates(question)
    return CompletionRequest(
        document=_identity(question.uri),
        path=question.place.path[-MAX_PATH:],
        language=question.language[:MAX_LANGUAGE],
        repository=question.place.repository[:MAX_REPOSITORY],
        prefix=around.prefix,
        suffix=around.suffix,
        chunks=question.chunks,
        drafts=drafts,
        mode=mode,
        n_candidates=wanted if wanted > 1 else None,
    )


def _identity(uri: str) -> str:
    """The document's name for the daemon: its URI, or what stands for one that holds more than an address."""
    if 0 < len(uri) <= MAX_DOCUMENT and uri.isascii():
        return uri
    return f"sha256:{hashlib.sha256(uri.encode('utf-8', 'surrogatepass')).hexdigest()}"
