"""Suggestions that were made and may still fit: who types what was suggested needs no model."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from stardraft_lsp.echo.code import Origin
from stardraft_lsp.session.reindent import reindented
from stardraft_lsp.session.typed import typed_between

MAX_DOCUMENTS = 64
MAX_PER_DOCUMENT = 8


@dataclass(frozen=True)
class CachedSuggestion:
    """A suggestion and the window that it was made for; `replaces` is that of `question.Answer`.

    origin: where it stands in your own code, if it was taken from there.
    only_sure: whether it was to be cut where the model is unsure, as it is when nobody asked by hand.
    """

    prefix: str
    suffix: str
    text: str
    replaces: int = 0
    identity: str = ""
    only_sure: bool = False
    origin: Origin | None = None


class SuggestionCache:
    """The last suggestions of the last documents, newest first."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, list[CachedSuggestion]] = OrderedDict()

    def put(self, uri: str, cached: CachedSuggestion) -> None:
        entries = self._documents.setdefault(uri, [])
        entries[:] = [cached, *(entry for entry in entries if entry.prefix != cached.prefix)][
            :MAX_PER_DOCUMENT
        ]
        self._documents.move_to_end(uri)
        while len(self._documents) > MAX_DOCUMENTS:
            self._documents.popitem(last=False)

    def find(self, uri: str, prefix: str, suffix: str, language: str = "") -> CachedSuggestion | None:
        """A suggestion whose beginning was typed since, with what is left of it as its text; else None.

        A closer that the editor put after the cursor is left out of it: it is there already. Where nothing
        fits as it is, one whose line was indented anew is. language: as `syntax.languages` names it.
        """
        entries = self._documents.get(uri)
        text = prefix + suffix if entries else ""
        for cached in entries or ():
            typed = typed_between(cached.prefix, cached.suffix, text, len(prefix))
            if typed is None or (cached.replaces and typed.closer):
                continue  # what it would replace is not the same any more
            rest = typed.rest(cached.text)
            if rest:
                return replace(cached, text=rest)
        for cached in entries or ():
            moved = (
                reindented(cached.text, cached.prefix, prefix, language) if cached.suffix == suffix else None
            )
            if moved is not None:
                return replace(cached, text=moved)
        return None

    def forget(self, uri: str) -> None:
        self._documents.pop(uri, None)

    def clear(self) -> None:
        self._documents.clear()
