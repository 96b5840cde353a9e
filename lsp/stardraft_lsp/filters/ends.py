"""How a suggestion ends: at something whole, without white space, and long enough to be worth a key.

What is taken back here is taken back at the end of a generation only.
"""

from stardraft_lsp.filters.around import Around, leading
from stardraft_lsp.filters.draft import Draft
from stardraftd.patterns import linear

MIN_VISIBLE = 2  # accepting costs one key: a single character is typed as quickly
_HALF = linear(r"(?:\w+|[^\w\s]*[(\[{,=+*/<>&|.:!-]+)\s*$")
_MARKS = linear(r"[^\w\s)\]}\"'`;]+\s*$")
_OPENERS = linear(r"(?:[{(\[:]|\b(?:do|then)|=>|->)\s*$")
_STATEMENT = linear(
    r"\s*(?:if|for|while|with|def|class|else|elif|try|switch|match|fn|func|function|impl|struct|enum|unless|until|case"
    r"|catch|except|finally|do|begin|async|public|private|protected|static|interface|namespace|module|describe|it)\b"
)


def half_word(draft: Draft, _around: Around) -> Draft:
    """What was ended in the middle goes back to its last whole line; a single line to its last whole word."""
    if draft.ended != "cut" or not draft.text:
        return draft
    text = draft.text
    end = text.rfind("\n")
    if end >= 0 and text[:end].strip():
        return draft.trimmed(len(text[:end].rstrip()), "half_word")
    found = _HALF.search(text)
    if found is None:
        return draft
    before = text[: found.start()]
    # `foo.ba` goes back to `foo`, not to `foo.`
    again = _MARKS.search(before)
    if found.group()[0].isalnum() or found.group()[0] == "_":
        before = before[: again.start()] if again and not text[: again.start()].isspace() else before
    return draft.trimmed(len(before.rstrip()), "half_word")


def dangling(draft: Draft, around: Around) -> Draft:
    """Without a last line that opens a statement of which nothing follows."""
    text = draft.text
    if not draft.ended or "\n" not in text.strip():
        return draft
    kept = text.rstrip()
    while "\n" in kept:
        start = kept.rfind("\n") + 1
        last = kept[start:]
        if not _OPENERS.search(last) or not (_STATEMENT.match(last) or last.rstrip().endswith("{")):
            break
        below = around.below[0] if around.below else ""
        if around.columns(leading(below)) > around.columns(leading(last)):
            break  # the file goes on inside of it
        above = kept[: start - 1].rstrip()
        if not above.strip():
            break
        kept = above
    return draft if kept == text.rstrip() else draft.trimmed(len(kept), "dangling")


def trailing_space(draft: Draft, around: Around) -> Draft:
    """No white space at the end of a line, nor of the text unless code follows at once."""
    text = draft.text
    kept = text.rstrip()
    n_spaces = len(text) - len(kept)
    if not n_spaces:
        return _inner_space(draft)
    white = text[len(kept) :]
    if not draft.ended:
        return _inner_space(draft.held(len(kept)))
    if around.rest and not around.rest[0].isspace() and "\n" not in white:
        return _inner_space(draft)  # `a + ` before `b`
    return _inner_space(draft.trimmed(len(kept), "trailing_space"))


def _inner_space(draft: Draft) -> Draft:
    text = draft.text
    if " \n" not in text and "\t\n" not in text:
        return draft
    lines = text.split("\n")
    bare = "\n".join([*(line.rstrip(" \t") for line in lines[:-1]), lines[-1]])
    return draft.changed(bare, "trailing_space")


def worth_a_key(draft: Draft, _around: Around) -> Draft:
    """Nothing that is blank or a single character."""
    text = draft.text
    if not text.strip():
        return draft.rejected("blank") if draft.ended and not _is_rejected(draft) else draft.held(0)
    if len("".join(text.split())) >= MIN_VISIBLE:
        return draft
    return draft.rejected("too_short") if draft.ended else draft.held(0)


def _is_rejected(draft: Draft) -> bool:
    return draft.is_final and not draft.text and bool(draft.why)
