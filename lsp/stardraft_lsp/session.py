"""When to ask: one request per document, newest wins, a short pause for the next key, and a cache before it.

This is the language server's judgement, without any of its protocol: documents and settings come in, a
`Suggestion` or the reason for its absence goes out.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from stardraft_lsp.cache import Made, SuggestionCache
from stardraft_lsp.context.window import Window, window
from stardraft_lsp.folders import Place
from stardraft_lsp.mode import choose_mode
from stardraft_lsp.status import Silence, StatusBoard, reason_of
from stardraftd.client import DaemonClient
from stardraftd.config import EditorConfig
from stardraftd.errors import StardraftError, error_from_code
from stardraftd.protocol import CompletionRequest, Done, Failed, Text


@dataclass(frozen=True)
class Question:
    """Where a suggestion is wanted. `text` and `offset` are the document's, LF or not."""

    uri: str
    language: str
    place: Place
    text: str
    offset: int
    invoked: bool


@dataclass(frozen=True)
class Answer:
    """`text` to insert at the cursor, with LF line ends; or "" and the reason."""

    text: str = ""
    reason: Silence = ""


SUPERSEDED = Answer(reason="superseded")

# What the daemon takes at most, in characters (stardraftd.protocol).
MAX_DOCUMENT, MAX_PATH, MAX_REPOSITORY = 4096, 4096, 512


class Session:
    """The questions of one editor.

    on_daemon: called when a question goes to the daemon, and when its answer came.

    Invariant: at most one question of each document is with the daemon; `_running` holds its task.
    """

    def __init__(
        self,
        client: DaemonClient,
        board: StatusBoard,
        settings: EditorConfig,
        on_daemon: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._board = board
        self._on_daemon = on_daemon
        self._cache = SuggestionCache()
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self.settings = settings

    async def ask(self, question: Question, on_growth: Callable[[str], None] | None = None) -> Answer:
        """The suggestion for a question. `on_growth` gets the whole text so far, each time it grows.

        An older question for the same document is answered SUPERSEDED. Cancelling this call cancels the
        work down to the engine.
        """
        self.supersede(question.uri)
        off = self._off(question)
        if off:
            self._board.note(off)
            return Answer(reason=off)
        around = window(
            question.text, question.offset, self.settings.max_prefix_bytes, self.settings.max_suffix_bytes
        )
        known = self._cache.find(question.uri, around.prefix, around.suffix)
        if known:
            self._board.note("")
            return Answer(known)
        task = asyncio.create_task(self._ask_daemon(question, around, on_growth))
        self._running[question.uri] = task
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            is_newest = self._running.get(question.uri) is task
            if is_newest:
                del self._running[question.uri]
        # It may have ended before it could be cancelled: the text it was made for is gone all the same.
        return task.result() if is_newest and not task.cancelled() else SUPERSEDED

    def supersede(self, uri: str) -> None:
        """The document changed or a newer question came: what runs for it is not wanted any more."""
        task = self._running.pop(uri, None)
        if task is not None:
            task.cancel()

    def supersede_all(self) -> None:
        """The editor leaves: nothing that runs is wanted any more."""
        for uri in list(self._running):
            self.supersede(uri)

    def close(self, uri: str) -> None:
        """The document was closed."""
        self.supersede(uri)
        self._cache.forget(uri)

    def forget_suggestions(self) -> None:
        """What was suggested under other settings or by another model is not shown any more."""
        self._cache.clear()

    def _off(self, question: Question) -> Silence:
        if not self.settings.enabled:
            return "disabled"
        if question.language in self.settings.languages_off:
            return "language_off"
        return ""

    async def _ask_daemon(
        self, question: Question, around: Window, on_growth: Callable[[str], None] | None
    ) -> Answer:
        if not question.invoked:
            await asyncio.sleep(self.settings.debounce_ms / 1000)
        self._on_daemon()
        self._board.begin()
        try:
            text = await self._generate(question, around, on_growth)
        except asyncio.CancelledError:
            self._board.end("superseded")
            raise
        except StardraftError as error:
            self._board.fail(error)
            return Answer(reason=reason_of(error))
        self._on_daemon()
        if not text.strip():
            self._board.end("nothing_to_suggest")
            return Answer(reason="nothing_to_suggest")
        self._board.end("")
        self._cache.put(question.uri, Made(around.prefix, around.suffix, text))
        return Answer(text)

    async def _generate(
        self, question: Question, around: Window, on_growth: Callable[[str], None] | None
    ) -> str:
        request = CompletionRequest(
            document=_identity(question.uri),
            path=question.place.path[-MAX_PATH:],
            repository=question.place.repository[:MAX_REPOSITORY],
            prefix=around.prefix,
            suffix=around.suffix,
            mode=choose_mode(self.settings.mode, around.prefix, around.suffix),
        )
        text = ""
        async with contextlib.aclosing(self._client.complete(request)) as events:
            async for event in events:
                match event:
                    case Text():
                        text += event.text
                        if on_growth is not None and text.strip():
                            on_growth(text)
                    case Done(finish_reason="superseded"):
                        raise asyncio.CancelledError
                    case Done():
                        text = event.text
                    case Failed():
                        raise error_from_code(event.code, event.message, event.hint)
        return text


def _identity(uri: str) -> str:
    """The document's name for the daemon: its URI, or what stands for one that holds more than an address."""
    if 0 < len(uri) <= MAX_DOCUMENT and uri.isascii():
        return uri
    return f"sha256:{hashlib.sha256(uri.encode('utf-8', 'surrogatepass')).hexdigest()}"
