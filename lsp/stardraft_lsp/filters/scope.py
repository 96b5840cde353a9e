"""Where a suggestion leaves what the cursor stands in: the block, by its text, and the lines allowed."""

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.blocks import block_end


def scope(draft: Draft, around: Around) -> Draft:
    """The block ends before the first line that stands further out than it does."""
    if around.mode != "block" or not draft.text:
        return draft
    found = block_end(around.block, draft.text, is_whole=bool(draft.ended))
    if found.is_final:
        is_cut = bool(draft.text[found.n_characters :].strip())
        return draft.cut(found.n_characters, "scope") if is_cut else draft
    return draft.held(found.n_characters)


def max_lines(draft: Draft, around: Around) -> Draft:
    """At most so many lines with something on them."""
    if not around.max_lines:
        return draft
    n, start = 0, 0
    text = draft.text
    while start < len(text):
        end = text.find("\n", start)
        if end < 0:
            return draft
        n += bool(text[start:end].strip())
        if n >= around.max_lines:
            return draft.cut(end, "max_lines")
        start = end + 1
    return draft


def one_line(draft: Draft, around: Around) -> Draft:
    """In line mode, and before code on the cursor's own line, the text is one line with something on it."""
    if around.mode == "free" or (around.mode == "block" and around.rest_is_dust):
        return draft
    text = draft.text
    end = text.find("\n")
    if not around.rest:
        while 0 <= end < len(text) and not text[:end].strip():
            end = text.find("\n", end + 1)
    return draft if end < 0 else draft.cut(end, "one_line")
