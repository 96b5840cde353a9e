"""What is done while nobody waits: the engine reads documents, syntax is parsed, other files are searched.

Keys and questions come first: whatever a document's next key makes useless is taken back.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from stardraft_lsp.ahead.declarations import Declarations
from stardraft_lsp.ahead.warming import Warmer
from stardraft_lsp.context.choice.candidates import QuestionPlace
from stardraft_lsp.context.source import ContextSource
from stardraft_lsp.session import Session
from stardraft_lsp.session.question import Question, request_for, window_of
from stardraft_lsp.syntax.languages import language_of
from stardraft_lsp.text.documents import Document
from stardraft_lsp.text.folders import Folders
from stardraftd.protocol.http import CompletionRequest

# Whether a document may be sent is found out in milliseconds, but on a very busy computer, and not at all
# from a disk that does not answer. Editors ask only once for a key: better late than never.
MAX_CHECK_S, CHECK_STEP_S = 5.0, 0.005
# A document's syntax is read when the question about its last change has been put, in slices with pauses.
PARSE_AFTER_S = 0.01
# Of the lines that are new in it, for its echo, so long at once.
READ_MS = 2.0


async def checked(context: ContextSource, uri: str) -> None:
    """Waits a moment for the word whether a document that was just opened may be sent to the model."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + MAX_CHECK_S
    while context.why_not(uri) == "checking" and loop.time() < deadline:
        await asyncio.sleep(CHECK_STEP_S)


class Ahead:
    """The work ahead for one editor's documents.

    documents: those that are open; the owner keeps them. question_at: what would be asked at an offset.
    is_ready: whether a model is loaded. soon: has work done that nobody waits for.
    context: may be replaced.
    declarations: None where the editor's own servers cannot be asked.
    """

    def __init__(
        self,
        documents: Mapping[str, Document],
        *,
        folders: Folders,
        session: Session,
        context: ContextSource,
        warmer: Warmer,
        declarations: Declarations | None,
        question_at: Callable[[Document, int], Question],
        is_ready: Callable[[], bool],
        soon: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.context = context
        self._documents = documents
        self._folders = folders
        self._session = session
        self._warmer = warmer
        self._declarations = declarations
        self._question_at = question_at
        self._is_ready = is_ready
        self._soon = soon
        self._cursors: dict[str, int] = {}
        self._parsing: set[str] = set()

    def opened(self, document: Document) -> None:
        """A document was opened; when no model is loaded yet, `loaded` will come."""
        self._read(document)
        self._parse_soon(document.uri)

    def changing(self, uri: str) -> None:
        """A document is about to change: nothing is to be known of it as it was."""
        self.asked(uri)
        if self._declarations is not None:
            self._declarations.stop(uri)

    def changed(self, document: Document, offset: int | None) -> None:
        """The document has another text, and the cursor is there; None when that is not known."""
        self._parse_soon(document.uri)
        self._session.changed(document.uri, document.text)
        if offset is not None:
            self._at_rest(document, offset)

    def asked(self, uri: str) -> None:
        """A question about the document has its place read: it need not be read as it was."""
        self._warmer.not_yet(uri)

    def closed(self, uri: str) -> None:
        self._cursors.pop(uri, None)
        self._warmer.not_yet(uri)
        if self._declarations is not None:
            self._declarations.close(uri)

    def loaded(self) -> None:
        """A model was loaded: it has read nothing yet."""
        for uri in self._documents:
            self._warmer.now(uri, partial(self._to_read, uri, self._cursors.get(uri, 0)))

    def prepared(self, uri: str) -> None:
        """Other pieces of other files are shown from now on: they are read before somebody waits for it."""
        if uri in self._documents and uri in self._cursors:
            self._warmer.now(uri, partial(self._to_read, uri, self._cursors[uri]))

    def again(self) -> None:
        """Other files may be shown now, or may not: as if the cursors had just come to rest."""
        for uri, offset in self._cursors.items():
            self._at_rest(self._documents[uri], offset)

    @property
    def is_reading(self) -> bool:
        """Whether an open document's syntax or its lines are not all read yet."""
        return bool(self._parsing)

    async def finish(self) -> None:
        """Ends what runs."""
        await self._warmer.finish()

    def _read(self, document: Document) -> None:
        if self._is_ready():
            self._warmer.now(document.uri, partial(self._to_read, document.uri, 0))

    def _at_rest(self, document: Document, offset: int) -> None:
        """Has the document read around the cursor when it stays there."""
        self._cursors[document.uri] = offset
        self._warmer.at_rest(document.uri, partial(self._to_read, document.uri, offset))

    def _to_read(self, uri: str, offset: int) -> CompletionRequest | None:
        """What of a document is to be read in advance; None when nothing is, or a question does it."""
        document = self._documents.get(uri)
        if document is None or not self._is_ready():
            return None
        question = self._question_at(document, offset)
        if question.off == "checking":
            self._soon(self._read_when_checked(document))
        if question.off:
            return None
        if question.settings.echo == "only":
            return None
        if question.settings.cross_file:
            self._look_around(document, question)
        return None if self._session.is_at_work(uri) else request_for(question)

    async def _read_when_checked(self, document: Document) -> None:
        uri = document.uri
        while self.context.why_not(uri) == "checking" and uri in self._documents:
            await checked(self.context, uri)
        if uri not in self._documents:
            return
        if uri in self._cursors:
            self._at_rest(document, self._cursors[uri])
        else:
            self._read(document)

    def _look_around(self, document: Document, question: Question) -> None:
        """The cursor rests: what other files have to say to the place is found, in the background."""
        around = window_of(question)
        self.context.document_viewed(document.uri, document.position(question.offset).line)
        place = QuestionPlace(document.uri, around.prefix, around.suffix)
        if self._declarations is None:
            self.context.prepare(place)
        else:
            self._declarations.at_rest(document, question.offset, partial(self.context.prepare, place))

    def _parse_soon(self, uri: str) -> None:
        """The document has another text: its syntax is read before the next question, if there is time."""
        if uri not in self._parsing:
            self._parsing.add(uri)
            asyncio.get_running_loop().call_later(PARSE_AFTER_S, self._parse, uri)

    def _parse(self, uri: str) -> None:
        self._parsing.discard(uri)
        document = self._documents.get(uri)
        if document is None:
            return
        language = language_of(document.language, self._folders.place(uri).path)
        is_read = self._session.catch_up(uri, language, document.text)
        if not self.context.read_on(uri, READ_MS) or not is_read:
            self._parse_soon(uri)
