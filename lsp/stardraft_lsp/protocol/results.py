"""A suggestion as the protocol wants it: an inline item, or an entry of a completion list."""

from collections.abc import Sequence

from lsprotocol import types

from stardraft_lsp.protocol.dialects import write_accept_command
from stardraft_lsp.protocol.requests import Selected
from stardraft_lsp.text.documents import Document, Position
from stardraftd.patterns import linear

_WORD_BEFORE = linear(r"\w+$")
_BACKTICKS = linear(r"`+")
_NO_INFO = linear(r"[\s`]+")  # a fence's first line takes neither
_LABEL_LENGTH = 60


# A text, and how many characters after the cursor it takes the place of.
Placed = tuple[str, int]


def inline_items(
    document: Document,
    offset: int,
    texts: Sequence[Placed],
    selected: Selected | None,
    identity: str = "",
) -> types.InlineCompletionList:
    """The suggestions at `offset`, in place of what each covers; or of what the selected entry replaces.

    No texts are an empty list: that clears what the editor shows. (`null` would leave it standing.) With an
    identity each item has a command, by which the editor tells that it was accepted.
    """
    start = document.position(offset)
    before = ""
    if selected is not None:
        before, start = selected.text, selected.start
    return types.InlineCompletionList(
        items=[
            types.InlineCompletionItem(
                insert_text=before + _with_line_ends(text, document),
                range=_range(start, selected.end if selected else document.position(offset + replaces)),
                command=_accept_command(identity) if identity else None,
            )
            for text, replaces in texts
        ]
    )


def _accept_command(identity: str) -> types.Command:
    return types.Command(**write_accept_command(identity))


def completion_list(document: Document, offset: int, texts: Sequence[Placed]) -> types.CompletionList:
    """The suggestions for an editor without inline completion: entries that replace the word begun.

    The list is incomplete: what is suggested after the next key is another text.
    """
    entries = [_entry(document, offset, placed, rank) for rank, placed in enumerate(texts)]
    return types.CompletionList(is_incomplete=True, items=entries)


def _entry(document: Document, offset: int, placed: Placed, rank: int) -> types.CompletionItem:
    """An entry of the list, below those of others. Editors filter by the word begun, so it is part of it."""
    text, replaces = placed
    line_start = document.offset(Position(document.position(offset).line, 0))
    found = _WORD_BEFORE.search(document.text[line_start:offset])
    word = found.group() if found else ""
    whole = word + _with_line_ends(text, document)
    shown = whole.strip().partition("\n")[0].rstrip()
    more = "…" if len(shown) > _LABEL_LENGTH or "\n" in whole.strip() else ""
    language = document.language or "text"
    return types.CompletionItem(
        label=shown[:_LABEL_LENGTH] + more,
        kind=types.CompletionItemKind.Text,
        detail="stardraft",
        documentation=types.MarkupContent(types.MarkupKind.Markdown, _code_block(language, word + text)),
        filter_text=whole.partition("\n")[0].rstrip() or whole,
        sort_text=f"~{rank}",
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(
            range=_range(document.position(offset - len(word)), document.position(offset + replaces)),
            new_text=whole,
        ),
    )


def _code_block(language: str, code: str) -> str:
    """Code in Markdown, whatever stands in it: the fence is longer than any run of backticks there."""
    fence = "`" * max([3, *(len(run[0]) + 1 for run in _BACKTICKS.finditer(code))])
    return f"{fence}{_NO_INFO.sub('', language)}\n{code}\n{fence}"


def _with_line_ends(text: str, document: Document) -> str:
    line_end = document.line_end()
    return text if line_end == "\n" else text.replace("\n", line_end)


def _range(start: Position, end: Position) -> types.Range:
    return types.Range(types.Position(start.line, start.character), types.Position(end.line, end.character))
