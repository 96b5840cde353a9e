"""Where the names near a cursor are declared, asked from the editor, whose own language servers know it.

    stardraft/declarations  {textDocument: {uri}, positions: [Position, ...]}  ->  [{uri, range} | null, ...]

Only clients that said `capabilities.experimental.stardraft.declarations` are asked, at a rest, never on the
way of a key. What they name is only a hint: whether that file may be read is decided in `context`.
"""

import itertools
import logging
import re
from asyncio import AbstractEventLoop, TimerHandle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from stardraft_lsp.context.choice.candidates import Declared
from stardraft_lsp.context.index.definitions import names_near
from stardraft_lsp.protocol.dialects import read_range
from stardraft_lsp.protocol.dialects.plain import object_of, text_of
from stardraft_lsp.text.documents import Document
from stardraft_lsp.text.uris import local_path

log = logging.getLogger(__name__)

METHOD = "stardraft/declarations"
MAX_ASKED = 12
# An editor whose servers still read the project answers late; then it is left alone for a while.
PATIENCE_S, PAUSE_S = 2.0, 30.0
# How far around the cursor a name's place is looked for, in characters.
_REACH = 4000
_MAX_DOCUMENTS = 64


@dataclass(frozen=True)
class _Asked:
    uri: str
    version: int
    names: tuple[str, ...]
    identity: str
    timer: TimerHandle
    then: Callable[[], None]


@dataclass
class _Known:
    """What was answered about one version of a document; None for a name that is declared nowhere."""

    version: int
    places: dict[str, Declared | None]


class Declarations:
    """Asks one editor.

    send: sends a request with method, parameters and id. cancel: tells that its answer is not wanted now.
    on_found: gets a document's URI and what is known of its names.

    Invariant: at most one request is under way, `_asked`; the answers to others are not listened to.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        send: Callable[[str, Any, str], "Future[Any]"],
        cancel: Callable[[str], None],
        on_found: Callable[[str, tuple[Declared, ...]], None],
    ) -> None:
        self._loop = loop
        self._send = send
        self._cancel = cancel
        self._on_found = on_found
        self._numbers = itertools.count(1)
        self._asked: _Asked | None = None
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._not_before = 0.0

    def at_rest(self, document: Document, offset: int, then: Callable[[], None]) -> None:
        """The cursor rests there: asks for what is not known yet of the names around it.

        then: called when that is known, or will not be in time; at once when there is nothing to ask, and
        never when typing goes on before. So what is sent changes once for it, and not twice.
        """
        known = self._known_of(document)
        places = {
            name: place for name, place in names_around(document.text, offset) if name not in known.places
        }
        if not places or self._loop.time() < self._not_before:
            then()
            return
        self.stop()
        identity = f"stardraft-declarations-{next(self._numbers)}"
        timer = self._loop.call_later(PATIENCE_S, self._give_up)
        asked = _Asked(document.uri, document.version, tuple(places), identity, timer, then)
        self._asked = asked
        positions = [document.position(place) for place in places.values()]
        params = {
            "textDocument": {"uri": document.uri},
            "positions": [{"line": one.line, "character": one.character} for one in positions],
        }
        self._send(METHOD, params, identity).add_done_callback(lambda answer: self._take(asked, answer))

    def stop(self, uri: str | None = None) -> None:
        """Typing goes on, in this document or anywhere: an answer under way is not wanted."""
        asked = self._asked
        if asked is not None and uri in (None, asked.uri):
            self._asked = None
            asked.timer.cancel()
            self._cancel(asked.identity)

    def close(self, uri: str) -> None:
        """The document was closed."""
        self.stop(uri)
        self._known.pop(uri, None)

    def _known_of(self, document: Document) -> _Known:
        known = self._known.get(document.uri)
        if known is None or known.version != document.version:
            known = self._known[document.uri] = _Known(document.version, {})
        self._known.move_to_end(document.uri)
        while len(self._known) > _MAX_DOCUMENTS:
            self._known.popitem(last=False)
        return known

    def _give_up(self) -> None:
        log.debug("the editor did not say in time where names are declared")
        self._not_before = self._loop.time() + PAUSE_S
        asked = self._asked
        self.stop()
        if asked is not None:
            asked.then()

    def _take(self, asked: _Asked, answer: "Future[Any]") -> None:
        if self._asked is not asked:
            return
        self._asked = None
        asked.timer.cancel()
        error = answer.exception()
        if error is not None:
            log.debug("the editor could not say where names are declared: %s", error)
        found = read_declarations(asked.names, None if error is not None else answer.result())
        known = self._known.get(asked.uri)
        if known is not None and known.version == asked.version:
            known.places.update(zip(asked.names, found, strict=True))
            self._on_found(asked.uri, tuple(place for place in known.places.values() if place is not None))
        asked.then()


def read_declarations(names: Sequence[str], raw: Any) -> tuple[Declared | None, ...]:
    """A client's answer; what cannot be read is declared nowhere."""
    if not isinstance(raw, list) or len(raw) != len(names):
        return (None,) * len(names)
    return tuple(_declared(name, one) for name, one in zip(names, raw, strict=True))


def _declared(name: str, raw: Any) -> Declared | None:
    place = object_of(raw)
    span = read_range(place.get("range"))
    path = local_path(text_of(place.get("uri")))
    return Declared(name, path, span[0].line) if path and span is not None else None


def names_around(text: str, offset: int) -> Iterator[tuple[str, int]]:
    """The names near an offset, and an offset of each: before the cursor, the nearest, or else behind it."""
    start = max(offset - _REACH, 0)
    before, behind = text[start:offset], text[offset : offset + _REACH]
    for name in names_near(before, behind)[:MAX_ASKED]:
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        places = [found.start() for found in word.finditer(before)]
        if places:
            yield name, start + places[-1]
        elif (found := word.search(behind)) is not None:
            yield name, offset + found.start()
