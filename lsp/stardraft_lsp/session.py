"""When to ask: one request per document, newest wins, a short pause for the next key, and a cache before it.

This is the language server's judgement, without any of its protocol: documents and settings come in, a
`Suggestion` or the reason for its absence goes out.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from stardraft_lsp.cache import Made, SuggestionCache
from stardraft_lsp.context.window import Window, window
from stardraft_lsp.folders import Place
from stardraft_lsp.mode import choose_mode
from stardraft_lsp.status import Silence, StatusBoard
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


class Session:
    """The questions of one editor.

    Invariant: at most one question of each document is with the daemon; `_running` holds its task.
    """

    def __init__(self, client: DaemonClient, board: StatusBoard, settings: EditorConfig) -> None:
        self._client = client
        self._board = board
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
            self._board.begin()
            self._board.end(off)
            return Answer(reason=off)
        around = window(
            question.text, question.offset, self.settings.max_prefix_bytes, self.settings.max_suffix_bytes
        )
        known = self._cache.find(question.uri, around.prefix, around.suffix)
        if known:
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
            if self._running.get(question.uri) is task:
                del self._running[question.uri]
        return SUPERSEDED if task.cancelled() else task.result()

    def supersede(self, uri: str) -> None:
        """The document changed or a newer question came: what runs for it is not wanted any more."""
        task = self._running.pop(uri, None)
        if task is not None:
            task.cancel()

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
        reason: Silence = "superseded"
        self._board.begin()
        try:
            text = await self._generate(question, around, on_growth)
            reason = "" if text.strip() else "nothing_to_suggest"
        except StardraftError as error:
            reason = "failed"
            self._board.error(error)
            return Answer(reason="failed")
        finally:
            self._board.end(reason)
        if reason:
            return Answer(reason=reason)
        self._cache.put(question.uri, Made(around.prefix, around.suffix, text))
        return Answer(text)

    async def _generate(
        self, question: Question, around: Window, on_growth: Callable[[str], None] | None
    ) -> str:
        request = CompletionRequest(
            document=question.uri,
            path=question.place.path,
            repository=question.place.repository,
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
