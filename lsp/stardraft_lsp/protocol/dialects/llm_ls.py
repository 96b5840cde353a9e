"""llm-ls's requests, as llm.nvim and llm-vscode send them, and the answers that they take.

    llm-ls/getCompletions    {textDocument, position, model, backend, url, requestBody, tokensToClear,
                              apiToken, fim, tokenizerConfig, contextWindow, tlsSkipVerifyInsecure, ide}
                             -> {request_id, completions: [{generated_text}]}
    llm-ls/acceptCompletion  {requestId, acceptedCompletion, shownCompletions, completions} -> null
    llm-ls/rejectCompletion  {requestId, shownCompletions} -> null

Which model answers, where, and in what prompt is not for the client to say here: of a request only the
place, the editor's name and the limits of generation are read, and its token is dropped unread. Older
versions of llm-vscode write keys in snake_case and expect a bare list. llm.nvim splits at LF, so a text's
line ends are LF.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stardraft_lsp.protocol.dialects.plain import BadParams, count_of, object_of, text_of
from stardraft_lsp.protocol.dialects.shapes import read_position
from stardraft_lsp.text.documents import Position

_LINE_END = re.compile(r"\r\n?")
_SNAKE_KEYS = frozenset({"request_params", "tokens_to_clear", "context_window", "tls_skip_verify_insecure"})
# Where each backend's request body has the number of tokens.
_MAX_TOKENS_KEYS = ("max_new_tokens", "max_tokens", "n_predict", "num_predict")


@dataclass(frozen=True)
class LlmRequest:
    """A question: `uri` and `position` for a Question; it came by itself, as typing does.

    editor:         the client's word for itself, such as "neovim"; "" when it has none.
    max_tokens:     the most that it wants generated; None when it does not say.
    context_tokens: the most of a prompt that it wants to be read; likewise.
    wants_list:     an older client, which is answered with a bare list.
    """

    uri: str
    position: Position
    editor: str = ""
    max_tokens: int | None = None
    context_tokens: int | None = None
    wants_list: bool = False


@dataclass(frozen=True)
class LlmVerdict:
    """What became of an answer: `accepted` is the index of its completion, None when it was rejected."""

    identity: str
    accepted: int | None = None
    shown: tuple[int, ...] = ()


def read_completions_request(params: Any) -> LlmRequest:
    """Raises BadParams when the document or the position is missing."""
    found = object_of(params)
    place = _place(found)
    document = place.get("textDocument", place.get("text_document"))
    uri = text_of(document.get("uri")) if isinstance(document, dict) else ""
    if not uri:
        raise BadParams("textDocument.uri is missing")
    position = read_position(place.get("position"))
    if position is None:
        raise BadParams("position is not a position with line and character from 0 up")
    return LlmRequest(
        uri=uri,
        position=position,
        editor=text_of(found.get("ide")),
        max_tokens=_max_tokens(found) or None,
        context_tokens=count_of(found.get("contextWindow", found.get("context_window"))) or None,
        wants_list=not _SNAKE_KEYS.isdisjoint(found),
    )


def write_completions(identity: str, texts: Sequence[str], *, wants_list: bool = False) -> Any:
    """The answer; no texts are an empty list, which both clients show as nothing."""
    completions = [{"generated_text": _LINE_END.sub("\n", text)} for text in texts]
    return completions if wants_list else {"request_id": identity, "completions": completions}


def read_accepted(params: Any) -> LlmVerdict | None:
    """None when it does not say of which answer."""
    found = object_of(params)
    identity = _identity(found)
    if not identity:
        return None
    accepted = count_of(found.get("acceptedCompletion", found.get("accepted_completion")))
    return LlmVerdict(identity, accepted or 0, _shown(found))


def read_rejected(params: Any) -> LlmVerdict | None:
    """None when it does not say of which answer."""
    found = object_of(params)
    identity = _identity(found)
    return LlmVerdict(identity, None, _shown(found)) if identity else None


def _place(found: dict[str, Any]) -> dict[str, Any]:
    """Where the document and the position are: one version of llm.nvim puts both into a table's entry 1."""
    if "textDocument" in found or "text_document" in found:
        return found
    inner = (value for value in found.values() if isinstance(value, dict))
    return next((value for value in inner if "textDocument" in value), found)


def _max_tokens(found: dict[str, Any]) -> int | None:
    body = found.get("requestBody", found.get("request_body", found.get("request_params")))
    if not isinstance(body, dict):
        return None
    for part in (body, body.get("parameters"), body.get("options")):
        if not isinstance(part, dict):
            continue
        for key in _MAX_TOKENS_KEYS:
            if (number := count_of(part.get(key))) is not None:
                return number
    return None


def _identity(found: dict[str, Any]) -> str:
    return text_of(found.get("requestId", found.get("request_id")))


def _shown(found: dict[str, Any]) -> tuple[int, ...]:
    shown = found.get("shownCompletions", found.get("shown_completions"))
    numbers = [count_of(one) for one in shown] if isinstance(shown, list) else []
    return tuple(number for number in numbers if number is not None)
